"""`hf-hardneg negatives`."""

import argparse
import sys


HELP = "make hard-negative captions for a set of captions"
DESCRIPTION = (
    "Fit word counts on the captions, draw up to K negatives each that reading alone does not tell "
    "from their captions, audit them, and write a dataset folder: data/train.parquet, README.md, slot_model/."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from ..lexicon.concepts import CONCEPTS

    parser.add_argument("captions", help=".jsonl, .csv, .tsv, .parquet, COCO's captions_*.json, a folder or a Hub id")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    parser.add_argument(
        "-k", "--num_negatives", type=int, default=3, help="negatives per caption, at most (default 3)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--concepts", nargs="+", default=list(CONCEPTS), help="names, or paths of your own YAML or JSON vocabularies"
    )
    parser.add_argument("--concept_weights", nargs="+", type=float, help="relative frequency of each concept")
    parser.add_argument("--temperature", type=float, help="above 1: more negatives, easier to tell by reading")
    parser.add_argument("--model", metavar="DIR", help="slot_model folder of further captions, added to these")
    parser.add_argument(
        "--language_model", metavar="ID", help="Hub id or folder of a causal language model; drops what it can tell"
    )
    parser.add_argument("--caption_column", help="default: caption, captions or text, whichever is there")
    parser.add_argument("--split", default="train", help="of a folder or Hub id (default train)")
    parser.add_argument("--num_proc", type=int, help="processes (default 1)")
    parser.add_argument(
        "--engine",
        choices=("datasets", "ray"),
        default="datasets",
        help="ray: on a Ray cluster, from Parquet with caption, image_id, other_captions; no audit, no card",
    )
    parser.add_argument("--no_audit", action="store_true", help="leave out the audit")


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
