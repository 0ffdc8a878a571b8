"""`hf-hardneg COMMAND`: the tools beside training."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path


ACCELERATE_CONFIGS = Path(__file__).parent / "accelerate_configs"


def _add_audit(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "audit",
        help="how much of a set of negatives can be told by reading alone, without the image",
        description="Read captions and negatives without any image: 50 % is what guessing gives. Known formats: TSV, "
        "CSV, JSON, JSONL, Parquet, dataset folders; NegCLIP's and SugarCrepe's files as they are.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="one or more files, each a column of the table")
    parser.add_argument("--caption_column", help="default: caption, title or text, whichever is there")
    parser.add_argument("--negatives_column", help="default: negatives, neg_caption or negative_caption")
    parser.add_argument("--json", metavar="OUT", help="also write the figures there")
    parser.add_argument("--figure", metavar="OUT", help="also draw them there (.png, .svg, .pdf)")
    parser.set_defaults(run=_run_audit)


def _run_audit(args: argparse.Namespace) -> None:
    from tqdm.auto import tqdm

    from .audit import audit
    from .audit_report import draw_audits, format_audits
    from .pair_files import read_pairs

    audits = {}
    stems = [Path(file).stem for file in args.files]
    for file in tqdm(args.files, desc="Auditing", disable=None):
        captions, negatives, skipped = read_pairs(file, args.caption_column, args.negatives_column)
        stem = Path(file).stem
        try:
            audits[stem if stems.count(stem) == 1 else file] = audit(captions, negatives)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
        if skipped:
            sys.stderr.write(f"{file}: skipped {dict(skipped)}\n")
    if args.json:
        content = {name: asdict(result) for name, result in audits.items()}
        Path(args.json).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if args.figure:
        draw_audits(audits, Path(args.figure))
    sys.stdout.write(format_audits(audits) + "\n")


def _add_negatives(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from .lexicon import CONCEPTS

    parser = commands.add_parser(
        "negatives",
        help="make hard-negative captions for a set of captions",
        description="Fit word counts on the captions, draw up to K negatives each that reading alone does not tell "
        "from their captions, audit them, and write a dataset folder: data/train.parquet, README.md, slot_model/.",
    )
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
    parser.set_defaults(run=_run_negatives)


def _run_negatives(args: argparse.Namespace) -> None:
    from .negatives import AddHardNegatives

    settings = {
        "num_negatives": args.num_negatives,
        "seed": args.seed,
        "concepts": tuple(args.concepts),
        "concept_weights": tuple(args.concept_weights) if args.concept_weights else None,
    }
    if args.temperature is not None:
        settings["temperature"] = args.temperature
    if args.engine == "ray":
        from .ray_engine import make_negatives_on_ray

        if args.language_model:
            raise ValueError("--language_model needs one accelerator's process: leave out --engine ray.")
        counts = make_negatives_on_ray(
            args.captions, args.out, AddHardNegatives(**settings), args.model, args.num_proc or 2
        )
        sys.stdout.write(f"{counts['negatives']:,} negatives for {counts['captions']:,} captions in {args.out}\n")
        return
    from .make_negatives import format_summary, make_negatives

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


def _add_vocabulary(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "vocabulary",
        help="write the nouns and adjectives of captions as a vocabulary file, the open concept",
        description="Then: hf-hardneg negatives CAPTIONS --concepts object color size location FILE --out DIR",
    )
    parser.add_argument("captions", help="as for negatives")
    parser.add_argument("--out", required=True, metavar="FILE", help="the .yaml file to write")
    parser.add_argument("--min_count", type=int, default=20, help="fewest uses of a word (default 20)")
    parser.add_argument("--caption_column", help="default: caption, captions or text, whichever is there")
    parser.add_argument("--split", default="train", help="of a folder or Hub id (default train)")
    parser.set_defaults(run=_run_vocabulary)


def _run_vocabulary(args: argparse.Namespace) -> None:
    from tqdm.auto import tqdm

    from .captions import read_captions
    from .columns import CAPTION
    from .open_vocabulary import write_open_vocabulary

    rows, _ = read_captions(args.captions, args.caption_column, args.split)
    counts = write_open_vocabulary(tqdm(rows[CAPTION], desc="Tagging", disable=None), args.out, args.min_count)
    sys.stdout.write(f"{counts} in {args.out}\n")


def _add_benchmarks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--benchmarks",
        nargs="+",
        default=["scenes"],
        metavar="NAME[=SOURCE]",
        help="scenes (default, nothing to download), aro, coco, colorswap, flickr30k, hard_positives, inpaintcoco, "
        "sugarcrepe, sugarcrepe_pp, svo_probes, vl_checklist, whatsup, winoground, zero_shot; SOURCE is a folder with "
        "the authors' files (default data/NAME) or a Hub id. A missing one says what to download",
    )


def _add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "evaluate",
        help="run models on benchmarks beside a control",
        description="Print one table with 95 %% intervals and, beside each model, its difference to the control; "
        "write metrics.json, items.parquet (every item's scores), table.md and report.html, a page to look at.",
    )
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="folder or Hub id, NAME=PATH, or NAME=PATH,PATH,... (training seeds)",
    )
    _add_benchmarks(parser)
    parser.add_argument("--control", metavar="MODEL", help="the model that the others are compared with")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    parser.set_defaults(run=_run_evaluate)


def _run_evaluate(args: argparse.Namespace) -> None:
    from .evaluation.command import evaluate_to_folder

    table = evaluate_to_folder(args.models, args.benchmarks, args.control, args.out)
    sys.stdout.write(f"{table}\n\nSaved in {args.out}; look at {args.out}/report.html\n")


def _add_report(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "report",
        help="make an evaluation's report.html again",
        description="Of what hf-hardneg evaluate saved; further folders add the curve of hf-hardneg interpolate "
        "(curve.json) and training curves (trainer_state.json, also of a checkpoint). Those of the models' own "
        "folders are found by themselves.",
    )
    parser.add_argument("folder", metavar="DIR", help="the folder of hf-hardneg evaluate")
    parser.add_argument("more", nargs="*", metavar="DIR", help="folders of interpolations and training runs")
    parser.set_defaults(run=_run_report)


def _run_report(args: argparse.Namespace) -> None:
    from .evaluation.page import write_report

    sys.stdout.write(f"Look at {write_report(Path(args.folder), [Path(more) for more in args.more])}\n")


def _add_interpolate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "interpolate",
        help="average a tuned model with its start, so that it forgets less",
        description="Measure gain and retention at eleven alphas, choose the greatest gain on a development half of "
        "the photos that keeps retention, save the model, curve.json and curve.png.",
    )
    parser.add_argument("start", help="folder or Hub id of the model that was tuned")
    parser.add_argument("tuned", help="folder or Hub id of what became of it")
    _add_benchmarks(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    parser.add_argument(
        "--max_loss", type=float, default=1.0, help="points of retention that may be given up (default 1)"
    )
    parser.set_defaults(run=_run_interpolate)


def _run_interpolate(args: argparse.Namespace) -> None:
    from .evaluation.interpolate import interpolate

    sys.stdout.write(interpolate(args.start, args.tuned, args.out, args.benchmarks, args.max_loss) + "\n")


def _add_scenes(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "scenes",
        help="write rendered scenes and their inpainted pairs as a dataset folder",
        description="The offline data of `--dataset scenes` as Parquet with a card: captioned scenes, and pairs with "
        "InpaintCOCO's columns.",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    parser.add_argument("--rows", type=int, default=12000, help="captioned scenes to train on (default 12000)")
    parser.add_argument("--pairs_per_concept", type=int, default=300, help="held-out pairs (default 300)")
    parser.set_defaults(run=_run_scenes)


def _run_scenes(args: argparse.Namespace) -> None:
    from .scenes_folder import write_scenes

    write_scenes(args.out, args.rows, args.pairs_per_concept)
    sys.stdout.write(f"Saved in {args.out}\n")


def _add_push(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "push",
        help="publish a folder that a command has written",
        description="One commit that appears whole or not at all, read back and compared; nothing if all is there "
        "already. The token is that of `hf auth login` or HF_TOKEN.",
    )
    parser.add_argument("folder", help="a trained model, a dataset with its card, or a Space (a metric)")
    parser.add_argument("repo_id", help="owner/name")
    parser.add_argument("--type", choices=("model", "dataset", "space"), help="default: told from what is in it")
    parser.add_argument("--tag", help="a name for what is published, such as v1")
    visible = parser.add_mutually_exclusive_group()
    visible.add_argument("--private", action="store_true", default=None, help="a new repo is private")
    visible.add_argument(
        "--public", action="store_false", dest="private", help="the repo is public, from when all is there"
    )
    parser.set_defaults(run=_run_push)


def _run_push(args: argparse.Namespace) -> None:
    from .hub import publish_folder
    from .hub_folder import detect_type

    repo_type = args.type or detect_type(Path(args.folder))
    published = publish_folder(args.folder, args.repo_id, repo_type, private=args.private, tag=args.tag)
    sys.stdout.write(f"{published}\n")


def _add_config(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "config",
        help="print where a shipped config of accelerate lies",
        description='accelerate launch --config_file "$(hf-hardneg config multi_gpu)" -m hf_hardneg.train RECIPE',
    )
    parser.add_argument("name", choices=sorted(file.stem for file in ACCELERATE_CONFIGS.glob("*.yaml")))
    parser.set_defaults(run=lambda args: sys.stdout.write(f"{ACCELERATE_CONFIGS / args.name}.yaml\n"))


def _add_inpaint(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from .inpainting.commands import add_actions

    parser = commands.add_parser("inpaint", help="make pairs of photos that differ in one thing")
    add_actions(parser.add_subparsers(required=True, metavar="ACTION"))


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; a mistake of the user's ends it with one sentence instead of a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    parser = argparse.ArgumentParser(prog="hf-hardneg", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_negatives(commands)
    _add_audit(commands)
    _add_vocabulary(commands)
    _add_evaluate(commands)
    _add_report(commands)
    _add_interpolate(commands)
    _add_scenes(commands)
    _add_push(commands)
    _add_config(commands)
    _add_inpaint(commands)
    args = parser.parse_args(argv)
    try:
        args.run(args)
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
