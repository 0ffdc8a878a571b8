"""The items that models get wrong: counts of all of them, and a sample of limited size to look at."""

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
from ..user_errors import naming
from .report_files import AGAIN, require_parquet


ANY = "any"
"""Beside the score names: wrong by at least one score."""
SAMPLE_SIZE = 180  # items; with `thumbnails.MAX_BYTES` for each of their images this limits the size of the page
SEED = 0
MAX_CHARACTERS = 500  # of a text; text towers read much less
ITEM_COLUMNS = {
    **dict.fromkeys(("model", "task", "group"), pa.string()),
    "seed": pa.int32(),
    **dict.fromkeys(("images", "texts"), pa.list_(pa.string())),
    "scores": pa.list_(pa.float32()),
    "outcomes": None,  # a struct with the scores of all tasks
}
_WORDS_AND_GAPS = re.compile(r"\w+|\s+|[^\w\s]")

T = TypeVar("T")


@dataclass
class Choices:
    """What models chose on the N items of one task.

    Attributes:
        groups: The concept or subset of each item, (N,).
        wrong: By model, then by score name or "any": whether the choice is wrong, (N,) bool.
        rows: By model, the row of each item in items.parquet, (N,).
    """

    groups: np.ndarray
    wrong: dict[str, dict[str, np.ndarray]]
    rows: dict[str, np.ndarray]


def are_wrong(name: str, values: np.ndarray) -> np.ndarray:
    """Which values of a score are not the best possible value. Half right counts as wrong.

    Args:
        name: The name of the score.
        values: In [0, 1], (N,).

    Examples:
        >>> are_wrong("image_to_text", np.array([1.0, 0.5])).tolist(), are_wrong("brittleness", np.zeros(1)).tolist()
        ([False, True], [False])
    """
    return values > 0 if name in LOWER_IS_BETTER else values < 1


def read_choices(file: Path, metrics: Mapping[str, Any]) -> dict[str, Choices]:
    """Read what models chose; of several training seeds, the first one's.

    Args:
        file: items.parquet.
        metrics: The content of the metrics.json beside it.

    Returns:
        The choices by task, for tasks of choices only.

    Raises:
        ValueError: If the file does not belong to `metrics`.
    """
    require_parquet(file, ITEM_COLUMNS)
    outcomes = pq.read_schema(file).field("outcomes").type
    if not pa.types.is_struct(outcomes) or any(one.type != pa.float32() for one in outcomes):
        raise ValueError(f"{file} has {outcomes} in the column 'outcomes', not scores; {AGAIN}")
    with naming(file):
        table = pq.read_table(file, columns=["model", "seed", "task", "group", "outcomes"])
    table = table.append_column("row", pa.array(np.arange(len(table))))
    choices = {}
    for task, facts in metrics["benchmarks"].items():
        if not facts["belongs"]:
            continue
        parts = {model: _filter_rows(table, model, task) for model in metrics["models"]}
        groups = [part["group"].to_pylist() for part in parts.values()]
        if not groups[0] or any(other != groups[0] for other in groups):
            raise ValueError(f"{file} lacks items of {task}; metrics.json beside it is of another run.")
        wrong = {
            model: _wrong(part["outcomes"], f"{file} has for {model} and {task}") for model, part in parts.items()
        }
        if len({tuple(by_score) for by_score in wrong.values()}) > 1:
            raise ValueError(f"{file} has other outcomes of {task} for some models than for others; {AGAIN}")
        rows = {model: part["row"].to_numpy() for model, part in parts.items()}
        choices[task] = Choices(np.array(groups[0]), wrong, rows)
    return choices


def _filter_rows(table: pa.Table, model: str, task: str) -> pa.Table:
    import pyarrow.compute as pc

    return table.filter((pc.field("model") == model) & (pc.field("task") == task) & (pc.field("seed") == 0))


def _wrong(outcomes: pa.ChunkedArray, where: str) -> dict[str, np.ndarray]:
    """Wrong choices by score, for the scores that this task has; the struct has the scores of all tasks."""
    values = outcomes.combine_chunks()
    fields = {field.name: values.field(field.name) for field in values.type}
    columns = {name: column.to_numpy(False) for name, column in fields.items() if column.null_count < len(column)}
    for name, column in columns.items():
        if not ((column >= 0) & (column <= 1)).all():  # null and nan would count as right
            raise ValueError(f"{where} a value of outcomes.{name} that is not from 0 to 1; {AGAIN}")
    if not columns:
        raise ValueError(f"{where} no outcomes; {AGAIN}")
    wrong = {name: are_wrong(name, column) for name, column in columns.items()}
    return wrong | {ANY: np.any(list(wrong.values()), axis=0)}


def count_mistakes(choices: Choices, control: str | None) -> dict[str, dict[str, dict[str, list[int]]]]:
    """Count wrong items.

    Args:
        choices: Of one task.
        control: The name of the control, or None.

    Returns:
        By model, group, and score name or "any": the numbers of items that are wrong, wrong but right for the control,
        and right but wrong for the control. The last two are 0 for the control itself and without a control.
    """
    counts: dict[str, dict[str, dict[str, list[int]]]] = {}
    for model, by_score in choices.wrong.items():
        for name, wrong in by_score.items():
            control_wrong = wrong if control is None else choices.wrong[control][name]
            for group in dict.fromkeys(choices.groups.tolist()):
                in_group = choices.groups == group
                kinds = (wrong, wrong & ~control_wrong, ~wrong & control_wrong)
                numbers = [int((kind & in_group).sum()) for kind in kinds]
                counts.setdefault(model, {}).setdefault(group, {})[name] = numbers
    return counts


