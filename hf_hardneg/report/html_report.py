"""report.html: the results of an evaluation on one page that needs no other file.

It is made from the files in the evaluation's folder: metrics.json, items.parquet and report_images.parquet.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from ..evaluation.tasks import Task
from .charts import draw_key, draw_scale
from .forgetting import plot_forgetting
from .mistakes import SAMPLE_SIZE, SEED, count_mistakes, describe_mistakes, read_choices, sample_mistakes
from .report_files import read_curve, read_log, read_metrics
from .score_rows import compare_models, label_score, main_score_rows, model_numbers, skipped_rows, task_panels
from .thumbnails import MAX_BYTES, Thumbnails, make_thumbnails, read_thumbnails, save_thumbnails
from .training_curves import Run, draw_training, find_state


TEMPLATES = Path(__file__).parent / "templates"
REPORT_FILE = "report.html"


@dataclass
class Extras:
    """What a report can show beside the evaluation.

    Attributes:
        curve: The content of an interpolation's curve.json, or None.
        runs: Training runs with their logs.
    """

    curve: dict[str, Any] | None = None
    runs: list[Run] = field(default_factory=list)


def build_html_report(
    metrics: Mapping[str, Any],
    mistakes: Sequence[Mapping[str, Any]],
    counts: Mapping[str, Any],
    thumbnails: Thumbnails,
    extras: Extras,
) -> str:
    """Render the page.

    Args:
        metrics: From `report_files.read_metrics`.
        mistakes: From `mistakes.describe_mistakes`.
        counts: By task, from `mistakes.count_mistakes`.
        thumbnails: From `thumbnails.read_thumbnails`.
        extras: From `find_extras`.

    Returns:
        HTML.
    """
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(autoescape=True, loader=loader, trim_blocks=True, lstrip_blocks=True)
    others = [name for name in metrics["models"] if name != metrics["control"]] or list(metrics["models"])
    main_rows, numbers = main_score_rows(metrics), model_numbers(metrics)
    missing = {(item["task"], name) for item in mistakes for name in item["images"]} - thumbnails.keys()
    return environment.get_template("html_report.html").render(
        metrics=metrics,
        control=metrics["control"],
        others=others,
        selectable_models=list(dict.fromkeys([*others, *metrics["models"]])),
        keys={name: draw_key(number) for name, number in numbers.items()},
        scale=draw_scale(),
        main_rows=main_rows,
        comparisons=compare_models(metrics, main_rows),
        panels=task_panels(metrics),
        forgetting=plot_forgetting(metrics, extras.curve),
        skipped=skipped_rows(metrics),
        mistakes=mistakes,
        counts=counts,
        pictures=_embed(thumbnails),
        missing=len(missing),
        training=draw_training(extras.runs),
        label_score=label_score,
        draw_key=draw_key,
        seed=SEED,
        size=SAMPLE_SIZE,
        megabytes=math.ceil(_max_picture_bytes(metrics) / 1e6),
    )


def _embed(thumbnails: Thumbnails) -> dict[tuple[str, str], str]:
    """Pictures as data URIs."""
    return {name: f"data:image/webp;base64,{base64.b64encode(data).decode()}" for name, data in thumbnails.items()}


def _max_picture_bytes(metrics: Mapping[str, Any]) -> int:
    """The most bytes that all pictures can take in base64."""
    images = max((len(facts["belongs"]) for facts in metrics["benchmarks"].values() if facts["belongs"]), default=0)
    return SAMPLE_SIZE * images * MAX_BYTES * 4 // 3


def find_extras(metrics: Mapping[str, Any], folders: Sequence[Path]) -> Extras:
    """Find an interpolation's curve and the logs of training runs.

    Args:
        metrics: The content of metrics.json. The folders of its models are searched for logs.
        folders: Further folders to search, the evaluation's own folder first.

    Raises:
        ValueError: If a folder after the first has neither curve.json nor trainer_state.json, or there are two curves.
    """
    numbers, extras, runs = model_numbers(metrics), Extras(), {}
    for name, model in metrics["models"].items():
        for seed, path in enumerate(model["paths"]):
            file = find_state(Path(path))
            if file:
                label = name if len(model["paths"]) == 1 else f"{name}, seed {seed}"
                runs[file.resolve()] = Run(label, numbers[name], read_log(file))
    for i, folder in enumerate(folders):
        state, curve = find_state(folder), folder / "curve.json"
        if i and not state and not curve.is_file():
            raise ValueError(
                f"{folder} has neither curve.json of hf-hardneg interpolate nor trainer_state.json of a training run."
            )
        if state and state.resolve() not in runs:
            number = max([*numbers.values(), *(run.number for run in runs.values())]) + 1
            runs[state.resolve()] = Run(folder.name, number, read_log(state))
        if curve.is_file():
            if extras.curve:
                raise ValueError(
                    f"{curve} is a second curve, but a report shows only one: leave one of the folders out."
                )
            extras.curve = read_curve(curve)
    extras.runs = list(runs.values())
    return extras


def write_html_report(
    folder: Path, extra_folders: Sequence[Path] = (), tasks: Mapping[str, Task] | None = None
) -> Path:
    """Write report.html from the files of an evaluation.

    Args:
        folder: The evaluation's folder, with metrics.json and items.parquet.
        extra_folders: Folders with an interpolation's curve.json or a training run's trainer_state.json.
        tasks: The evaluated tasks, to make the pictures from and save them as report_images.parquet. Without them the
            saved pictures are used.

    Returns:
        The path of report.html.

    Raises:
        FileNotFoundError: If metrics.json or items.parquet is missing.
        ValueError: If a file is of something else, or the files are of different evaluations.

    Examples:
        >>> write_html_report(Path("outputs/evaluation"))  # doctest: +SKIP
    """
    metrics, items_file = read_metrics(folder), folder / "items.parquet"
    choices = read_choices(items_file, metrics)
    mistakes = describe_mistakes(choices, sample_mistakes(choices), items_file, metrics)
    if tasks is not None:
        wanted = ((mistake["task"], name) for mistake in mistakes for name in mistake["images"])
        save_thumbnails(make_thumbnails(tasks, wanted), folder)
    counts = {task: count_mistakes(choices[task], metrics["control"]) for task in choices}
    extras = find_extras(metrics, [folder, *extra_folders])
    html = build_html_report(metrics, mistakes, counts, read_thumbnails(folder), extras)
    (folder / REPORT_FILE).write_text(html, encoding="utf-8")
    return folder / REPORT_FILE
