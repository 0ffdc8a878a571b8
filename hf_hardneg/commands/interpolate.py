"""`hf-hardneg interpolate`."""

import argparse
import sys

from ..number_ranges import Range, real_number
from .evaluate import add_benchmarks


HELP = "average a model with its start model, so that it forgets less"
DESCRIPTION = (
    "Measure gain and retention at eleven alphas. On one half of the photos, choose the alpha with the greatest gain "
    "that keeps retention; report the other half. Save the model, curve.json and curve.png."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("start", help="The model before the training: a folder or Hub id.")
    parser.add_argument("tuned", help="The model after the training: a folder or Hub id.")
    add_benchmarks(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="The folder to write.")
    parser.add_argument(
        "--max_loss",
        type=real_number(Range(0, 100)),
        default=1.0,
        help="How many points of retention may be lost (default 1).",
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ..evaluation.weight_interpolation import interpolate

    sys.stdout.write(interpolate(args.start, args.tuned, args.out, args.benchmarks, args.max_loss) + "\n")
