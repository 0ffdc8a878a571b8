"""`hf-hardneg report`."""

import argparse
import sys
from pathlib import Path


HELP = "make an evaluation's report.html again"
DESCRIPTION = (
    "Of what hf-hardneg evaluate saved; further folders add the curve of hf-hardneg interpolate "
    "(curve.json) and training curves (trainer_state.json, also of a checkpoint). Those of the models' own "
    "folders are found by themselves."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", metavar="DIR", help="the folder of hf-hardneg evaluate")
    parser.add_argument("more", nargs="*", metavar="DIR", help="folders of interpolations and training runs")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ..report.page import write_report

    sys.stdout.write(f"Look at {write_report(Path(args.folder), [Path(more) for more in args.more])}\n")
