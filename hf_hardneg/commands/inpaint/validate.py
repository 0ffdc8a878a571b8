"""`hf-hardneg inpaint validate`."""

import argparse
import sys


HELP = "find what is wrong with a set of pairs, anybody's"
DESCRIPTION = (
    "Check every pair of a set with InpaintCOCO's columns: captions, mask, images, doubles, and count "
    "what is wrong by reason."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("source", metavar="PATH_OR_ID", help="Hub id or folder, for instance phiyodr/InpaintCOCO")
    parser.add_argument("--split", default="test", help="default test")
    parser.add_argument("--out", metavar="DIR", help="write the pairs without a fault there, as a dataset folder")
    parser.add_argument("--json", metavar="FILE", help="also write counts, and reasons and figures of each row")


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
