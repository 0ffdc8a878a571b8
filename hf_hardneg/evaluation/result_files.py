"""What an evaluation leaves: metrics.json, items.parquet and table.md; `page` adds the report.

metrics.json, schema "hf_hardneg.evaluation/1"; a change that breaks a reader raises the number:

    schema       that name
    models       name -> {paths, texts_cut}; several paths are training seeds of one model; texts_cut were longer than
                 the position table
    control      the name of the model that the others are compared with, or null
    date         of the run's end, ISO 8601 in UTC
    benchmarks   task -> {source, fingerprint, items, belongs, skipped}: as the user named it; digits that change with
                 texts, items and names of images (embedded images are named by their content, files by folder and
                 name); how many items (images, for retrieval and classification) it has; image by image, which of an
                 item's texts are true of it, or null for retrieval and classification; group -> reason -> how many
                 were left out
    results      model -> task -> group -> score -> {value, low, high, n, chance, skipped}: percent, 95 % bootstrap
                 interval by photo (and by seed), items that were scored, percent expected of random scores or null,
                 items that were left out; group "macro" is the mean of the groups, "all" counts each item once
    differences  model -> task -> group -> score -> {value, low, high, n, p, mark}: points above the control, with a
                 paired bootstrap interval on the same items, the two-sided p-value of no difference, and "better",
                 "worse" or "" where the interval holds 0
    bootstrap    {resamples, level, seed}
    versions     of the packages that decide a result, and of Python

report_images.parquet has the small pictures that the report shows: task, image (name), webp.

items.parquet has a row for each model, seed, task and item: model, seed, task, group, item, images (names), texts,
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
from .choice_scores import LOWER_IS_BETTER
from .evaluate import Evaluation
from .results import ALL, MACRO
from .tasks import ChoiceTask


SCHEMA = "hf_hardneg.evaluation/1"
MOST_GROUPS = 12  # a table shows the groups of a task with no more than these, else their means
MARKS = {"better": "**▲ {:+.1f}**", "worse": "**▼ {:+.1f}**", "": "{:+.1f}"}
NOTE = (
    "Percent, with 95 % bootstrap intervals by photo{seeds}.{control} ↓: lower is better. Skipped items are not in n; "
    "metrics.json says why."
)
CONTROL_NOTE = (
    " After each value its difference to the control {name}, on the same items; ▲ better and ▼ worse where the paired "
    "95 % interval leaves out 0, which chance alone brings about in one cell of twenty."
)


def collect_evaluation(evaluation: Evaluation) -> dict[str, Any]:
    """The content of metrics.json."""
    return {
        "schema": SCHEMA,
        "models": {
            name: {"paths": paths, "texts_cut": evaluation.cut[name]} for name, paths in evaluation.models.items()
        },
        "control": evaluation.control,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "benchmarks": {
            name: {
                "source": evaluation.sources[name],
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


def _cell(score: Mapping[str, Any], difference: Mapping[str, Any] | None) -> str:
    cell = f"{score['value']:.1f} [{score['low']:.1f}, {score['high']:.1f}]"
    return f"{cell} {MARKS[difference['mark']].format(difference['value'])}" if difference else cell


def format_evaluation(metrics: Mapping[str, Any]) -> str:
    """Markdown: a line for each task, group and score, a column for each model, the control first."""
    models, results = list(metrics["results"]), metrics["results"]
    heads = [f"{name} (control)" if name == metrics["control"] else name for name in models]
    lines = ["| " + " | ".join(["benchmark", "group", "score", "n", "skipped", "chance", *heads]) + " |"]
    lines.append("|---" * (6 + len(models)) + "|")
    for task, groups in results[models[0]].items():
        shown = list(groups) if len(groups) <= MOST_GROUPS else [group for group in groups if group in (MACRO, ALL)]
        for group in shown:
            for name, first in groups[group].items():
                chance = "" if first["chance"] is None else f"{first['chance']:.1f}"
                label = name.replace("_", "-") + (" ↓" if name in LOWER_IS_BETTER else "")
                cells = [task, group, label, f"{first['n']:,}", f"{first['skipped']:,}", chance]
                for model in models:
                    difference = metrics["differences"].get(model, {}).get(task, {}).get(group, {}).get(name)
                    cells.append(_cell(results[model][task][group][name], difference))
                lines.append("| " + " | ".join(cells) + " |")
    seeds = " and training seed" if any(len(model["paths"]) > 1 for model in metrics["models"].values()) else ""
    control = CONTROL_NOTE.format(name=metrics["control"]) if metrics["differences"] else ""
    return "\n".join([*lines, "", NOTE.format(seeds=seeds, control=control)])


def write_evaluation(evaluation: Evaluation, folder: Path) -> str:
    """Write metrics.json, items.parquet and table.md to `folder`, which is made if need be; return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    metrics = collect_evaluation(evaluation)
    table = format_evaluation(metrics)
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    (folder / "table.md").write_text(table + "\n", encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(evaluation.items, schema=_item_schema(evaluation)), folder / "items.parquet")
    return table


def _item_schema(evaluation: Evaluation) -> pa.Schema:
    names = dict.fromkeys(name for item in evaluation.items for name in item.get("outcomes", ()))
    outcomes = [pa.field(name, pa.float32()) for name in names] or [pa.field("none", pa.float32())]
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
