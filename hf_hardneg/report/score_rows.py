"""Choose which scores the report shows, and arrange them in rows and panels with all models beside each other."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluation.choice_scores import LOWER_IS_BETTER
from ..evaluation.results import ALL, MACRO
from ..evaluation.wrong_image import CONTROLS, GAINS
from .charts import draw_interval


MAIN_SCORES = (
    ("group",),
    ("image_to_text",),
    ("text_to_image",),
    ("top1",),
    ("image_to_text_R@1", "text_to_image_R@1"),
)
"""The first of these that a task has stands for it. `evaluation.weight_interpolation.main_score` takes the same."""
MAX_DETAIL_GROUPS = 12  # of a task with more groups, the scores beside the main one are shown for their means only


def main_scores(groups: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the scores that stand for a task: one, or two for retrieval.

    Args:
        groups: The task's results, by group and score name.
    """
    names = next(iter(groups.values()))
    return next(scores for scores in MAIN_SCORES if all(name in names for name in scores))


def main_group(groups: Mapping[str, Any], is_choice: bool) -> str:
    """The group that stands for a task: the mean of the groups, or for retrieval all images rather than its folds."""
    return MACRO if is_choice and MACRO in groups else next(iter(groups))


def main_value(metrics: Mapping[str, Any], model: str, task: str) -> float:
    """The main score of a model on a task, in percent; for retrieval the mean of both directions."""
    groups = metrics["results"][model][task]
    scores = groups[main_group(groups, bool(metrics["benchmarks"][task]["belongs"]))]
    names = main_scores(groups)
    return sum(scores[name]["value"] for name in names) / len(names)


def model_numbers(metrics: Mapping[str, Any]) -> dict[str, int]:
    """The number of each model, which gives it a color and a shape. Number 0, gray, is always the control's."""
    first = 0 if metrics["control"] else 1
    return {name: first + i for i, name in enumerate(metrics["models"])}


def label_score(name: str) -> str:
    """A score's name as people read it.

    Examples:
        >>> label_score("image_to_text_R@1"), label_score("brittleness")
        ('image → text R@1', 'brittleness ↓')
    """
    words = name.replace("_to_", " → ").replace("_", " ")
    return f"{words} ↓" if name in LOWER_IS_BETTER else words


def score_row(metrics: Mapping[str, Any], task: str, group: str, score: str) -> dict[str, Any]:
    """One score of all models.

    Returns:
        task, group, score, label, n, skipped, chance, "is_partial", whether the group is a part of all items,
        and "models": for each its name, value, low, high, difference to the control (or None), chart ("svg") and
        "blind". That holds what the score is with wrong images or texts ("kind", "wrong") and what the right ones add
        ("gain", with an interval); None if the score has no such control.
    """
    models = []
    for model, number in model_numbers(metrics).items():
        value = metrics["results"][model][task][group][score]
        difference = metrics["differences"].get(model, {}).get(task, {}).get(group, {}).get(score)
        blind = _blind_scores(metrics["results"][model][task][group], score)
        chart = draw_interval(value, number)
        models.append({"name": model, **value, "difference": difference, "svg": chart, "blind": blind})
    facts = {name: models[0][name] for name in ("n", "skipped", "chance")}
    facts |= {"label": label_score(score), "is_partial": group not in (MACRO, ALL)}
    return {"task": task, "group": group, "score": score, **facts, "models": models}


def _blind_scores(scores: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """What a score is with wrong images or texts, and what the right ones add to it; None without a control."""
    for ending, gain in zip(CONTROLS, GAINS, strict=True):
        if name + ending in scores:
            kind = ending[1:].replace("_", " ")
            return {"kind": kind, "wrong": scores[name + ending]["value"], "gain": scores[name + gain]}
    return None


def _first_results(metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    """The results of the first model, which has the same tasks, groups and scores as the others."""
    return next(iter(metrics["results"].values()))


def main_score_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows (`score_row`) of the scores that stand for the tasks."""
    rows = []
    for task, groups in _first_results(metrics).items():
        group = main_group(groups, bool(metrics["benchmarks"][task]["belongs"]))
        rows += [score_row(metrics, task, group, score) for score in main_scores(groups)]
    return rows


def task_panels(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All scores of each task, by group.

    Returns:
        For each task its name, source and number of items; "main", its main scores; "more", its other scores, of many
        groups only the means; and "many", whether it has many groups. A score has a label and rows (`score_row`).
    """
    panels = []
    for task, groups in _first_results(metrics).items():
        main = main_scores(groups)
        names = list(dict.fromkeys(name for scores in groups.values() for name in scores))
        names = [name for name in names if not name.endswith(CONTROLS + GAINS)]  # they stand beside their score
        means = [group for group in groups if group in (MACRO, ALL)] or list(groups)
        has_many = len(groups) > MAX_DETAIL_GROUPS
        scores: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
        for name in names:
            shown = means if has_many and name not in main else list(groups)
            rows = [score_row(metrics, task, group, name) for group in shown if name in groups[group]]
            scores[name in main].append({"label": label_score(name), "rows": rows})
        facts = {key: metrics["benchmarks"][task][key] for key in ("source", "items")}
        panels.append({"task": task, **facts, "main": scores[True], "more": scores[False], "many": has_many})
    return panels


def compare_models(metrics: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Sort the main scores of each model by how they compare with the control.

    Args:
        metrics: The content of metrics.json.
        rows: From `main_score_rows`.

    Returns:
        For each model but the control its name, and labels of the scores that are "better", "worse", or the "same"
        within the interval. Scores without a difference are left out. An empty list without a control.
    """
    comparisons = []
    for i, model in enumerate(metrics["models"]):
        if model == metrics["control"] or not metrics["differences"]:
            continue
        labels: dict[str, list[str]] = {"better": [], "worse": [], "": []}
        for row in rows:
            difference = row["models"][i]["difference"]
            if difference is None:
                continue
            labels[difference["mark"]].append(f"{row['task']} {row['label']} ({difference['value']:+.1f})")
        comparisons.append({"model": model, "better": labels["better"], "worse": labels["worse"], "same": labels[""]})
    return comparisons


def skipped_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The skipped items: one row for each task and reason, with the count and the counts by group."""
    rows: dict[tuple[str, str], dict[str, int]] = {}
    for task, facts in metrics["benchmarks"].items():
        for group, counts in facts["skipped"].items():
            for reason, count in counts.items():
                rows.setdefault((task, reason), {})[group] = count
    return [
        {"task": task, "reason": reason, "count": sum(groups.values()), "groups": groups}
        for (task, reason), groups in rows.items()
    ]
