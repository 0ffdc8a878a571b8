"""Recolor an object and keep its shading. Only pixels that have the named color change. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..masks.regions import largest_components
from ..opencv import cv2


NOT_THAT_COLOR = "the thing does not look the color that the caption names"
PATCHY = "the color covers the thing in too small patches"

# Smallest and largest share of the mask that has the named color. Outside, the caption means another part or object.
WHOLE, PART, GARMENT = (0.35, 1.0), (0.15, 0.85), (0.04, 0.75)
DARK = 35.0  # L*; targets below it need a dark result, however bright the object was
BEYOND_SKIN = {"pink": 34.0, "orange": 48.0}  # smallest chroma of such a garment; skin has less


class _Tone(NamedTuple):
    """A color in CIE L*a*b*: lightness 0 to 100, chroma from 0, hue in degrees (None for grays)."""

    lightness: float
    chroma: float
    hue: float | None


TARGETS: Mapping[str, _Tone] = {
    "red": _Tone(42, 62, 33),
    "orange": _Tone(62, 66, 58),
    "yellow": _Tone(78, 68, 92),
    "green": _Tone(48, 48, 143),
    "maroon": _Tone(25, 38, 24),
    "beige": _Tone(80, 15, 80),
    "cream": _Tone(90, 16, 92),
    "tan": _Tone(66, 28, 72),
    "teal": _Tone(44, 30, 200),
    "turquoise": _Tone(66, 42, 195),
    "blue": _Tone(40, 54, 283),
    "purple": _Tone(38, 48, 316),
    "pink": _Tone(68, 42, 355),
    "brown": _Tone(34, 26, 58),
    "black": _Tone(16, 2, None),
    "white": _Tone(86, 2, None),
    "gray": _Tone(52, 2, None),
}
# Pixels that captions call so: (min, max) lightness, (min, max) chroma, (hue, half width) in degrees.
_RANGES: Mapping[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float] | None]] = {
    "red": ((8, 75), (18, 200), (28, 34)),
    "orange": ((25, 90), (22, 200), (60, 26)),
    "yellow": ((30, 100), (18, 200), (90, 27)),
    "golden": ((15, 98), (10, 200), (78, 32)),
    "gold": ((15, 98), (10, 200), (78, 32)),
    "green": ((8, 92), (10, 200), (143, 45)),
    "maroon": ((5, 45), (14, 70), (24, 30)),
    "teal": ((15, 65), (10, 60), (200, 35)),
    "turquoise": ((30, 95), (12, 200), (195, 35)),
    "blue": ((6, 90), (7, 200), (268, 48)),
    "purple": ((6, 80), (8, 200), (316, 35)),
    "pink": ((24, 96), (9, 200), (358, 42)),
    "brown": ((4, 72), (6, 60), (60, 38)),
    "tan": ((40, 92), (6, 45), (75, 35)),
    "beige": ((50, 97), (3, 35), (80, 45)),
    "cream": ((60, 100), (2, 30), (85, 50)),
    "black": ((0, 40), (0, 16), None),
    "white": ((52, 101), (0, 22), None),
    "gray": ((20, 86), (0, 15), None),
    "grey": ((20, 86), (0, 15), None),
    "silver": ((25, 98), (0, 14), None),
}


def _to_lab(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def _soft(value: np.ndarray, low: float, high: float, width: float) -> np.ndarray:
    """Return 1 between `low` and `high`, and a ramp down to 0 within `width` outside."""
    return np.clip(1 - np.maximum(low - value, value - high) / width, 0, 1)


def color_weights(image: np.ndarray, color: str, min_chroma: float = 0) -> np.ndarray | None:
    """Return how well each pixel matches what captions call `color`.

    Args:
        image: (H, W, 3) uint8, RGB.
        color: A name of the vocabulary.
        min_chroma: Smallest Lab chroma of a match.

    Returns:
        (H, W) float32, 0 to 1, or None if the color is unknown.
    """
    if color not in _RANGES:
        return None
    lightness_range, chroma_range, hue_range = _RANGES[color]
    lab = cv2.GaussianBlur(_to_lab(image), (0, 0), 1.2)  # noise in single pixels must not count
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    low, high = max(min_chroma, chroma_range[0]), chroma_range[1]
    weights = _soft(lab[..., 0], *lightness_range, 10) * _soft(chroma, low, high, 6)
    if hue_range:
        hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1]))
        distance = np.abs((hue - hue_range[0] + 180) % 360 - 180)
        weights *= np.clip(1 - (distance - hue_range[1]) / 12, 0, 1)
    return weights.astype(np.float32)


def find_colored(
    image: np.ndarray, mask: np.ndarray, color: str, shares: tuple[float, float] = WHOLE
) -> np.ndarray | str:
    """Find the part of an object that has the color that the caption names.

    Args:
        image: (H, W, 3) uint8, RGB.
        mask: (H, W) bool, the object. For a garment it is the person.
        color: A name of the vocabulary.
        shares: Smallest and largest share of the mask with that color: `WHOLE`, `PART` or `GARMENT`.

    Returns:
        Weights (H, W), 0 to 1, or the reason why there are none.
    """
    weights = color_weights(image, color, BEYOND_SKIN.get(color, 0) if shares == GARMENT else 0)
    if weights is None:
        return NOT_THAT_COLOR
    # A hand-drawn outline may cut the object short, which would leave a halo of the old color.
    radius = 0 if shares == GARMENT else int(np.clip(np.sqrt(mask.sum()) / 40, 1, 6))
    near = cv2.dilate(mask.astype(np.uint8), np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)) > 0
    weights = weights * near
    region = weights > 0.5
    share = (region & mask).sum() / mask.sum()
    if not shares[0] <= share <= shares[1]:
        return NOT_THAT_COLOR
    # Closing adds small glints, seams and shadows to the colored part. Lettering and windows are larger and stay out.
    size = max(3, int(np.sqrt(mask.sum()) / 24) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    closed = cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_CLOSE, kernel) > 0
    opened = cv2.morphologyEx(closed.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    kept = _one_garment(opened & near, mask) if shares == GARMENT else largest_components(opened & near)
    if kept.sum() < (0.3 if shares == GARMENT else 0.5) * region.sum():
        return PATCHY
    return cv2.GaussianBlur(np.maximum(kept.astype(np.float32), weights * kept), (0, 0), 0.8) * near


def _disk(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def _one_garment(region: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Keep the largest component and large ones near it, such as a sleeve, but not a cap of the same color."""
    unit = np.sqrt(person.sum())
    thin = _disk(max(1, round(0.01 * unit)))
    core = cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_OPEN, thin)  # cuts thin bridges between parts
    near = cv2.dilate(largest_components(core > 0, 1.0).astype(np.uint8), _disk(max(2, round(0.06 * unit)))) > 0
    _, labels = cv2.connectedComponents(largest_components(core > 0, 0.1).astype(np.uint8))
    kept = np.isin(labels, np.setdiff1d(np.unique(labels[near]), 0))
    return (cv2.dilate(kept.astype(np.uint8), thin) > 0) & region


