"""`hf-hardneg inpaint validate`."""

import argparse
import sys


HELP = "find faults in any set of such pairs"
DESCRIPTION = (
    "Check the captions, masks and images of every pair of a set with InpaintCOCO's columns, find duplicates, "
    "and count the faults by reason."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("source", metavar="PATH_OR_ID", help="Hub id or folder, for instance phiyodr/InpaintCOCO")
    parser.add_argument("--split", default="test", help="the split to check (default test)")
    parser.add_argument("--out", metavar="DIR", help="write the pairs without a fault to this dataset folder")
    parser.add_argument(
        "--json", metavar="FILE", help="also write the counts, and the faults and figures of each row, to this file"
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ...atomic_folder import check_file
    from ...data.inpainted_pairs import open_pairs
    from ...inpainting.check.validation_report import format_validation, save_clean, validate_set, write_validation

    if args.json is not None:
        check_file(args.json, "--json")
    report = validate_set(args.source, args.split)
    sys.stdout.write(format_validation(report) + "\n")
    if args.json:
        write_validation(report, args.json)
    if args.out is not None:
        save_clean(open_pairs(args.source, args.split), report, args.out)
        sys.stdout.write(f"Saved in {args.out}\n")
