"""`hf-hardneg report`."""

import argparse
import sys
from pathlib import Path


HELP = "write an evaluation's report.html again, with further curves"
DESCRIPTION = (
    "Write report.html again from the files of hf-hardneg evaluate. Further folders add the curve of hf-hardneg "
    "interpolate (curve.json) or the training curves of a run (trainer_state.json). The training curves of the "
    "evaluated models are added by default."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", metavar="DIR", help="the folder of the evaluation")
    parser.add_argument("more", nargs="*", metavar="MORE", help="folders of interpolations and training runs")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ..report.html_report import write_html_report

    file = write_html_report(Path(args.folder), [Path(folder) for folder in args.more])
    sys.stdout.write(f"Open {file} in a browser.\n")
