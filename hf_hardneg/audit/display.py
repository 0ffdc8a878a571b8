"""Show audits: as a Markdown table or as a bar chart."""

from collections.abc import Mapping
from pathlib import Path

from .text_only_readers import Audit


# Rows of the table: attribute of `Audit`, label, format.
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
    """Format audits as a Markdown table with one column for each file.

    Below the table stand the ten n-grams of greatest weight of each file. A positive weight speaks for a caption, a
    negative one for a negative.

    Args:
        audits: The audit of each file, by the name that its column gets.

    Returns:
        Markdown. All numbers but counts and weights are percentages.

    Examples:
        >>> audit = Audit(
        ...     captions=2, pairs=2, coverage=100.0, learned=75.0, learned_low=50.0, learned_high=100.0, rules=50.0,
        ...     length=50.0, broken_articles=0.0, artifacts=0.0, identical=0.0, permuted_lists=0.0, fragments=0.0,
        ...     giveaways=[("mauve", -1.2)],
        ... )
        >>> format_audits({"mine": audit}).splitlines()[5]
        '| told by a learned reader (best 50) | 75.0 % [50.0, 100.0] |'
    """
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
        lines.append(f"\nGive-aways of {file}, by weight (+ speaks for a caption, - for a negative): {words}")
    return "\n".join(lines)


def draw_audits(audits: Mapping[str, Audit], file: Path) -> None:
    """Draw audits as horizontal bars that start at 50 %, which is guessing: a group for each reader, a color a file.

    Args:
        audits: One or more audits, by the name that the legend shows.
        file: The picture; its ending says the format (.png, .svg, .pdf).

    Raises:
        ValueError: If Matplotlib does not know the format.
        OSError: If the file cannot be written.

    Examples:
        >>> import tempfile
        >>> from hf_hardneg.audit.text_only_readers import audit_negatives
        >>> captions = [f"a {color} car" for color in ("red", "blue", "green", "white", "black")]
        >>> audit = audit_negatives(captions, [["a mauve car"]] * 5)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     draw_audits({"mine": audit}, Path(folder) / "audit.svg")
        ...     [file.name for file in Path(folder).iterdir()]
        ['audit.svg']
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 1.2 + 0.32 * len(_BARS) * (len(audits) + 1)), layout="constrained")
    axes = figure.subplots()
    step = 0.8 / len(audits)
    for i, (name, audit) in enumerate(audits.items()):
        heights = [j + (i - (len(audits) - 1) / 2) * step for j in range(len(_BARS))]
        values = [getattr(audit, attribute) for attribute, _ in _BARS]
        color = _COLORS[i % len(_COLORS)]
        axes.barh(heights, [value - 50 for value in values], step * 0.9, left=50, color=color, label=name)
        for height, value in zip(heights, values, strict=True):
            is_above = value >= 50
            axes.annotate(
                f"{value:.1f}", (value, height), (3 if is_above else -3, 0), textcoords="offset points", va="center",
                ha="left" if is_above else "right", fontsize=8,
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
