"""`hf-hardneg inpaint export`."""

import argparse
import sys


HELP = "write the accepted pairs as a dataset folder"
DESCRIPTION = (
    "Write what reviewers accepted as a folder that load_dataset opens and that can be uploaded as it is: Parquet "
    "with InpaintCOCO's columns, a card, a contact sheet and counts."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", metavar="DIR", help="The folder in which the pairs were built and reviewed.")
    parser.add_argument(
        "--out",
        required=True,
        metavar="DIR",
        help="The folder to write: new, empty, or an earlier export, which is replaced.",
    )
    parser.add_argument(
        "--unreviewed",
        action="store_true",
        help="Export all pairs that passed the gates, although nobody looked at them.",
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ...inpainting.publish.export import export_pairs

    summary = export_pairs(args.folder, args.out, unreviewed=args.unreviewed)
    concepts = ", ".join(f"{name} {count}" for name, count in summary["by_concept"].items())
    looked = "" if summary["reviewed"] else " (nobody looked at them)"
    left_out = "".join(f"\n{count:>7}  left out: {reason}" for reason, count in summary["left_out"].items())
    sys.stdout.write(f"{summary['pairs']} pairs{looked}: {concepts}{left_out}\nSaved in {args.out}\n")
