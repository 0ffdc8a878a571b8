"""Outcomes to numbers with intervals, and to differences between a model and its control."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from datasets import Dataset

from ..model.encoding import Encoder
from .bootstrap import p_value, percentiles, resampled_means
from .choice_scores import LOWER_IS_BETTER
from .pairs import pairs_task
from .retrieval import rows_task
from .tasks import Outcome


Results = dict[str, dict[str, dict[str, Any]]]
"""group -> score name -> {"value": percent, "low": percent, "high": percent, "n": items, "chance": percent}."""
Outcomes = dict[str, dict[str, Outcome]]
"""task -> score name -> outcome."""
MACRO, ALL = "macro", "all"


def _tables(outcome: Outcome, stream: int = 0) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Labels, point values, bootstrap means (R, labels) and counts, of each group and what is made of all of them.

    "macro" is the unweighted mean of the groups; "all" counts each item once, and is there where that differs.
    """
    names = list(dict.fromkeys(outcome.groups.tolist()))
    index = np.array([names.index(name) for name in names])
    place = {name: i for i, name in zip(index, names, strict=True)}
    groups = np.array([place[name] for name in outcome.groups.tolist()])
    values = np.atleast_2d(outcome.values)
    means = resampled_means(values, groups, outcome.clusters, stream=stream)
    counts = np.bincount(groups)
    points = np.array([values[:, groups == i].mean() for i in range(len(names))])
    if len(names) == 1:
        return names, points, means, counts
    labels, total = [*names, MACRO], counts.sum()
    points, means = np.append(points, points.mean()), np.column_stack([means, means.mean(axis=1)])
    counts = np.append(counts, total)
    if len(set(counts[:-1].tolist())) > 1:
        pooled = resampled_means(values, np.zeros_like(groups), outcome.clusters, stream=stream)
        labels, points = [*labels, ALL], np.append(points, values.mean())
        means, counts = np.column_stack([means, pooled]), np.append(counts, total)
    return labels, points, means, counts


def summarize(outcomes: Mapping[str, Outcome]) -> Results:
    """Values in percent with 95 % bootstrap intervals by image, of each group, and their "macro" mean."""
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


def compare(outcomes: Mapping[str, Outcome], control: Mapping[str, Outcome]) -> Results:
    """Differences to the control in percentage points, with paired bootstrap intervals on the same items.

    Returns:
        As `summarize`, with "p" of no difference and "mark": "better" or "worse" where the interval leaves out 0.

    Raises:
        ValueError: If the two were not run on the same items.
    """
    results: Results = {}
    for name, outcome in outcomes.items():
        other = control[name]
        if len(outcome.groups) != len(other.groups) or (outcome.clusters != other.clusters).any():
            raise ValueError(
                f"{name}: {len(outcome.groups)} and {len(other.groups)} items cannot be compared in pairs."
            )
        ours, theirs = _columns(_tables(outcome)), _columns(_tables(other, stream=1))
        for label, point, means, n, control_point, control_means in zip(*ours, *theirs[1:3], strict=True):
            low, high = percentiles(means - control_means)
            sign = -1 if name in LOWER_IS_BETTER else 1
            beyond = low > 0 or high < 0
            results.setdefault(label, {})[name] = {
                "value": 100 * float(point - control_point),
                "low": 100 * low,
                "high": 100 * high,
                "n": int(n),
                "p": p_value(means - control_means),
                "mark": ("better" if sign * (point - control_point) > 0 else "worse") if beyond else "",
            }
    return results


def mean_scores(outcomes: Mapping[str, Outcome]) -> dict[str, dict[str, float]]:
    """Means in percent of each group, and "macro", their unweighted mean, without intervals."""
    means: dict[str, dict[str, float]] = {}
    for name, outcome in outcomes.items():
        for group in dict.fromkeys(outcome.groups.tolist()):
            means.setdefault(group, {})[name] = 100 * float(outcome.values[..., outcome.groups == group].mean())
    names = list(means.values())[0]
    return means | {MACRO: {name: float(np.mean([of_group[name] for of_group in means.values()])) for name in names}}


def join_seeds(runs: Sequence[Mapping[str, Outcome]]) -> dict[str, Outcome]:
    """Outcomes of several training seeds on the same items as one, values (S, N).

    Raises:
        ValueError: If the items are not the same.
    """
    joined = {}
    for name, first in runs[0].items():
        parts = [run[name] for run in runs]
        if any(len(part.groups) != len(first.groups) or (part.groups != first.groups).any() for part in parts):
            raise ValueError(f"{name}: the seeds were not run on the same items, {[len(p.groups) for p in parts]}.")
        joined[name] = replace(first, values=np.concatenate([np.atleast_2d(part.values) for part in parts]))
    return joined


def collect_outcomes(model: Any, processor: Any, pairs: Dataset | None, held_out: Dataset) -> Outcomes:
    """Run what a training run reports: "pairs" (if there are any) and "retrieval" on the held-out rows."""
    encoder = Encoder(model, processor)
    outcomes = {"pairs": pairs_task("pairs", pairs).run(encoder).scores} if pairs is not None else {}
    return outcomes | {"retrieval": rows_task("retrieval", held_out).run(encoder).scores}


def summarize_run(outcomes: Outcomes) -> Results:
    """Results of `collect_outcomes`: those of pairs by concept, and "retrieval"."""
    results = summarize(outcomes["pairs"]) if "pairs" in outcomes else {}
    (retrieval,) = summarize(outcomes["retrieval"]).values()
    return results | {"retrieval": retrieval}
