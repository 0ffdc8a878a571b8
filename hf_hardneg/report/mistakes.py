"""Which items models get wrong: counts of all of them, and a bounded sample to look at."""

import json
import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..evaluation.choice_scores import LOWER_IS_BETTER


ANY = "any"
"""Stands among the score names for "wrong by one score or another"."""
SAMPLE_SIZE = 180  # items; with two images each of thumbnails.MAX_BYTES at most that bounds the page
SEED = 0
MOST_CHARACTERS = 500  # of a text: far beyond what a text tower reads
_PART = re.compile(r"\w+|\s+|[^\w\s]")

T = TypeVar("T")


@dataclass
class Choices:
    """What models chose on the items of one task.

    Attributes:
        groups: (N,) the concept or subset of each item.
        wrong: model -> score, and "any" -> (N,) bool.
        rows: model -> (N,) where the item's row is in items.parquet.
    """

    groups: np.ndarray
    wrong: dict[str, dict[str, np.ndarray]]
    rows: dict[str, np.ndarray]


def are_wrong(name: str, values: np.ndarray) -> np.ndarray:
    """Which values of a score are not the best there is; half right is wrong.

    Examples:
        >>> are_wrong("image_to_text", np.array([1.0, 0.5])).tolist(), are_wrong("brittleness", np.zeros(1)).tolist()
        ([False, True], [False])
    """
    return values > 0 if name in LOWER_IS_BETTER else values < 1


def read_choices(file: Path, metrics: Mapping[str, Any]) -> dict[str, Choices]:
    """Read from items.parquet what models chose, by task of choices; of several training seeds, the first one's.

    Raises:
        ValueError: If the file does not belong to `metrics`.
    """
    table = pq.read_table(file, columns=["model", "seed", "task", "group", "outcomes"])
    table = table.append_column("row", pa.array(np.arange(len(table))))
    found = {}
    for task, facts in metrics["benchmarks"].items():
        if not facts["belongs"]:
            continue
        parts = {model: _part(table, model, task) for model in metrics["models"]}
        groups = [part["group"].to_pylist() for part in parts.values()]
        if not groups[0] or any(other != groups[0] for other in groups):
            raise ValueError(f"{file} lacks items of {task}; metrics.json beside it is of another run.")
        wrong = {model: _wrong(part["outcomes"]) for model, part in parts.items()}
        rows = {model: part["row"].to_numpy() for model, part in parts.items()}
        found[task] = Choices(np.array(groups[0]), wrong, rows)
    return found


def _part(table: pa.Table, model: str, task: str) -> pa.Table:
    import pyarrow.compute as pc

    return table.filter((pc.field("model") == model) & (pc.field("task") == task) & (pc.field("seed") == 0))


def _wrong(outcomes: pa.ChunkedArray) -> dict[str, np.ndarray]:
    """Of the scores that this task has; a struct holds those of all tasks."""
    values = outcomes.combine_chunks()
    fields = {field.name: values.field(field.name) for field in values.type}
    wrong = {name: are_wrong(name, v.to_numpy()) for name, v in fields.items() if v.null_count < len(v)}
    return wrong | {ANY: np.any(list(wrong.values()), axis=0)}


def count_mistakes(choices: Choices, control: str | None) -> dict[str, dict[str, dict[str, list[int]]]]:
    """Numbers of wrong items.

    Returns:
        model -> group -> score, and "any" -> [wrong, wrong where the control is right, right where the control is
        wrong]; the latter are 0 for the control itself and without one.
    """
    counts: dict[str, dict[str, dict[str, list[int]]]] = {}
    for model, by_score in choices.wrong.items():
        for name, wrong in by_score.items():
            of_control = wrong if control is None else choices.wrong[control][name]
            for group in dict.fromkeys(choices.groups.tolist()):
                here = choices.groups == group
                kinds = (wrong, wrong & ~of_control, ~wrong & of_control)
                numbers = [int((kind & here).sum()) for kind in kinds]
                counts.setdefault(model, {}).setdefault(group, {})[name] = numbers
    return counts


def take_turns(queues: Sequence[Sequence[T]]) -> list[T]:
    """One of each queue in turn until all are empty.

    Examples:
        >>> take_turns(["abc", "d"])
        ['a', 'd', 'b', 'c']
    """
    longest = max(map(len, queues), default=0)
    return [queue[i] for i in range(longest) for queue in queues if i < len(queue)]


def sample_mistakes(tasks: Mapping[str, Choices], size: int = SAMPLE_SIZE, seed: int = SEED) -> list[tuple[str, int]]:
    """Draw items that a model gets wrong, so that rare kinds are seen, too.

    Items are drawn in turn from each task, and within it from each group and each set of models that are wrong.

    Returns:
        Task and place in it, `size` at most, in the order in which they were drawn.
    """
    queues = []
    for task, choices in tasks.items():
        strata = defaultdict(list)
        wrong = np.stack([of_model[ANY] for of_model in choices.wrong.values()])
        for i in np.flatnonzero(wrong.any(axis=0)).tolist():
            strata[choices.groups[i], wrong[:, i].tobytes()].append(i)
        rng = random.Random(f"{seed}/{task}")
        for stratum in strata.values():
            rng.shuffle(stratum)
        order = sorted(strata.values())
        rng.shuffle(order)
        queues.append([(task, i) for i in take_turns(order)])
    return take_turns(queues)[:size]


