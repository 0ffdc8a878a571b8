"""`hf-hardneg interpolate`."""

import argparse
import sys

from .evaluate import add_benchmarks


HELP = "average a fine-tuned model with its start model, so that it forgets less"
DESCRIPTION = (
    "Average the weights of two models at eleven alphas, from 0 (start) to 1 (tuned). On one half of the photos, "
    "choose the alpha of the greatest gain that keeps retention; report the other half. Write the averaged model, "
    "curve.json and curve.png."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("start", help="folder or Hub id of the model that training started from")
    parser.add_argument("tuned", help="folder or Hub id of the fine-tuned model")
    add_benchmarks(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    parser.add_argument(
        "--max_loss",
        type=float,
        default=1.0,
        metavar="POINTS",
        help="how many points of retention may be lost (default: 1)",
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ..evaluation.weight_interpolation import interpolate

    sys.stdout.write(interpolate(args.start, args.tuned, args.out, args.benchmarks, args.max_loss) + "\n")
