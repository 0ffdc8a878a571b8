"""`hf-hardneg scenes`."""

import argparse
import sys

from ..number_ranges import Range, whole_number


HELP = "write rendered scenes and their inpainted pairs as a dataset folder"
DESCRIPTION = (
    "Write the data of `--dataset scenes` as Parquet with a card: captioned scenes, and pairs with InpaintCOCO's "
    "columns."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--out", required=True, metavar="DIR", help="The folder to write.")
    parser.add_argument(
        "--rows",
        type=whole_number(Range(1)),
        default=12000,
        help="How many captioned scenes to train on (default 12000).",
    )
    parser.add_argument(
        "--pairs_per_concept",
        type=whole_number(Range(1)),
        default=300,
        help="How many held-out pairs of each concept (default 300).",
    )
    parser.add_argument(
        "--twins_per_concept",
        type=whole_number(Range(0)),
        default=0,
        help="How many pairs of each concept to train on, for --twins DIR:twins:train of the training (default 0).",
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ..scenes.scenes_folder import write_scenes

    write_scenes(args.out, args.rows, args.pairs_per_concept, args.twins_per_concept)
    sys.stdout.write(f"Saved in {args.out}\n")