def recolor(image: np.ndarray, weights: np.ndarray, target: str) -> np.ndarray:
    """Give the weighted pixels another color. Mean lightness and chroma change, and the shading stays.

    Args:
        image: (H, W, 3) uint8, RGB.
        weights: (H, W), 0 (keep) to 1 (recolor), with at least one above 0.5.
        target: A key of `TARGETS`.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    tone = TARGETS[target]
    lab = _to_lab(image)
    inside = weights > 0.5
    lightness = lab[..., 0]
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    mean, spread = float(lightness[inside].mean()), float(lightness[inside].std()) + 1e-6
    # A brightly lit object stays brighter than usual for the color, and a shaded one darker.
    goal = tone.lightness + (0.1 if tone.lightness < DARK else 0.25) * (mean - tone.lightness)
    contrast = np.clip({"black": 10.0, "white": 11.0}.get(target, 14.0) / spread, 0.35, 1.4)
    contrast = min(contrast, 1.0) if mean > 35 else contrast
    new = np.empty_like(lab)
    new[..., 0] = np.clip(goal + (lightness - mean) * contrast, 2, 98)
    if tone.hue is None:
        new[..., 1:] = lab[..., 1:] * 0.03
    else:
        median = float(np.median(chroma[inside]))
        relative = np.clip(chroma / median, 0.55, 1.25) if median > 14 else np.ones_like(chroma)
        shade = np.clip(new[..., 0] / max(goal, 1), 0.25, 1.1) * np.clip((100 - new[..., 0]) / 20, 0, 1)
        new_chroma = tone.chroma * relative * shade
        new[..., 1] = new_chroma * np.cos(np.radians(tone.hue))
        new[..., 2] = new_chroma * np.sin(np.radians(tone.hue))
    mixed = lab + (new - lab) * weights[..., None]
    rgb = cv2.cvtColor(mixed.astype(np.float32), cv2.COLOR_LAB2RGB)
    return (rgb * 255).round().clip(0, 255).astype(np.uint8)
