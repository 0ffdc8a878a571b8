"""`hf-hardneg inpaint review`."""

import argparse


HELP = "a local page on which people accept or reject the pairs, by keyboard"
DESCRIPTION = (
    "Every decision goes into the folder's journal.jsonl at once; several people may review together, "
    "and an item is with one of them at a time."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", metavar="DIR", help="what build wrote")
    parser.add_argument("--reviews", type=int, default=1, help="by how many people each item is reviewed (default 1)")
    parser.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1: this machine only")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--password", help="asked for by the page, with any user name")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ...inpainting.review.app import review

    review(args.folder, needed=args.reviews, host=args.host, port=args.port, password=args.password)
