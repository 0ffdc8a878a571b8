"""`hf-hardneg negatives`."""

import argparse
import sys


HELP = "make hard-negative captions for a set of captions"
DESCRIPTION = (
    "Count the words around each slot of the captions, draw up to K negatives for each caption, and audit them. "
    "Write a dataset folder: data/train.parquet, README.md, slot_model/, sample.html."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from ..lexicon.concepts import CONCEPTS

    parser.add_argument(
        "captions",
        help="Captions: a .jsonl, .csv, .tsv or .parquet file, COCO's captions_*.json, a folder or a Hub id.",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="The folder to write.")
    parser.add_argument(
        "-k", "--num_negatives", type=int, default=3, help="The most negatives per caption (default 3)."
    )
    parser.add_argument("--seed", type=int, default=0, help="Another seed draws other negatives (default 0).")
    parser.add_argument(
        "--concepts",
        nargs="+",
        default=list(CONCEPTS),
        help="Which kinds of words to replace: names of shipped concepts, or paths of your own YAML or JSON files.",
    )
    parser.add_argument(
        "--concept_weights",
        nargs="+",
        type=float,
        help="How often each concept is chosen in captions that name several: one number per concept. "
        "Default: all alike.",
    )
    parser.add_argument(
        "--temperature",
        type=float,
        help="How freely negatives are drawn (default 1.375). A higher value gives more captions a negative, and "
        "readers who do not see the image tell more of them.",
    )
    parser.add_argument(
        "--model", metavar="DIR", help="Also use the word counts of other captions: their slot_model folder."
    )
    parser.add_argument(
        "--language_model",
        metavar="ID",
        help="A causal language model, a Hub id or folder. It drops some of the negatives that it finds less likely "
        "than their caption.",
    )
    parser.add_argument(
        "--caption_column", help="The column of captions. Default: caption, captions or another usual name."
    )
    parser.add_argument("--split", default="train", help="The split to read, for a folder or Hub id (default train).")
    parser.add_argument("--num_proc", type=int, help="How many processes to use (default 1).")
    parser.add_argument(
        "--engine",
        choices=("datasets", "ray"),
        default="datasets",
        help="ray: run on a Ray cluster. The input is then Parquet with caption, image_id and other_captions; there "
        "is no audit and no card.",
    )
    parser.add_argument("--no_audit", action="store_true", help="Do not audit the negatives.")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ..negatives.add_negatives import AddHardNegatives

    settings = {
        "num_negatives": args.num_negatives,
        "seed": args.seed,
        "concepts": tuple(args.concepts),
        "concept_weights": tuple(args.concept_weights) if args.concept_weights else None,
    }
    if args.temperature is not None:
        settings["temperature"] = args.temperature
    if args.engine == "ray":
        from ..negatives.ray_engine import make_negatives_on_ray

        if args.language_model:
            raise ValueError("--language_model needs one accelerator's process: leave out --engine ray.")
        counts = make_negatives_on_ray(
            args.captions, args.out, AddHardNegatives(**settings), args.model, args.num_proc or 2
        )
        sys.stdout.write(f"{counts['negatives']:,} negatives for {counts['captions']:,} captions in {args.out}\n")
        return
    from ..negatives.dataset_folder import format_summary, make_negatives

    summary = make_negatives(
        args.captions,
        args.out,
        AddHardNegatives(**settings),
        args.model,
        args.language_model,
        args.caption_column,
        args.split,
        args.num_proc,
        not args.no_audit,
    )
    sys.stdout.write(f"{format_summary(summary)}\n\nSaved in {args.out}\n")
