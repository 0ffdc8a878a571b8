"""The files of an evaluation: metrics.json, items.parquet and table.md. `report.html_report` adds report.html.

metrics.json has the schema "hf_hardneg.evaluation/1"; a change that breaks readers raises the number:

    schema       that name
    models       name -> {paths, texts_cut, identical}. Several paths are training seeds of one model. texts_cut is the
                 number of texts that were longer than the position table. identical: task -> number of items that
                 have a wrong answer which the model cannot tell from a right one (a text of equal token ids, or an
                 image of equal pixels); they count as wrong.
    control      the name of the model that the others are compared with, or null
    date         the end of the run, ISO 8601 in UTC
    benchmarks   task -> {source, about, fingerprint, items, belongs, skipped}. source: the benchmark as the user named
                 it. about: the split and the columns that were read, where there were several to choose from.
                 fingerprint: digits that change with the texts, the items and the names of the images (an
                 embedded image is named by its content, a file by its folder and name). items: the number of
                 items, or of images in retrieval and classification. belongs: for each image of an item, which of
                 the item's texts are true of it; null for retrieval and classification. skipped: group -> reason
                 -> number of skipped items.
    results      model -> task -> group -> score -> {value, low, high, n, chance, skipped}. value: percent. low, high:
                 its 95 % bootstrap interval by photo (and by seed). n: scored items. chance: the percentage that
                 random scores get, or null. skipped: skipped items. "..._wrong_image" is the same score with images of
                 other items, and "..._by_looking" the difference, item by item, in points. For one text and several
                 images they are "..._wrong_text" and "..._by_reading". Group "macro" is the mean of the groups; group
                 "all" counts each item once. Retrieval has "all" (or how many images were scored, if they are not all
                 images of the benchmark) and COCO's folds, and no "macro".
    differences  model -> task -> group -> score -> {value, low, high, n, p, mark}. value: points above the control.
                 low, high: its paired bootstrap interval on the same items. p: the two-sided p-value of no
                 difference. mark: "better" or "worse", or "" if the interval holds 0.
    bootstrap    {resamples, level, seed}
    versions     of the packages that affect a result, and of Python

report_images.parquet has the small pictures that the report shows: task, image (name), webp.

items.parquet has one row for each model, seed, task and item: model, seed, task, group, item, images (names), texts,
scores (cosines, image by image), outcomes (of choices, in [0, 1]), rank (of retrieval and classification, 0 is best).
"""

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..versions import package_versions
from .bootstrap import LEVEL, RESAMPLES
from .evaluate import Evaluation
from .results import ALL, MACRO
from .tasks import ChoiceTask
from .wrong_image import GAINS, markdown_label


EVALUATION_SCHEMA = "hf_hardneg.evaluation/1"
MAX_TABLE_GROUPS = 12  # of a task with more groups, the table shows only their means
MARKS = {"better": "**▲ {:+.1f}**", "worse": "**▼ {:+.1f}**", "": "{:+.1f}"}
NOTE = (
    "Percent, with 95 % bootstrap intervals by photo{seeds}.{control} ↓: lower is better. Skipped items are not in n; "
    "metrics.json says why."
)
CONTROL_NOTE = (
    " After each value stands its difference to the control {name} on the same items. ▲ better and ▼ worse mean that "
    "the paired 95 % interval does not hold 0; by chance alone this happens in one cell of twenty."
)


def collect_evaluation(evaluation: Evaluation) -> dict[str, Any]:
    """Collect the content of metrics.json, which the top of this file describes."""
    return {
        "schema": EVALUATION_SCHEMA,
        "models": {
            name: {"paths": paths, "texts_cut": evaluation.cut[name], "identical": evaluation.identical[name]}
            for name, paths in evaluation.models.items()
        },
        "control": evaluation.control,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "benchmarks": {
            name: {
                "source": evaluation.sources[name],
                "about": task.about,
                "fingerprint": task.fingerprint(),
                "items": len(task),
                "belongs": task.belongs.tolist() if isinstance(task, ChoiceTask) else None,
                "skipped": {group: dict(counts) for group, counts in evaluation.skipped[name].items() if counts},
            }
            for name, task in evaluation.tasks.items()
        },
        "results": evaluation.results(),
        "differences": evaluation.differences(),
        "bootstrap": {"resamples": RESAMPLES, "level": LEVEL, "seed": 0},
        "versions": package_versions() | {"python": platform.python_version()},
    }


