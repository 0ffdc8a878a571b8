"""Audits as a table and as one figure."""

from collections.abc import Mapping
from pathlib import Path

from .text_only_readers import Audit


# (attribute, label, what is best)
_ROWS = (
    ("captions", "captions", "{:,}"),
    ("pairs", "pairs", "{:,}"),
    ("coverage", "captions with a negative", "{:.1f} %"),
    ("learned", "told by a learned reader (best 50)", "{:.1f} %"),
    ("rules", "told by three rules (best 50)", "{:.1f} %"),
    ("length", "told by length (best 50)", "{:.1f} %"),
    ("broken_articles", "broken a/an introduced", "{:.2f} %"),
    ("artifacts", "spaces and marks of joined tokens", "{:.2f} %"),
    ("identical", "identical to the caption", "{:.2f} %"),
    ("permuted_lists", "only and/or exchanged", "{:.2f} %"),
    ("fragments", "empty or fragment", "{:.2f} %"),
)
_BARS = (("learned", "learned reader"), ("rules", "three rules"), ("length", "length"))
_COLORS = ("#D55E00", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")


def format_audits(audits: Mapping[str, Audit]) -> str:
    """Markdown table with a column per file, then the n-grams that give most away (+ for a caption's)."""
    lines = ["| read without the image | " + " | ".join(audits) + " |", "|---" * (len(audits) + 1) + "|"]
    for name, label, form in _ROWS:
        cells = []
        for audit in audits.values():
            cell = form.format(getattr(audit, name))
            if name == "learned":
                cell = f"{audit.learned:.1f} % [{audit.learned_low:.1f}, {audit.learned_high:.1f}]"
            cells.append(cell)
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    for file, audit in audits.items():
        words = ", ".join(f"{weight:+.1f} “{ngram}”" for ngram, weight in audit.giveaways[:10])
        lines.append(f"\nGive-aways of {file}: {words}")
    return "\n".join(lines)


def draw_audits(audits: Mapping[str, Audit], file: Path) -> None:
    """Horizontal bars from 50 % (nothing to tell) to 100 %, a group per reader and a color per file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 1.2 + 0.32 * len(_BARS) * (len(audits) + 1)), layout="constrained")
    axes = figure.subplots()
    step = 0.8 / len(audits)
    for i, (name, audit) in enumerate(audits.items()):
        places = [j + (i - (len(audits) - 1) / 2) * step for j in range(len(_BARS))]
        values = [getattr(audit, attribute) for attribute, _ in _BARS]
        color = _COLORS[i % len(_COLORS)]
        axes.barh(places, [value - 50 for value in values], step * 0.9, left=50, color=color, label=name)
        for place, value in zip(places, values, strict=True):
            beyond = value >= 50
            axes.annotate(
                f"{value:.1f}", (value, place), (3 if beyond else -3, 0), textcoords="offset points", va="center",
                ha="left" if beyond else "right", fontsize=8,
            )  # fmt: skip
    axes.axvline(50, color="black", linewidth=1)
    axes.set_yticks(range(len(_BARS)), [label for _, label in _BARS])
    axes.invert_yaxis()
    lowest = min(getattr(audit, attribute) for audit in audits.values() for attribute, _ in _BARS)
    axes.set_xlim(min(45, lowest - 5), 105)
    axes.set_xlabel("pairs in which the caption is told from its negative without the image (%)")
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.legend(loc="outside upper left", ncols=3, frameon=False)
    figure.savefig(file, dpi=150)
