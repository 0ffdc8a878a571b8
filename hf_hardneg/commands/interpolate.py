"""`hf-hardneg interpolate`."""

import argparse
import sys

from .evaluate import add_benchmarks


HELP = "average a tuned model with its start, so that it forgets less"
DESCRIPTION = (
    "Measure gain and retention at eleven alphas, choose the greatest gain on a development half of "
    "the photos that keeps retention, save the model, curve.json and curve.png."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("start", help="folder or Hub id of the model that was tuned")
    parser.add_argument("tuned", help="folder or Hub id of what became of it")
    add_benchmarks(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    parser.add_argument(
        "--max_loss", type=float, default=1.0, help="points of retention that may be given up (default 1)"
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ..evaluation.weight_interpolation import interpolate

    sys.stdout.write(interpolate(args.start, args.tuned, args.out, args.benchmarks, args.max_loss) + "\n")
