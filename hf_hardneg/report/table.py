"""The table and the bar chart of a training run's results, for its card and its folder."""

from collections.abc import Mapping
from pathlib import Path

from ..evaluation.pairs import CHANCE
from ..evaluation.results import Results
from ..evaluation.wrong_image import markdown_label


# Okabe and Ito's palette, which people with color blindness can tell apart.
_PALETTE = ("#999999", "#56B4E9", "#E69F00", "#D55E00", "#009E73", "#CC79A7")


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
    width = 0.8 / len(results)
    for i, (model, model_results) in enumerate(results.items()):
        scores = [model_results[key][name] for key, name, _ in bars]
        values = [score["value"] for score in scores]
        whiskers = [[max(0, s["value"] - s["low"]) for s in scores], [max(0, s["high"] - s["value"]) for s in scores]]
        positions = [j + (i - (len(results) - 1) / 2) * width for j in range(len(bars))]
        axes.bar(positions, values, width, yerr=whiskers, label=model, color=_PALETTE[i % len(_PALETTE)], capsize=2)
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