def take_turns(queues: Sequence[Sequence[T]]) -> list[T]:
    """Take one of each queue in turn, until all are empty.

    Examples:
        >>> take_turns(["abc", "d"])
        ['a', 'd', 'b', 'c']
    """
    longest = max(map(len, queues), default=0)
    return [queue[i] for i in range(longest) for queue in queues if i < len(queue)]


def sample_mistakes(tasks: Mapping[str, Choices], size: int = SAMPLE_SIZE, seed: int = SEED) -> list[tuple[str, int]]:
    """Draw items that at least one model gets wrong, so that rare kinds of mistakes are also seen.

    Items are drawn in turn from each task, and within a task from each group and each set of wrong models.

    Args:
        tasks: Choices by task.
        size: The most items to draw.
        seed: Seed of the draw.

    Returns:
        The task and number of each item, in the order of the draw.
    """
    queues = []
    for task, choices in tasks.items():
        strata = defaultdict(list)
        wrong = np.stack([by_score[ANY] for by_score in choices.wrong.values()])
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
    """Cut `text` into parts that are equal to `other`, or not.

    Returns:
        The parts, each with whether it differs. Upper and lower case count as equal.

    Examples:
        >>> mark_changes("a red car", "a blue car")
        [('a ', False), ('red', True), (' car', False)]
    """
    words, other_words = _WORDS_AND_GAPS.findall(text), _WORDS_AND_GAPS.findall(other)
    lowered, other_lowered = [word.lower() for word in words], [word.lower() for word in other_words]
    matcher = SequenceMatcher(None, lowered, other_lowered, autojunk=False)
    parts = [("".join(words[a:b]), tag != "equal") for tag, a, b, _, _ in matcher.get_opcodes()]
    return [(part, changed and bool(part.strip())) for part, changed in parts if part]


def mark_texts(texts: Sequence[str]) -> list[list[tuple[str, bool]]]:
    """Mark the words of the first text that differ from the last, and those of the others that differ from the first.

    Texts longer than `MAX_CHARACTERS` are cut.
    """
    texts = [text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…" for text in texts]
    if len(texts) == 1:
        return [[(texts[0], False)]]
    return [mark_changes(text, texts[0] if i else texts[-1]) for i, text in enumerate(texts)]


def mark_cells(scores: np.ndarray, belongs: np.ndarray) -> list[list[dict[str, Any]]]:
    """Mark the scores that lead to a wrong choice.

    Args:
        scores: Of n images and m texts, (n, m).
        belongs: Which texts are true of which images, (n, m) bool.

    Returns:
        n rows of m cells with "score"; "true", whether the text is true of the image; "image", whether this false text
        scores at or above a true text of the image; and "text", whether this wrong image scores at or above a right
        image of the text.
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


def read_item_rows(file: Path, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Read some rows of items.parquet, by their number, without holding the others in memory."""
    wanted, start = np.unique(np.array(numbers, dtype=np.int64)), 0
    rows: dict[int, dict[str, Any]] = {}
    columns = ["group", "item", "images", "texts", "scores"]
    for batch in pq.ParquetFile(file).iter_batches(batch_size=16384, columns=columns):
        in_batch = wanted[(wanted >= start) & (wanted < start + len(batch))]
        if len(in_batch):
            rows.update(zip(in_batch.tolist(), batch.take(pa.array(in_batch - start)).to_pylist(), strict=True))
        start += len(batch)
    return rows


def _require_item(file: Path, row: Mapping[str, Any], belongs: np.ndarray) -> None:
    """Raise unless the images, texts and scores of an item fit each other and `belongs`, (n, m) bool."""
    lists = [row[name] for name in ("images", "texts", "scores")]
    if row["item"] is not None and all(values is not None and None not in values for values in lists):
        n, m, number = map(len, lists)
        if n == len(belongs) and 0 < m <= belongs.shape[1] and number == n * m and np.isfinite(lists[2]).all():
            return
    raise ValueError(
        f"{file} has the item {row['item']!r} with other images, texts or scores than metrics.json beside it says, or "
        f"with none; {AGAIN}"
    )


def describe_mistakes(
    tasks: Mapping[str, Choices], sample: Sequence[tuple[str, int]], file: Path, metrics: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Collect what the report shows of each sampled item.

    Args:
        tasks: Choices by task.
        sample: From `sample_mistakes`.
        file: items.parquet.
        metrics: The content of metrics.json.

    Raises:
        ValueError: If an item does not fit `metrics`.

    Returns:
        For each item its task, group, item (its name), images (names), texts (`mark_texts`), belongs, and "models". A
        model has its name, "wrong", the scores by which it is wrong, and "cells" (`mark_cells`).
    """
    models = list(metrics["models"])
    with naming(file):
        rows = read_item_rows(file, [int(tasks[task].rows[model][i]) for task, i in sample for model in models])
    described = []
    for task, i in sample:
        choices, belongs = tasks[task], np.array(metrics["benchmarks"][task]["belongs"], dtype=bool)
        rows_by_model = {model: rows[int(choices.rows[model][i])] for model in models}
        for row in rows_by_model.values():
            _require_item(file, row, belongs)
        first = rows_by_model[models[0]]
        belongs = belongs[:, : len(first["texts"])]
        described.append(
            {key: first[key] for key in ("group", "item", "images")}
            | {
                "task": task,
                "texts": mark_texts(first["texts"]),
                "belongs": belongs.tolist(),
                "models": [
                    {
                        "name": model,
                        "wrong": [name for name, wrong in choices.wrong[model].items() if wrong[i] and name != ANY],
                        "cells": mark_cells(np.array(row["scores"], dtype=np.float32).reshape(belongs.shape), belongs),
                    }
                    for model, row in rows_by_model.items()
                ],
            }
        )
    return described
