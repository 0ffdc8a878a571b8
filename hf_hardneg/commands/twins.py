"""`hf-hardneg twins`."""

import argparse
import sys

from ..lexicon.concepts import CONCEPTS
from ..number_ranges import Range, whole_number


HELP = "find pairs of real photos whose captions differ in one concept word"
DESCRIPTION = (
    "Find natural twins among captioned photos, such as a man and a woman who ride a horse. Write a dataset folder "
    "with InpaintCOCO's columns, README.md and twins.json. Each photo is in one pair at most. To evaluate models on "
    "it: hf-hardneg evaluate MODEL --benchmarks natural_twins=DIR --out OUT."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "captions",
        metavar="CAPTIONS_OR_DATASET",
        help="a COCO folder, Karpathy's dataset_*.json, a table or folder of photos with captions, a Hub id; or "
        "captions alone (.jsonl, .csv, .parquet, captions_*.json), which give pairs of captions without photos",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    parser.add_argument(
        "--concepts",
        nargs="+",
        default=list(CONCEPTS),
        help="concepts of the word: names, or paths of your own YAML or JSON vocabularies",
    )
    parser.add_argument(
        "--dataset_split",
        metavar="NAME",
        help="the split, or a slice such as test[:20] (default: the only one, or train)",
    )
    parser.add_argument("--dataset_config", metavar="NAME", help="configuration of a folder or Hub id with several")
    parser.add_argument(
        "--image_column", metavar="NAME", help="the column of images or their paths (default: it is found)"
    )
    parser.add_argument("--caption_column", help="default: caption, captions or text, whichever is there")
    parser.add_argument(
        "--license",
        metavar="ID",
        help="license of the photos for the card, as the Hub spells it, such as cc-by-4.0 (default unknown)",
    )
    parser.add_argument(
        "--num_proc", type=whole_number(Range(1)), help="processes that check photos and hash captions (default 1)"
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ..twins.twins_folder import TwinOptions, format_twins, make_twins

    options = TwinOptions(
        concepts=tuple(args.concepts),
        split=args.dataset_split,
        image_column=args.image_column,
        caption_column=args.caption_column,
        config=args.dataset_config,
        license=args.license,
        num_proc=args.num_proc,
    )
    summary = make_twins(args.captions, args.out, options)
    sys.stdout.write(f"{format_twins(summary)}\nSaved in {args.out}\n")
