"""`hf-hardneg inpaint export`."""

import argparse
import sys


HELP = "write the accepted pairs as a dataset folder"
DESCRIPTION = (
    "Write the pairs that reviewers accepted as a dataset folder for load_dataset and for upload: "
    "Parquet with InpaintCOCO's columns, dataset card, contact sheet and counts."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", metavar="DIR", help="the --out of hf-hardneg inpaint build")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="a new or empty folder, or an earlier export to replace"
    )
    parser.add_argument(
        "--unreviewed",
        action="store_true",
        help="export all pairs that passed the gates, although nobody looked at them",
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ...inpainting.publish.export import export_pairs

    summary = export_pairs(args.folder, args.out, unreviewed=args.unreviewed)
    concepts = ", ".join(f"{name} {count}" for name, count in summary["by_concept"].items())
    note = "" if summary["reviewed"] else " (nobody looked at them)"
    left_out = "".join(f"\n{count:>7}  left out: {reason}" for reason, count in summary["left_out"].items())
    sys.stdout.write(f"{summary['pairs']} pairs{note}: {concepts}{left_out}\nSaved in {args.out}\n")
