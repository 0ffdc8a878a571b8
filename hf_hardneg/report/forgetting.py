"""Plot gain against forgetting: what models learned, and what they kept of what they could do before."""

from collections.abc import Mapping
from typing import Any

from .charts import Series, draw_plane
from .score_rows import main_value, model_numbers


def plot_forgetting(metrics: Mapping[str, Any], curve: Mapping[str, Any] | None) -> dict[str, Any]:
    """Plot gain against retention, a point for each model, and a line for an interpolation of the same tasks.

    Gain is the mean main score of the benchmarks of choices; retention is that of retrieval and classification.

    Args:
        metrics: The content of metrics.json.
        curve: The content of an interpolation's curve.json, or None.

    Returns:
        "why_not", a sentence, if there is nothing to plot. Otherwise "svg"; "points" with name, number, gain,
        retention and change of retention, all in percent; "gain_tasks"; "retention_tasks"; "reference", the model that
        the change is relative to; and "curve", a sentence about the line, or "".
    """
    tasks = metrics["benchmarks"]
    gain = [task for task, facts in tasks.items() if facts["belongs"]]
    retention = [task for task in tasks if task not in gain]
    about_curve = ""
    if curve is not None:
        missing = [task for task in [*curve["gain_tasks"], *curve["retention_tasks"]] if task not in tasks]
        if missing:
            tasks_missing = ", ".join(missing)
            about_curve = (
                f"The interpolation's curve is left out: it measured {tasks_missing}; this evaluation did not."
            )
            curve = None
        else:
            gain, retention = curve["gain_tasks"], curve["retention_tasks"]
            about_curve = _describe_curve(curve)
    if not gain or not retention:
        side = "choices, for the gain" if not gain else "retrieval or classification, for what was forgotten"
        return {"why_not": f"There is no plot of gain against forgetting, because there is no benchmark of {side}."}
    reference = _find_reference(metrics, curve)
    points = _measure_points(metrics, gain, retention, reference)
    series = [Series(point["name"], point["number"], [(point["change"], point["gain"])]) for point in points]
    if curve is not None:
        series.insert(0, _curve_series(curve))
    alt = "; ".join(f"{p['name']}: gain {p['gain']:.1f}, retention {p['change']:+.1f}" for p in points)
    svg = draw_plane(series, f"retention: points beside {reference}", "gain (%)", alt, zero=True)
    facts = {"gain_tasks": gain, "retention_tasks": retention, "reference": reference, "curve": about_curve}
    return {"svg": svg, "points": points, **facts}


def _find_reference(metrics: Mapping[str, Any], curve: Mapping[str, Any] | None) -> str:
    """The interpolation's start model if it was evaluated, else the control, else the first model."""
    starts = [name for name, model in metrics["models"].items() if curve and model["paths"] == [curve["start"]]]
    return (starts or [metrics["control"] or next(iter(metrics["models"]))])[0]


def _measure_points(
    metrics: Mapping[str, Any], gain: list[str], retention: list[str], reference: str
) -> list[dict[str, Any]]:
    """For each model its name, number, gain, retention, and change of retention relative to the reference."""
    means = {
        model: [sum(main_value(metrics, model, task) for task in tasks) / len(tasks) for tasks in (retention, gain)]
        for model in metrics["models"]
    }
    numbers, kept_by_reference = model_numbers(metrics), means[reference][0]
    return [
        {"name": name, "number": numbers[name], "retention": kept, "change": kept - kept_by_reference, "gain": gained}
        for name, (kept, gained) in means.items()
    ]


def _describe_curve(curve: Mapping[str, Any]) -> str:
    return (
        f"The line shows weights between {curve['start']} (alpha 0) and {curve['tuned']} (alpha 1), relative to its "
        "own start, on the photos that were not used to choose alpha. On it, the ring is alpha "
        f"{curve['chosen']:g}, the chosen one."
    )


def _curve_series(curve: Mapping[str, Any]) -> Series:
    test = curve["test"]
    points = [(x - test["retention"][0], y) for x, y in zip(test["retention"], test["gain"], strict=True)]
    return Series(f"α {curve['chosen']:g}", None, points, line=True, ring=list(curve["alphas"]).index(curve["chosen"]))
