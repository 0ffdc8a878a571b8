"""The figure of make photos: what each arm tells apart on held-out photos, beside the right and the wrong image."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from hf_hardneg.evaluation.wrong_image import WRONG_IMAGE
from hf_hardneg.report.table import bar_place, draw_bars


# (task, group, score, what is written below the bars)
BARS = (
    ("own negatives", "all", "image_to_text", "own\nnegatives"),
    ("own negatives", "object", "image_to_text", "object"),
    ("own negatives", "color", "image_to_text", "color"),
    ("own negatives", "size", "image_to_text", "size"),
    ("own negatives", "location", "image_to_text", "location"),
    ("drawn evenly", "all", "image_to_text", "drawn\nevenly"),
    ("NegCLIP's recipe", "all", "image_to_text", "NegCLIP's\nrecipe"),
    ("natural twins", "all", "group", "natural twins\ngroup"),
    ("retrieval", "all", "image_to_text_R@1", "image-to-text\nR@1"),
    ("retrieval", "all", "text_to_image_R@1", "text-to-image\nR@1"),
)


def draw_results(results: Mapping[str, Any], file: Path, title: str) -> None:
    """Draw a bar for each arm and score with its interval, and a white diamond for the score with the wrong image.

    Args:
        results: By arm, task, group and score, in percent.
        file: The PNG file to write.
        title: The title above the chart.
    """
    first = next(iter(results.values()))
    # Few photos may have no negative of a size. A task of one group only has no group "all".
    bars = [bar for bar in BARS if bar[1] in first[bar[0]]]
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    axes = figure.subplots()
    draw_bars(axes, {arm: [of_arm[t][group][name] for t, group, name, _ in bars] for arm, of_arm in results.items()})
    blind = [
        (bar_place(j, i, len(results)), tasks[task][group][name + WRONG_IMAGE]["value"])
        for i, tasks in enumerate(results.values())
        for j, (task, group, name, _) in enumerate(bars)
        if name + WRONG_IMAGE in tasks[task][group]
    ]
    diamond = {"marker": "D", "s": 14, "color": "white", "edgecolors": "black", "zorder": 3}
    axes.scatter(*zip(*blind, strict=True), label="the same model with the wrong image", **diamond)
    axes.set_xticks(range(len(bars)), [label for *_, label in bars], fontsize=9)
    axes.set_ylim(0, 100)
    axes.set_ylabel("right (%)")
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(results) + 1, frameon=False)
    figure.savefig(file, dpi=150)
