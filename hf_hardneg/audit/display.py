"""Show audits: as Markdown tables or as a bar chart."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .measure import Audit, Told
from .panel import ACCEPTABILITY, BOOSTED, LENGTH, NGRAMS, RULES, TOPIC


if TYPE_CHECKING:
    from matplotlib.axes import Axes


READERS = {
    RULES: "three rules",
    LENGTH: "length",
    NGRAMS: "word n-grams",
    TOPIC: "topic",
    BOOSTED: "boosted",
    ACCEPTABILITY: "language model",
}
"""The readers in the order in which they are shown, with the labels of their rows."""
# Attribute of `Audit`, label.
_DEFECTS = (
    ("broken_articles", "broken a/an introduced"),
    ("artifacts", "spaces and marks of joined tokens"),
    ("identical", "identical to the caption"),
    ("permuted_lists", "only and/or exchanged"),
    ("fragments", "empty or fragment"),
)
_COLORS = ("#D55E00", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Markdown whose first row is the header; columns are padded, so that the source reads as a table, too."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in padded]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return [lines[0], rule, *lines[1:]]


def _format_told(told: Told | None) -> str:
    return f"{told.share:.1f} % [{told.low:.1f}, {told.high:.1f}]" if told else "not asked"


def _format_odd_one(audit: Audit) -> str:
    if audit.odd_one is None:
        return "no sets"
    return f"{audit.odd_one:.1f} % (guessing: {audit.odd_one_chance:.1f})"


def _shown(audits: Iterable[Audit]) -> list[str]:
    """The readers that at least one audit has."""
    return [name for name in READERS if any(name in audit.readers for audit in audits)]


def format_audits(audits: Mapping[str, Audit]) -> str:
    """Format audits as Markdown tables.

    The first table has one column for each file. For each file whose concepts are known, a table by concept follows.
    Below stand the ten n-grams of greatest weight of each file. A positive weight speaks for a caption, a negative one
    for a negative.

    Args:
        audits: The audit of each file, by the name that its column gets.

    Returns:
        Markdown. All numbers but counts and weights are percentages.

    Examples:
        >>> from hf_hardneg.audit.measure import audit_negatives
        >>> captions = [f"A {color} car with {n} wheels." for n in range(8) for color in ("red", "blue", "green")]
        >>> audit = audit_negatives(captions, [[caption.replace(".", " .")] for caption in captions])
        >>> print(format_audits({"mine": audit}).splitlines()[5])
        | strongest reader                        | three rules            |
    """
    rows = [["told without the image (guessing: 50 %)", *audits]]
    rows += [
        ["captions", *(f"{audit.captions:,}" for audit in audits.values())],
        ["pairs (of which read)", *(f"{audit.pairs:,} ({audit.pairs_read:,})" for audit in audits.values())],
        ["captions with a negative", *(f"{audit.coverage:.1f} %" for audit in audits.values())],
        ["strongest reader", *(READERS[audit.strongest] for audit in audits.values())],
    ]
    rows += [
        [f"told by {READERS[name]}", *(_format_told(audit.readers.get(name)) for audit in audits.values())]
        for name in _shown(audits.values())
    ]
    rows.append(["the odd one of its set", *map(_format_odd_one, audits.values())])
    for name, label in _DEFECTS:
        rows.append([label, *(f"{getattr(audit, name):.2f} %" for audit in audits.values())])
    lines = _table(rows)
    for file, audit in audits.items():
        if audit.by_concept:
            lines += ["", f"{file}, by concept:", "", *_format_concepts(audit)]
    for file, audit in audits.items():
        words = ", ".join(f"{weight:+.1f} “{ngram}”" for ngram, weight in audit.giveaways[:10])
        lines.append(f"\nGive-aways of {file} (+ speaks for a caption, - for a negative): {words or 'none'}")
    return "\n".join(lines)


def _format_concepts(audit: Audit) -> list[str]:
    shown = _shown([audit])
    rows = [["concept", "pairs", *(READERS[name] for name in shown)]]
    for concept, told in audit.by_concept.items():
        cells = [
            _format_told(told[name]) if name == audit.strongest else f"{told[name].share:.1f} %" for name in shown
        ]
        rows.append([concept, f"{told[audit.strongest].pairs:,}", *cells])
    return _table(rows)


def draw_audits(audits: Mapping[str, Audit], file: Path) -> None:
    """Draw audits as horizontal bars that start at 50 %, which is guessing, with 95 % intervals.

    The first panel has a group of bars for each reader, the second one for each concept, where concepts are known: it
    shows the strongest reader of each file. Each file has a color.

    Args:
        audits: One or more audits, by the name that the legend shows.
        file: The picture; its ending says the format (.png, .svg, .pdf).

    Raises:
        ValueError: If Matplotlib does not know the format.
        OSError: If the file cannot be written.

    Examples:
        >>> import tempfile
        >>> from hf_hardneg.audit.measure import audit_negatives
        >>> captions = [f"A {color} car with {n} wheels." for n in range(8) for color in ("red", "blue", "green")]
        >>> audit = audit_negatives(captions, [[caption.replace(".", " .")] for caption in captions])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     draw_audits({"mine": audit}, Path(folder) / "audit.svg")
        ...     [file.name for file in Path(folder).iterdir()]
        ['audit.svg']
    """
    from matplotlib.figure import Figure

    shown = _shown(audits.values())
    concepts = sorted({concept for audit in audits.values() for concept in audit.by_concept})
    of_readers = {name: [audit.readers.get(reader) for reader in shown] for name, audit in audits.items()}
    of_concepts = {
        name: [audit.by_concept.get(concept, {}).get(audit.strongest) for concept in concepts]
        for name, audit in audits.items()
    }
    groups = [len(shown), *([len(concepts)] if concepts else [])]
    of_concepts = {name: told for name, told in of_concepts.items() if any(told)}
    files = [len(audits), len(of_concepts)]
    heights = [0.5 + 0.21 * number * (bars + 1) for number, bars in zip(groups, files, strict=False)]
    figure = Figure(figsize=(7.5, 1 + sum(heights)), layout="constrained")
    panels = figure.subplots(len(groups), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    colors = {name: _COLORS[i % len(_COLORS)] for i, name in enumerate(audits)}
    _draw_bars(panels[0], of_readers, [READERS[name] for name in shown], colors)
    if concepts:
        _draw_bars(panels[1], of_concepts, concepts, colors)
        panels[1].set_title("strongest reader, by concept", loc="left", fontsize=10)
    told = [one for of_file in (*of_readers.values(), *of_concepts.values()) for one in of_file if one]
    panels[0].set_xlim(min(45, *(one.low - 6 for one in told)), 107)
    panels[-1].set_xlabel("pairs in which the caption is told from its negative without the image (%)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3, frameon=False)
    figure.savefig(file, dpi=150)


def _draw_bars(
    axes: "Axes", told: Mapping[str, Sequence[Told | None]], labels: Sequence[str], colors: Mapping[str, str]
) -> None:
    """One group of bars for each label, with a bar for each file; no bar where a file has no value."""
    step = 0.8 / len(told)
    for i, (name, values) in enumerate(told.items()):
        known = [(j + (i - (len(told) - 1) / 2) * step, value) for j, value in enumerate(values) if value]
        heights, shares = [height for height, _ in known], [value.share for _, value in known]
        axes.barh(heights, [share - 50 for share in shares], step * 0.9, left=50, color=colors[name], label=name)
        spread = [[value.share - value.low for _, value in known], [value.high - value.share for _, value in known]]
        axes.errorbar(shares, heights, xerr=spread, fmt="none", ecolor="black", elinewidth=0.8, capsize=2)
        for height, value in known:
            is_above = value.share >= 50
            axes.annotate(
                f"{value.share:.1f}", (value.high if is_above else value.low, height), (4 if is_above else -4, 0),
                textcoords="offset points", va="center", ha="left" if is_above else "right", fontsize=8,
            )  # fmt: skip
    axes.axvline(50, color="black", linewidth=1)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.spines[["top", "right", "left"]].set_visible(False)
