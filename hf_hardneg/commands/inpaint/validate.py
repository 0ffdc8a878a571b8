"""`hf-hardneg inpaint validate`."""

import argparse
import sys


HELP = "find what is wrong with anybody's set of pairs"
DESCRIPTION = (
    "Check the captions, masks and images of every pair of a set with InpaintCOCO's columns, look for duplicates, "
    "and count what is wrong by reason."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "source", metavar="PATH_OR_ID", help="The set to check: a Hub id or folder, such as phiyodr/InpaintCOCO."
    )
    parser.add_argument("--split", default="test", help="The split to check (default test).")
    parser.add_argument("--out", metavar="DIR", help="Write the pairs without a fault to this folder.")
    parser.add_argument(
        "--json", metavar="FILE", help="Write the counts, and the reasons and figures of each row, to this file."
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ...data.inpainted_pairs import open_pairs
    from ...inpainting.check.validation_report import format_report, save_clean, validate_set, write_report

    report = validate_set(args.source, args.split)
    sys.stdout.write(format_report(report) + "\n")
    if args.json:
        write_report(report, args.json)
    if args.out:
        save_clean(open_pairs(args.source, args.split), report, args.out)
        sys.stdout.write(f"Saved in {args.out}\n")
