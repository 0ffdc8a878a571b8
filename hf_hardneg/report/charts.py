"""Charts as inline SVG, with the colors of the page's style sheet, so that they follow light, dark and print. Pure.

Class "c0" to "c5" is the color of a model; each has a shape of its own, too.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup


SHAPES = (
    "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0z",  # circle
    "M-4.5,-4.5h9v9h-9z",  # square
    "M0,-6.4L6.4,0L0,6.4L-6.4,0z",  # diamond
    "M0,-6L6,4.6H-6z",  # triangle
    "M0,6L6,-4.6H-6z",  # on its head
    "M-2,-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",  # cross
)
HEIGHT = 22  # of an interval, in pixels
WIDTH, TALL, LEFT, RIGHT, TOP, BOTTOM = 360, 250, 40, 12, 20, 38  # of a chart with two axes and its margins
MOST_POINTS = 240  # of a line; more would lie on one another


@dataclass
class Series:
    """A line or points of one color.

    Attributes:
        name: Written beside the points, "" for none.
        color: The number of a model, or None for none's.
        points: (x, y) each.
        line: Whether they are joined, instead of drawn with the model's shape.
        ring: The number of a point that gets a ring and the name, or None: the name is at the last.
    """

    name: str
    color: int | None
    points: list[tuple[float, float]]
    line: bool = False
    ring: int | None = None


def shape(number: int) -> Markup:
    """The mark of a model, around (0, 0); beyond six models colors come again, with other shapes."""
    color, again = number % len(SHAPES), number // len(SHAPES)
    return Markup('<path class="mark c{}" d="{}"/>').format(color, SHAPES[(color + again) % len(SHAPES)])


def key(number: int) -> Markup:
    """The mark of a model alone, to stand beside its name."""
    return Markup('<svg class="key" viewBox="-8 -8 16 16" aria-hidden="true">{}</svg>').format(shape(number))


def draw_interval(score: Mapping[str, Any], number: int) -> Markup:
    """A value in percent with its interval and chance, as wide as there is room.

    Args:
        score: value, low, high, and chance or None, as in metrics.json.
        number: Of the model.
    """
    parts = [
        Markup('<line class="grid" x1="{0}%" x2="{0}%" y1="0" y2="100%"/>').format(x) for x in (0, 25, 50, 75, 100)
    ]
    if score["chance"] is not None:
        chance = Markup('<line class="chance" x1="{0:.2f}%" x2="{0:.2f}%" y1="0" y2="100%"/>')
        parts.append(chance.format(score["chance"]))
    whisker = Markup('<line class="whisker c{}" x1="{:.2f}%" x2="{:.2f}%" y1="50%" y2="50%"/>')
    parts.append(whisker.format(number % len(SHAPES), score["low"], score["high"]))
    mark = Markup('<svg x="{:.2f}%" y="50%" overflow="visible">{}</svg>')
    parts.append(mark.format(score["value"], shape(number)))
    inside = Markup("").join(parts)
    return Markup('<svg class="interval" width="100%" height="{}" aria-hidden="true">{}</svg>').format(HEIGHT, inside)


def draw_scale() -> Markup:
    """The numbers above intervals."""
    label = Markup('<text x="{0}%" y="11" text-anchor="middle">{0}</text>')
    texts = Markup("").join(label.format(x) for x in (0, 50, 100))
    return Markup('<svg class="interval" width="100%" height="14" aria-hidden="true">{}</svg>').format(texts)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, at most `most`.

    Examples:
        >>> ticks(0.3, 9.8)
        [2.0, 4.0, 6.0, 8.0]
    """
    span = (high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * k for k in (1, 2, 5, 10) if span / (power * k) <= most)
    return [round(i * step, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def thin(points: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """Evenly chosen points, the first and the last among them.

    Examples:
        >>> thin([(i, i) for i in range(100)], most=3)
        [(0, 0), (50, 50), (99, 99)]
    """
    if len(points) <= most:
        return list(points)
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    """With some room at both ends; a number for one value, too."""
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or max(1e-3, 0.05 * abs(high))
    return low - room, high + room


def draw_plane(series: Sequence[Series], x_label: str, y_label: str, alt: str, zero: bool = False) -> Markup:
    """Points and lines over two axes.

    Args:
        series: At least one with a point.
        x_label: Below the chart.
        y_label: Above it.
        alt: What a reader who cannot see it is told.
        zero: Whether a line is drawn where x is 0, which the axis then includes.
    """
    points = [point for one in series for point in one.points]
    x_low, x_high = _range([x for x, _ in points] + ([0.0] if zero else []))
    y_low, y_high = _range([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = (x - x_low) / (x_high - x_low), (y - y_low) / (y_high - y_low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), TALL - BOTTOM - up * (TALL - TOP - BOTTOM)

    parts = []
    for y in ticks(y_low, y_high):
        line = Markup('<line class="grid" x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}"/>')
        text = Markup('<text x="{}" y="{:.1f}" text-anchor="end">{:g}</text>')
        height = place(x_low, y)[1]
        parts += [line.format(LEFT, WIDTH - RIGHT, height), text.format(LEFT - 5, height + 4, y)]
    for x in ticks(x_low, x_high):
        text = Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>')
        parts.append(text.format(place(x, y_low)[0], TALL - BOTTOM + 15, _short(x)))
    if zero:
        line = Markup('<line class="chance" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>')
        parts.append(line.format(place(0, y_low)[0], TOP, TALL - BOTTOM))
    parts += [_draw_series(one, [place(*point) for point in one.points]) for one in series]
    parts += _labels(
        [(one.name, *place(*one.points[-1 if one.ring is None else one.ring])) for one in series if one.name]
    )
    parts.append(
        Markup('<text class="axis" x="{}" y="{}" text-anchor="end">{}</text>').format(WIDTH, TALL - 4, x_label)
    )
    title = Markup('<text class="axis" x="2" y="9">{}</text>').format(y_label)
    chart = Markup('<svg class="plane" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>')
    return chart.format(WIDTH, TALL, alt, title, Markup("").join(parts))


def _short(x: float) -> str:
    return f"{x / 1000:g}k" if abs(x) >= 10_000 else f"{x:g}"


def _draw_series(series: Series, places: Sequence[tuple[float, float]]) -> Markup:
    color = "curve" if series.color is None else f"c{series.color % len(SHAPES)}"
    if not series.line and series.color is not None:
        mark = Markup('<g transform="translate({:.1f},{:.1f})">{}</g>')
        return Markup("").join(mark.format(x, y, shape(series.color)) for x, y in places)
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    drawn = Markup('<polyline class="line {}" points="{}"/>').format(color, joined)
    if len(places) <= 20:
        dot = Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="2.5"/>')
        drawn += Markup("").join(dot.format(color, x, y) for x, y in places)
    if series.ring is not None:
        drawn += Markup('<circle class="ring" cx="{:.1f}" cy="{:.1f}" r="8"/>').format(*places[series.ring])
    return drawn


def _labels(named: Sequence[tuple[str, float, float]]) -> list[Markup]:
    """Names beside points, moved down where they would lie on one another."""
    drawn: list[tuple[bool, float, Markup]] = []
    for name, x, y in sorted(named, key=lambda one: one[2]):
        left = x < (LEFT + WIDTH) / 2
        height = max([y + 4, *(above + 13 for side, above, _ in drawn if side == left and above + 13 > y + 4)])
        shown = name if len(name) <= 24 else f"{name[:23]}…"
        text = Markup('<text class="name" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
        where = (x + 10, "start") if left else (x - 10, "end")
        drawn.append((left, height, text.format(where[0], height, where[1], shown)))
    return [text for *_, text in drawn]
