"""`hf-hardneg inpaint review`."""

import argparse


HELP = "a local page on which people accept or reject the pairs, by keyboard"
DESCRIPTION = (
    "Serve a page on this machine. Every decision goes into the folder's journal.jsonl at once. Several people may "
    "review together; an item is with one of them at a time."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", metavar="DIR", help="The folder that hf-hardneg inpaint build wrote.")
    parser.add_argument("--reviews", type=int, default=1, help="How many people review each item (default 1).")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="The address to serve on. Default: 127.0.0.1, which only this machine reaches.",
    )
    parser.add_argument("--port", type=int, default=7860, help="The port to serve on (default 7860).")
    parser.add_argument("--password", help="The page asks for this password. Any user name will do.")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ...inpainting.review.app import review

    review(args.folder, needed=args.reviews, host=args.host, port=args.port, password=args.password)
