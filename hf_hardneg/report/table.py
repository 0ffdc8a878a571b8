"""The table and the bar chart of a training run's results, for its card and its folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..evaluation.pairs import CHANCE
from ..evaluation.results import Results
from ..evaluation.wrong_image import markdown_label


# Okabe and Ito's palette, which people with color blindness can tell apart.
_PALETTE = ("#999999", "#56B4E9", "#E69F00", "#D55E00", "#009E73", "#CC79A7")
GROUP_WIDTH = 0.8  # of the bars of one score together; scores stand at 0, 1, 2, ...


def _format_score(score: Mapping[str, float]) -> str:
    return f"{score['value']:.1f} [{score['low']:.1f}, {score['high']:.1f}]"


def format_table(results: Mapping[str, Results]) -> str:
    """Format results as a Markdown table: a line for each score, a column for each model.

    Args:
        results: Results by model, in percent.

    Examples:
        >>> print(format_table({"start": {"color": {"group": {"value": 2.0, "low": 0.7, "high": 3.8}}}}))
        | score | start |
        |---|---|
        | color group | 2.0 [0.7, 3.8] |
    """
    models = list(results)
    lines = ["| score | " + " | ".join(models) + " |", "|---" * (len(models) + 1) + "|"]
    first = results[models[0]]
    for key, scores in first.items():
        for name in scores:
            label = markdown_label(name) if key == "retrieval" else f"{key} {markdown_label(name)}"
            lines.append(
                f"| {label} | " + " | ".join(_format_score(results[model][key][name]) for model in models) + " |"
            )
    return "\n".join(lines)


def bar_place(score: int, model: int, models: int) -> float:
    """Where the bar of a score and a model stands: those of all models beside each other, around the score's place."""
    return score + (model - (models - 1) / 2) * GROUP_WIDTH / models


def draw_bars(axes: Any, scores: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Draw a bar with its interval for each score of each model; each model has a color.

    Args:
        axes: Those of matplotlib.
        scores: By model, in percent; of all models the same scores in the same order.
    """
    for i, (model, of_model) in enumerate(scores.items()):
        values = [score["value"] for score in of_model]
        whiskers = [
            [max(0, score["value"] - score["low"]) for score in of_model],
            [max(0, score["high"] - score["value"]) for score in of_model],
        ]
        places = [bar_place(j, i, len(scores)) for j in range(len(of_model))]
        color = _PALETTE[i % len(_PALETTE)]
        axes.bar(places, values, GROUP_WIDTH / len(scores), yerr=whiskers, label=model, color=color, capsize=2)


def draw_figure(results: Mapping[str, Results], file: Path, title: str) -> None:
    """Draw bars of the group score of each concept and of retrieval, with 95 % intervals; each model has a color.

    Args:
        results: Results by model, in percent.
        file: The PNG file to write.
        title: The title above the chart.
    """
    from matplotlib.figure import Figure

    first = next(iter(results.values()))
    bars = [(key, "group", key) for key, scores in first.items() if "group" in scores]
    bars += [("retrieval", name, name.replace("image_to_text_", "i→t ").replace("text_to_image_", "t→i "))
             for name in first["retrieval"] if name.endswith("R@5")]  # fmt: skip
    figure = Figure(figsize=(1.6 + 1.1 * len(bars), 4), layout="constrained")
    axes = figure.subplots()
    draw_bars(axes, {model: [of_model[key][name] for key, name, _ in bars] for model, of_model in results.items()})
    n_groups = sum(name == "group" for _, name, _ in bars)
    if n_groups:
        axes.hlines(CHANCE["group"], -0.5, n_groups - 0.5, colors="black", linestyles="dotted", linewidth=1)
        axes.annotate("chance", (-0.48, CHANCE["group"] + 1), fontsize=8)
        axes.axvline(n_groups - 0.5, color="lightgray", linewidth=1)
    axes.set_xticks(range(len(bars)), [label for *_, label in bars])
    axes.set_ylim(0, 105)
    axes.set_ylabel("group score | recall (%)")
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=min(len(results), 4), frameon=False)
    figure.savefig(file, dpi=150)
