"""`hf-hardneg inpaint review`."""

import argparse

from ...number_ranges import Range, whole_number


HELP = "open a local page on which people accept or reject the pairs by keyboard"
DESCRIPTION = (
    "Every decision is saved in the folder's journal.jsonl at once. Several people can review at the same time: "
    "each pair is shown to one of them."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", metavar="DIR", help="the --out of hf-hardneg inpaint build")
    parser.add_argument(
        "--reviews", type=whole_number(Range(1)), default=1, help="how many people review each pair (default 1)"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine only)"
    )
    parser.add_argument(
        "--port", type=whole_number(Range(1, 65535)), default=7860, help="port to listen on (default 7860)"
    )
    parser.add_argument("--password", help="the page asks for it, with any user name")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ...inpainting.review.app import serve_review

    serve_review(args.folder, needed=args.reviews, host=args.host, port=args.port, password=args.password)
