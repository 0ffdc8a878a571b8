"""Turn outcomes into percentages with intervals, and into differences between a model and its control."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from datasets import Dataset

from ..columns import NEGATIVES
from ..model.encoding import Encoder
from .bootstrap import p_value, percentiles, resampled_means
from .choice_scores import LOWER_IS_BETTER
from .outcomes import Outcome
from .own_negatives import negatives_task
from .pairs import pairs_task
from .retrieval import rows_task
from .wrong_image import CONTROLS


Results = dict[str, dict[str, dict[str, Any]]]
"""group -> score name -> {"value": percent, "low": percent, "high": percent, "n": items, "chance": percent}."""
Outcomes = dict[str, dict[str, Outcome]]
"""task -> score name -> outcome."""
MACRO, ALL = "macro", "all"
HELD_OUT_NEGATIVES = "negatives"
"""The results of own negatives of held-out captions begin with this word."""


def _tables(outcome: Outcome, stream: int = 0) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Labels, point values, bootstrap means (R, labels) and counts of each group, and of all groups together.

    "macro" is the unweighted mean of the groups. "all" counts each item once; it is left out where it equals "macro".
    Groups that share items have neither.
    """
    names = list(dict.fromkeys(outcome.groups.tolist()))
    numbers = {name: i for i, name in enumerate(names)}
    groups = np.array([numbers[name] for name in outcome.groups.tolist()])
    values = np.atleast_2d(outcome.values)
    means = resampled_means(values, groups, outcome.clusters, stream=stream)
    counts = np.bincount(groups)
    points = np.array([values[:, groups == i].mean() for i in range(len(names))])
    if len(names) == 1 or not outcome.is_partition:
        return names, points, means, counts
    labels, total = [*names, MACRO], counts.sum()
    points, means = np.append(points, points.mean()), np.column_stack([means, means.mean(axis=1)])
    counts = np.append(counts, total)
    if len(set(counts[:-1].tolist())) > 1:
        pooled = resampled_means(values, np.zeros_like(groups), outcome.clusters, stream=stream)
        labels, points = [*labels, ALL], np.append(points, values.mean())
        means, counts = np.column_stack([means, pooled]), np.append(counts, total)
    return labels, points, means, counts


def summarize_outcomes(outcomes: Mapping[str, Outcome]) -> Results:
    """Means in percent with 95 % bootstrap intervals by photo (`bootstrap`).

    Args:
        outcomes: By score name.

    Returns:
        By group and score name: value, low, high, n and chance. With several groups there is "macro", their mean, and
        with groups of different sizes also "all", the mean of all items. Groups that share items have neither, such
        as a set and its folds.

    Examples:
        >>> values, clusters = np.array([1.0, 0.0, 1.0, 1.0]), np.arange(4)
        >>> outcome = Outcome(values, np.array(["color", "color", "size", "size"]), clusters)
        >>> results = summarize_outcomes({"group": outcome})
        >>> {group: scores["group"]["value"] for group, scores in results.items()}
        {'color': 50.0, 'size': 100.0, 'macro': 75.0}
    """
    results: Results = {}
    for name, outcome in outcomes.items():
        for label, point, means, n in zip(*_columns(_tables(outcome)), strict=True):
            low, high = percentiles(means)
            results.setdefault(label, {})[name] = {
                "value": 100 * float(point),
                "low": 100 * low,
                "high": 100 * high,
                "n": int(n),
                "chance": None if outcome.chance is None else 100 * outcome.chance,
            }
    return results


def _columns(tables: tuple[list[str], np.ndarray, np.ndarray, np.ndarray]) -> tuple[Any, ...]:
    labels, points, means, counts = tables
    return labels, points, means.T, counts


def _has_same_items(outcome: Outcome, other: Outcome) -> bool:
    """Whether groups and photos agree item by item; photos are numbered anew in each run, so one alone may agree."""
    return np.array_equal(outcome.groups, other.groups) and np.array_equal(outcome.clusters, other.clusters)


