"""`hf-hardneg report`."""

import argparse
import sys
from pathlib import Path


HELP = "write an evaluation's report.html again, with further curves"
DESCRIPTION = (
    "Make the page from what hf-hardneg evaluate saved. Further folders add the curve of hf-hardneg interpolate "
    "(curve.json) and training curves (trainer_state.json, also of a checkpoint). Curves in the folders of the "
    "models are found without being named."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", metavar="DIR", help="The folder that hf-hardneg evaluate wrote.")
    parser.add_argument(
        "more", nargs="*", metavar="MORE", help="Folders of hf-hardneg interpolate and of trainings, for their curves."
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ..report.html_report import write_html_report

    file = write_html_report(Path(args.folder), [Path(folder) for folder in args.more])
    sys.stdout.write(f"Open {file} in a browser.\n")
