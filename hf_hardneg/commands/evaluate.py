"""`hf-hardneg evaluate`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def add_benchmarks(parser: argparse.ArgumentParser) -> None:
    """Add `--benchmarks` and the columns of their data, which several commands take."""
    parser.add_argument(
        "--benchmarks",
        nargs="+",
        default=["scenes"],
        metavar="NAME[=SOURCE[:CONFIG][:SPLIT]]",
        help="scenes (default, nothing to download), aro, coco, colorswap, flickr30k, hard_positives, inpaintcoco, "
        "natural_twins, sugarcrepe, sugarcrepe_pp, svo_probes, vl_checklist, whatsup, winoground or zero_shot. SOURCE "
        "is a folder with the authors' files (default data/NAME), a Hub id or ID@REVISION. If files are missing, the "
        "error says what to download. SPLIT is for sets that have several, such as zero_shot=ID:validation. Of a set "
        "with several configurations, name both: zero_shot=ID:CONFIG:SPLIT.",
    )
    parser.add_argument(
        "--image_column",
        metavar="NAME",
        help="The column of the images, in coco, flickr30k or zero_shot from a dataset (default: it is found).",
    )
    parser.add_argument(
        "--label_column",
        metavar="NAME",
        help="The column of the labels, in zero_shot from a dataset (default: it is found).",
    )


HELP = "run models on benchmarks and compare them with a control"
DESCRIPTION = (
    "Print one table with 95 % intervals. Beside each model stands its difference to the control. Also write "
    "metrics.json, items.parquet (every item's scores), table.md and report.html (charts and mistakes)."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="A folder, Hub id or ID@REVISION; NAME=PATH to name it; NAME=PATH,PATH,... for training seeds of one "
        "model.",
    )
    parser.add_argument(
        "--embeddings",
        nargs="+",
        default=[],
        metavar="[NAME=]FILE.npz",
        help="Embeddings of further models, also of such that transformers cannot load. The arrays images and texts "
        "have a row for each image and each text, in the benchmark's order.",
    )
    add_benchmarks(parser)
    parser.add_argument("--control", metavar="MODEL", help="A further model, which the others are compared with.")
    parser.add_argument("--out", required=True, metavar="DIR", help="The folder to write.")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    models = [*args.models, *args.embeddings]
    if not models:
        raise ValueError("There is no model to evaluate: give a folder, a Hub id, or --embeddings FILE.npz.")
    columns = {"image_column": args.image_column, "label_column": args.label_column}
    table = evaluate_to_folder(models, args.benchmarks, args.control, args.out, **columns)
    sys.stdout.write(f"{table}\n\nSaved in {args.out}. Open {args.out}/report.html in a browser.\n")


def evaluate_to_folder(
    specs: Sequence[str], benchmarks: Sequence[str], control: str | None, out: str | Path, **columns: str | None
) -> str:
    """Evaluate models as `evaluate_models` does, write all files to `out`, and return the table."""
    from ..atomic_folder import check_overwrites
    from ..evaluation.evaluate import evaluate_models
    from ..evaluation.result_files import write_evaluation
    from ..report.html_report import write_html_report

    check_overwrites(out, ["items.parquet"], ["metrics.json", "table.md"])  # a training writes a metrics.json, too
    evaluation = evaluate_models(specs, benchmarks, control, **columns)
    table = write_evaluation(evaluation, Path(out))
    write_html_report(Path(out), tasks=evaluation.tasks)
    return table