def _format_cell(score: Mapping[str, Any], difference: Mapping[str, Any] | None, is_gain: bool) -> str:
    value = "{value:+.1f} [{low:+.1f}, {high:+.1f}]" if is_gain else "{value:.1f} [{low:.1f}, {high:.1f}]"
    cell = value.format(**score)
    return f"{cell} {MARKS[difference['mark']].format(difference['value'])}" if difference else cell


def format_evaluation(metrics: Mapping[str, Any]) -> str:
    """Format the results as a Markdown table.

    Args:
        metrics: From `collect_evaluation`.

    Returns:
        A line for each task, group and score, and a column for each model, the control first. A group of which no item
        could be scored has a line, too. Notes follow.
    """
    models, results = list(metrics["results"]), metrics["results"]
    headers = [f"{name} (control)" if name == metrics["control"] else name for name in models]
    lines = ["| " + " | ".join(["benchmark", "group", "score", "n", "skipped", "chance", *headers]) + " |"]
    lines.append("|---" * (6 + len(models)) + "|")
    for task, groups in results[models[0]].items():
        is_short = len(groups) <= MAX_TABLE_GROUPS
        shown = list(groups) if is_short else [group for group in groups if group in (MACRO, ALL)]
        for group in shown:
            for name, first in groups[group].items():
                is_gain = name.endswith(GAINS)
                chance = "" if first["chance"] is None or is_gain else f"{first['chance']:.1f}"
                cells = [task, group, markdown_label(name), f"{first['n']:,}", f"{first['skipped']:,}", chance]
                for model in models:
                    difference = metrics["differences"].get(model, {}).get(task, {}).get(group, {}).get(name)
                    cells.append(_format_cell(results[model][task][group][name], difference, is_gain))
                lines.append("| " + " | ".join(cells) + " |")
        if is_short:
            unscored = _unscored_groups(metrics["benchmarks"][task]["skipped"], groups)
            lines += [f"| {task} | {group} | | 0 | {n:,} | |" + " |" * len(models) for group, n in unscored.items()]
    seeds = " and training seed" if any(len(model["paths"]) > 1 for model in metrics["models"].values()) else ""
    control = CONTROL_NOTE.format(name=metrics["control"]) if metrics["differences"] else ""
    return "\n\n".join(["\n".join(lines), NOTE.format(seeds=seeds, control=control), *_notes(metrics)])


def _unscored_groups(skipped: Mapping[str, Mapping[str, int]], groups: Mapping[str, Any]) -> dict[str, int]:
    """The groups without a scored item, and how many items of them were skipped."""
    if not groups.keys() & {MACRO, ALL}:
        return {}
    return {group: sum(counts.values()) for group, counts in skipped.items() if group not in groups}


def _notes(metrics: Mapping[str, Any]) -> list[str]:
    """A sentence for each task whose split or columns were chosen, or which has answers that look the same."""
    notes = [f"{task}: {facts['about']}." for task, facts in metrics["benchmarks"].items() if facts["about"]]
    for model, facts in metrics["models"].items():
        for task, count in facts["identical"].items():
            if count:
                notes.append(
                    f"{task}: to {model}, a wrong answer to {count:,} items is the same as a right one (equal token "
                    "ids or pixels). Such ties count as wrong. Tools that break ties by order count some as right."
                )
    return notes


def write_evaluation(evaluation: Evaluation, folder: Path) -> str:
    """Write metrics.json, items.parquet and table.md.

    Args:
        evaluation: From `evaluate_models`.
        folder: The folder; it is created if needed.

    Returns:
        The table, Markdown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    metrics = collect_evaluation(evaluation)
    table = format_evaluation(metrics)
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    (folder / "table.md").write_text(table + "\n", encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(evaluation.items, schema=_item_schema(evaluation)), folder / "items.parquet")
    return table


def _item_schema(evaluation: Evaluation) -> pa.Schema:
    score_names = dict.fromkeys(name for item in evaluation.items for name in item.get("outcomes", ()))
    outcomes = [pa.field(name, pa.float32()) for name in score_names] or [pa.field("none", pa.float32())]
    return pa.schema(
        [
            *((name, pa.string()) for name in ("model", "task", "group", "item")),
            ("seed", pa.int32()),
            ("images", pa.list_(pa.string())),
            ("texts", pa.list_(pa.string())),
            ("scores", pa.list_(pa.float32())),
            ("rank", pa.int32()),
            ("outcomes", pa.struct(outcomes)),
        ]
    )