def compare_to_control(outcomes: Mapping[str, Outcome], control: Mapping[str, Outcome]) -> Results:
    """Differences to the control in percentage points, with paired 95 % bootstrap intervals on the same items.

    Args:
        outcomes: Of the model, by score name.
        control: Of the control on the same items, by score name.

    Returns:
        By group and score name: value, low, high, n, "p", the p-value of no difference, and "mark". The mark is
        "better" or "worse" if the interval does not hold 0, else "". A score with wrong images or texts has no mark.

    Raises:
        ValueError: If the two were not run on the same items.

    Examples:
        >>> groups, clusters = np.full(40, "color"), np.arange(40)
        >>> right, wrong = Outcome(np.ones(40), groups, clusters), Outcome(np.zeros(40), groups, clusters)
        >>> difference = compare_to_control({"group": right}, {"group": wrong})["color"]["group"]
        >>> difference["value"], difference["mark"]
        (100.0, 'better')
    """
    results: Results = {}
    for name, outcome in outcomes.items():
        other = control[name]
        if not _has_same_items(outcome, other):
            raise ValueError(
                f"{name}: the model and the control were run on different items ({len(outcome.groups)} and "
                f"{len(other.groups)}), so they cannot be compared."
            )
        model_columns, control_columns = _columns(_tables(outcome)), _columns(_tables(other, stream=1))
        for label, point, means, n, control_point, control_means in zip(
            *model_columns, *control_columns[1:3], strict=True
        ):
            low, high = percentiles(means - control_means)
            sign = -1 if name in LOWER_IS_BETTER else 1
            is_judged = not name.endswith(CONTROLS) and (low > 0 or high < 0)
            results.setdefault(label, {})[name] = {
                "value": 100 * float(point - control_point),
                "low": 100 * low,
                "high": 100 * high,
                "n": int(n),
                "p": p_value(means - control_means),
                "mark": ("better" if sign * (point - control_point) > 0 else "worse") if is_judged else "",
            }
    return results


def mean_scores(outcomes: Mapping[str, Outcome]) -> dict[str, dict[str, float]]:
    """Means in percent of each group, and "macro", their unweighted mean, without intervals.

    Groups that share items have no "macro", as in `summarize_outcomes`.

    Examples:
        >>> outcome = Outcome(np.array([1.0, 0.0, 1.0]), np.array(["color", "color", "size"]), np.arange(3))
        >>> mean_scores({"group": outcome})
        {'color': {'group': 50.0}, 'size': {'group': 100.0}, 'macro': {'group': 75.0}}
    """
    means: dict[str, dict[str, float]] = {}
    for name, outcome in outcomes.items():
        groups = list(dict.fromkeys(outcome.groups.tolist()))
        values = [100 * float(outcome.values[..., outcome.groups == group].mean()) for group in groups]
        if outcome.is_partition:
            groups, values = [*groups, MACRO], [*values, float(np.mean(values))]
        for group, value in zip(groups, values, strict=True):
            means.setdefault(group, {})[name] = value
    return means


def join_seeds(runs: Sequence[Mapping[str, Outcome]]) -> dict[str, Outcome]:
    """Join the outcomes of S training seeds on the same N items; the values become (S, N).

    Args:
        runs: For each training seed, its outcomes by score name.

    Raises:
        ValueError: If the seeds were not run on the same items.
    """
    joined = {}
    for name, first in runs[0].items():
        parts = [run[name] for run in runs]
        if not all(_has_same_items(part, first) for part in parts):
            raise ValueError(f"{name}: the seeds were not run on the same items, {[len(p.groups) for p in parts]}.")
        joined[name] = replace(first, values=np.concatenate([np.atleast_2d(part.values) for part in parts]))
    return joined


def collect_outcomes(model: Any, processor: Any, pairs: Dataset | None, held_out: Dataset) -> Outcomes:
    """Run the tasks that a training run reports.

    Args:
        model: A dual encoder, on its device.
        processor: Its processor.
        pairs: Pairs of images and captions with the columns of `columns.PAIR_FEATURES`, or None.
        held_out: Rows with the columns of `columns.ROW_FEATURES`, for retrieval; they may have negatives, too.

    Returns:
        Outcomes of the tasks "pairs" and "negatives", if there are any, and of "retrieval".
    """
    encoder = Encoder(model, processor)
    outcomes = {"pairs": pairs_task("pairs", pairs).run(encoder).scores} if pairs is not None else {}
    if NEGATIVES in held_out.column_names and any(held_out[NEGATIVES]):
        outcomes["negatives"] = negatives_task("negatives", held_out).run(encoder).scores
    return outcomes | {"retrieval": rows_task("retrieval", held_out).run(encoder).scores}


def summarize_run(outcomes: Outcomes) -> Results:
    """Summarize what `collect_outcomes` returns: the pairs' results by concept, "negatives, CONCEPT", "retrieval"."""
    results = summarize_outcomes(outcomes["pairs"]) if "pairs" in outcomes else {}
    if "negatives" in outcomes:
        by_concept = summarize_outcomes(outcomes["negatives"])
        results |= {f"{HELD_OUT_NEGATIVES}, {concept}": scores for concept, scores in by_concept.items()}
    (retrieval,) = summarize_outcomes(outcomes["retrieval"]).values()
    return results | {"retrieval": retrieval}
