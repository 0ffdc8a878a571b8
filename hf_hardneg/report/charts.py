"""Draw charts as inline SVG. The colors are those of the report's style sheet, for light, dark and print. Pure.

The classes "c0" to "c5" are the colors of models. Each model also has a shape.
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
    "M0,6L6,-4.6H-6z",  # triangle pointing down
    "M-2,-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",  # cross
)
INTERVAL_HEIGHT = 22  # pixels
# Of a chart with two axes: its size, and its margins.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 250, 40, 12, 20, 38
MAX_LINE_POINTS = 240  # more points of a line would lie on top of each other


@dataclass
class Series:
    """A line or points of one color.

    Attributes:
        name: The label beside the points; "" for none.
        color: The number of a model, or None for a line that belongs to no model.
        points: Each is (x, y).
        line: Whether the points are joined by a line, instead of drawn with the model's shape.
        ring: The number of the point that gets a ring and the label. Without one (None) the last point gets the label.
    """

    name: str
    color: int | None
    points: list[tuple[float, float]]
    line: bool = False
    ring: int | None = None


def draw_shape(number: int) -> Markup:
    """The shape of model `number`, around (0, 0). From the seventh model on, colors repeat with other shapes."""
    color, repeat = number % len(SHAPES), number // len(SHAPES)
    return Markup('<path class="mark c{}" d="{}"/>').format(color, SHAPES[(color + repeat) % len(SHAPES)])


def draw_key(number: int) -> Markup:
    """The shape of model `number` in a small picture of its own, to stand beside the model's name."""
    return Markup('<svg class="key" viewBox="-8 -8 16 16" aria-hidden="true">{}</svg>').format(draw_shape(number))


def draw_interval(score: Mapping[str, Any], number: int) -> Markup:
    """Draw a value with its interval and chance on a scale from 0 to 100 %, as wide as the table's cell.

    Args:
        score: value, low, high and chance (or None) in percent, as in metrics.json.
        number: The number of the model.
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
    parts.append(mark.format(score["value"], draw_shape(number)))
    content = Markup("").join(parts)
    return Markup('<svg class="interval" width="100%" height="{}" aria-hidden="true">{}</svg>').format(
        INTERVAL_HEIGHT, content
    )


def draw_scale() -> Markup:
    """Draw the numbers above the intervals: 0, 50 and 100."""
    label = Markup('<text x="{0}%" y="11" text-anchor="middle">{0}</text>')
    texts = Markup("").join(label.format(x) for x in (0, 50, 100))
    return Markup('<svg class="interval" width="100%" height="14" aria-hidden="true">{}</svg>').format(texts)


def round_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers between `low` and `high`, at most `most` of them.

    Examples:
        >>> round_ticks(0.3, 9.8)
        [2.0, 4.0, 6.0, 8.0]
    """
    span = (high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * k for k in (1, 2, 5, 10) if span / (power * k) <= most)
    return [round(i * step, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def thin_points(points: Sequence[tuple[float, float]], most: int = MAX_LINE_POINTS) -> list[tuple[float, float]]:
    """Choose at most `most` points evenly, always with the first and the last.

    Examples:
        >>> thin_points([(i, i) for i in range(100)], most=3)
        [(0, 0), (50, 50), (99, 99)]
    """
    if len(points) <= most:
        return list(points)
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]


def _axis_range(values: Sequence[float]) -> tuple[float, float]:
    """The ends of an axis, with a margin; they differ even if all values are equal."""
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or max(1e-3, 0.05 * abs(high))
    return low - margin, high + margin


def draw_plane(series: Sequence[Series], x_label: str, y_label: str, alt: str, zero: bool = False) -> Markup:
    """Draw points and lines over two axes.

    Args:
        series: At least one with a point.
        x_label: The label below the chart.
        y_label: The label above the chart.
        alt: The text for readers who cannot see the chart.
        zero: Whether to draw a line at x = 0; the axis then includes 0.
    """
    points = [point for one in series for point in one.points]
    x_low, x_high = _axis_range([x for x, _ in points] + ([0.0] if zero else []))
    y_low, y_high = _axis_range([y for _, y in points])

    def to_pixels(x: float, y: float) -> tuple[float, float]:
        across, up = (x - x_low) / (x_high - x_low), (y - y_low) / (y_high - y_low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = []
    for y in round_ticks(y_low, y_high):
        line = Markup('<line class="grid" x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}"/>')
        text = Markup('<text x="{}" y="{:.1f}" text-anchor="end">{:g}</text>')
        height = to_pixels(x_low, y)[1]
        parts += [line.format(LEFT, WIDTH - RIGHT, height), text.format(LEFT - 5, height + 4, y)]
    for x in round_ticks(x_low, x_high):
        text = Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>')
        parts.append(text.format(to_pixels(x, y_low)[0], HEIGHT - BOTTOM + 15, _format_tick(x)))
    if zero:
        line = Markup('<line class="chance" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>')
        parts.append(line.format(to_pixels(0, y_low)[0], TOP, HEIGHT - BOTTOM))
    parts += [_draw_series(one, [to_pixels(*point) for point in one.points]) for one in series]
    parts += _draw_labels(
        [(one.name, *to_pixels(*one.points[-1 if one.ring is None else one.ring])) for one in series if one.name]
    )
    parts.append(
        Markup('<text class="axis" x="{}" y="{}" text-anchor="end">{}</text>').format(WIDTH, HEIGHT - 4, x_label)
    )
    title = Markup('<text class="axis" x="2" y="9">{}</text>').format(y_label)
    chart = Markup('<svg class="plane" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>')
    return chart.format(WIDTH, HEIGHT, alt, title, Markup("").join(parts))


def _format_tick(x: float) -> str:
    return f"{x / 1000:g}k" if abs(x) >= 10_000 else f"{x:g}"


def _draw_series(series: Series, pixels: Sequence[tuple[float, float]]) -> Markup:
    color = "curve" if series.color is None else f"c{series.color % len(SHAPES)}"
    if not series.line and series.color is not None:
        mark = Markup('<g transform="translate({:.1f},{:.1f})">{}</g>')
        return Markup("").join(mark.format(x, y, draw_shape(series.color)) for x, y in pixels)
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in pixels)
    drawn = Markup('<polyline class="line {}" points="{}"/>').format(color, joined)
    if len(pixels) <= 20:
        dot = Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="2.5"/>')
        drawn += Markup("").join(dot.format(color, x, y) for x, y in pixels)
    if series.ring is not None:
        drawn += Markup('<circle class="ring" cx="{:.1f}" cy="{:.1f}" r="8"/>').format(*pixels[series.ring])
    return drawn


def _draw_labels(named: Sequence[tuple[str, float, float]]) -> list[Markup]:
    """Draw names beside points; a name that would cover another one is moved down."""
    drawn: list[tuple[bool, float, Markup]] = []
    for name, x, y in sorted(named, key=lambda one: one[2]):
        in_left_half = x < (LEFT + WIDTH) / 2
        above = [height + 13 for side, height, _ in drawn if side == in_left_half and height + 13 > y + 4]
        height = max([y + 4, *above])
        shown = name if len(name) <= 24 else f"{name[:23]}…"
        text = Markup('<text class="name" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
        text_x, anchor = (x + 10, "start") if in_left_half else (x - 10, "end")
        drawn.append((in_left_half, height, text.format(text_x, height, anchor, shown)))
    return [text for *_, text in drawn]
