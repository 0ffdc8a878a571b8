"""`hf-hardneg negatives`."""

import argparse
import shlex
import sys

from ..lexicon.concepts import CONCEPTS, FURTHER_CONCEPTS
from ..negatives.chance import TEMPERATURE
from ..number_ranges import Range, real_number, whole_number


HELP = "make hard-negative captions for a set of captions"
DESCRIPTION = (
    "Learn from the captions which words go together, draw up to K negatives for each caption, audit them, and write "
    "a dataset folder: data/train.parquet, README.md, slot_model/, sample.html, negatives.json."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("captions", help=".jsonl, .csv, .tsv, .parquet, COCO's captions_*.json, a folder or a Hub id")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    parser.add_argument(
        "-k",
        "--num_negatives",
        type=whole_number(Range(1)),
        default=3,
        help="negatives per caption, at most (default 3)",
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other negatives (default 0)")
    parser.add_argument(
        "--concepts",
        nargs="+",
        default=list(CONCEPTS),
        help=f"concepts to change: of {', '.join(CONCEPTS + FURTHER_CONCEPTS)}, or paths of your own YAML or JSON "
        "vocabularies",
    )
    parser.add_argument(
        "--concept_weights",
        nargs="+",
        type=real_number(Range(0)),
        help="relative frequency of each concept (default: all alike)",
    )
    parser.add_argument(
        "--temperature",
        type=real_number(Range(0, above=True)),
        help="at 1, each word is put in for another as often as it is taken out for it, by the slot model; a higher "
        f"value gives more captions a negative, and text-only readers tell more of them (default {TEMPERATURE})",
    )
    parser.add_argument("--model", metavar="DIR", help="slot_model folder of other captions, to learn from them, too")
    parser.add_argument(
        "--language_model",
        metavar="ID",
        help="Hub id or folder of a causal language model; drops negatives that it finds too unlikely",
    )
    parser.add_argument("--caption_column", help="default: caption, captions or text, whichever is there")
    parser.add_argument(
        "--split", default="train", help="split of a folder or Hub id, or a slice such as test[:20] (default train)"
    )
    parser.add_argument("--dataset_config", metavar="NAME", help="configuration of a folder or Hub id with several")
    parser.add_argument(
        "--license",
        metavar="ID",
        help="license of the captions for the card, as the Hub spells it, such as cc-by-4.0 (default unknown)",
    )
    parser.add_argument("--num_proc", type=whole_number(Range(1)), help="processes that draw (default 1; with ray 2)")
    parser.add_argument(
        "--engine",
        choices=("datasets", "ray"),
        default="datasets",
        help="ray: run on a Ray cluster, from Parquet with caption, image_id, other_captions; no audit, no card",
    )
    parser.add_argument("--no_audit", action="store_true", help="leave out the audit")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ..negatives.add_negatives import AddHardNegatives
    from ..negatives.build_options import BuildOptions

    settings = {
        "num_negatives": args.num_negatives,
        "seed": args.seed,
        "concepts": tuple(args.concepts),
        "concept_weights": tuple(args.concept_weights) if args.concept_weights else None,
    }
    if args.temperature is not None:
        settings["temperature"] = args.temperature
    add = AddHardNegatives(**settings)
    options = BuildOptions(
        caption_column=args.caption_column,
        split=args.split,
        config=args.dataset_config,
        license=args.license,
        known_model=args.model,
        language_model=args.language_model,
        num_proc=args.num_proc,
        with_audit=not args.no_audit,
    )
    if args.engine == "ray":
        from ..negatives.ray_engine import make_negatives_on_ray

        counts = make_negatives_on_ray(args.captions, args.out, add, options)
        sys.stdout.write(f"{counts['negatives']:,} negatives for {counts['captions']:,} captions in {args.out}\n")
        return
    from ..negatives.dataset_folder import format_summary, make_negatives

    summary = make_negatives(args.captions, args.out, add, options)
    sys.stdout.write(
        f"{format_summary(summary)}\n\nSaved in {args.out}. {_next_step(args.out, summary['negatives'])}\n"
    )


def _next_step(folder: str, negatives: int) -> str:
    """What to do with the folder."""
    if not negatives:
        return "No caption has a negative: the reasons are above, and --concepts takes vocabularies of your own."
    return (
        f"Open {folder}/sample.html in a browser and read some of them. To train on them: "
        f"python -m hf_hardneg.train --dataset PHOTOS --negatives {shlex.quote(folder)}"
    )