def mark_changes(text: str, other: str) -> list[tuple[str, bool]]:
    """Cut `text` into parts, and say of each whether it differs from `other`.

    Examples:
        >>> mark_changes("a red car", "a blue car")
        [('a ', False), ('red', True), (' car', False)]
    """
    ours, theirs = _PART.findall(text), _PART.findall(other)
    matcher = SequenceMatcher(None, [part.lower() for part in ours], [part.lower() for part in theirs], autojunk=False)
    parts = [("".join(ours[a:b]), tag != "equal") for tag, a, b, _, _ in matcher.get_opcodes()]
    return [(part, changed and bool(part.strip())) for part, changed in parts if part]


def mark_texts(texts: Sequence[str]) -> list[list[tuple[str, bool]]]:
    """Mark in the first text what differs from the last, and in the others what differs from the first.

    Of texts longer than `MOST_CHARACTERS` the beginning is shown.
    """
    texts = [text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…" for text in texts]
    if len(texts) == 1:
        return [[(texts[0], False)]]
    return [mark_changes(text, texts[0] if i else texts[-1]) for i, text in enumerate(texts)]


def mark_cells(scores: np.ndarray, belongs: np.ndarray) -> list[list[dict[str, Any]]]:
    """Say of each combination what it did.

    Args:
        scores: (n, m) of n images and m texts.
        belongs: (n, m) bool.

    Returns:
        n rows of m cells {score, true, image, text}: a false one with "image" scores at or above a true one of that
        image, so that a wrong text is chosen for it; with "text", at or above a true one of that text.
    """
    true = np.where(belongs, scores, np.inf)
    by_image = ~belongs & belongs.any(axis=1, keepdims=True) & (scores >= true.min(axis=1, keepdims=True))
    by_text = ~belongs & belongs.any(axis=0, keepdims=True) & (scores >= true.min(axis=0, keepdims=True))
    return [
        [
            {
                "score": float(scores[i, j]),
                "true": bool(belongs[i, j]),
                "image": bool(by_image[i, j]),
                "text": bool(by_text[i, j]),
            }
            for j in range(scores.shape[1])
        ]
        for i in range(len(scores))
    ]


def read_rows(file: Path, places: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The rows of items.parquet at these places, without holding the others."""
    wanted, start = np.unique(np.array(places, dtype=np.int64)), 0
    found: dict[int, dict[str, Any]] = {}
    columns = ["group", "item", "images", "texts", "scores"]
    for batch in pq.ParquetFile(file).iter_batches(batch_size=16384, columns=columns):
        here = wanted[(wanted >= start) & (wanted < start + len(batch))]
        rows = batch.take(pa.array(here - start)).to_pylist() if len(here) else []
        found.update(zip(here.tolist(), rows, strict=True))
        start += len(batch)
    return found


def describe_mistakes(
    tasks: Mapping[str, Choices], sample: Sequence[tuple[str, int]], file: Path, metrics: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What a page shows of each item of `sample`; `file` is items.parquet.

    Returns:
        Dicts with task, group, item, images (names), texts (marked), belongs, and for each of the models its name,
        the scores by which it is wrong, and cells.
    """
    models = list(metrics["models"])
    rows = read_rows(file, [int(tasks[task].rows[model][i]) for task, i in sample for model in models])
    described = []
    for task, i in sample:
        choices, belongs = tasks[task], np.array(metrics["benchmarks"][task]["belongs"], dtype=bool)
        of_models = {model: rows[int(choices.rows[model][i])] for model in models}
        first = of_models[models[0]]
        own = belongs[:, : len(first["texts"])]
        described.append(
            {key: first[key] for key in ("group", "item", "images")}
            | {
                "task": task,
                "texts": mark_texts(first["texts"]),
                "belongs": own.tolist(),
                "models": [
                    {
                        "name": model,
                        "wrong": [name for name, wrong in choices.wrong[model].items() if wrong[i] and name != ANY],
                        "cells": mark_cells(np.array(row["scores"], dtype=np.float32).reshape(own.shape), own),
                    }
                    for model, row in of_models.items()
                ],
            }
        )
    return described


def read_metrics(folder: Path) -> dict[str, Any]:
    """metrics.json of an evaluation.

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If it is of something else.
    """
    file = folder / "metrics.json"
    if not file.is_file():
        raise FileNotFoundError(f"There is no {file}; write it by: hf-hardneg evaluate MODEL --out {folder}")
    metrics = json.loads(file.read_text(encoding="utf-8"))
    if not str(metrics.get("schema", "")).startswith("hf_hardneg.evaluation/"):
        raise ValueError(f"{file} is not of an evaluation; write one by: hf-hardneg evaluate MODEL --out DIR")
    if any("belongs" not in facts for facts in metrics["benchmarks"].values()):
        raise ValueError(f"{file} is of an older version; run hf-hardneg evaluate again.")
    return metrics
