"""Give a thing another color and keep its shading: only the pixels that have the named color change. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..opencv import cv2
from .cutouts import largest_parts


NOT_THAT_COLOR = "the thing does not look the color that the caption names"
PATCHY = "the color covers the thing in too small patches"

# Least and most of the mask that has the named color; beside this another part, or another thing, was meant.
WHOLE, PART, GARMENT = (0.35, 1.0), (0.15, 0.85), (0.04, 0.75)
DARK = 35.0  # lightness of a target below which a bright thing must become dark to be called so
BEYOND_SKIN = {"pink": 34.0, "orange": 48.0}  # least chroma of a garment that captions call so and no skin has


class _Tone(NamedTuple):
    """A color in CIE L*a*b*: lightness 0 to 100, chroma, hue in degrees; `hue` is None for grays."""

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
# Which pixels are called so: (lowest, highest lightness), (lowest, highest chroma), (hue, half width in degrees).
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
    """1 between `low` and `high`, falling to 0 within `width` outside."""
    return np.clip(1 - np.maximum(low - value, value - high) / width, 0, 1)


def color_weights(image: np.ndarray, color: str, least_chroma: float = 0) -> np.ndarray | None:
    """How much each pixel of an (H, W, 3) photo is what captions call `color`: (H, W) of 0 to 1; None if unknown."""
    if color not in _RANGES:
        return None
    lightness_range, chroma_range, hue_range = _RANGES[color]
    lab = cv2.GaussianBlur(_to_lab(image), (0, 0), 1.2)  # one noisy pixel does not make another color
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    low, high = max(least_chroma, chroma_range[0]), chroma_range[1]
    weights = _soft(lab[..., 0], *lightness_range, 10) * _soft(chroma, low, high, 6)
    if hue_range:
        hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1]))
        away = np.abs((hue - hue_range[0] + 180) % 360 - 180)
        weights *= np.clip(1 - (away - hue_range[1]) / 12, 0, 1)
    return weights.astype(np.float32)


def find_colored(
    image: np.ndarray, mask: np.ndarray, color: str, shares: tuple[float, float] = WHOLE
) -> np.ndarray | str:
    """The part of a thing that has the color that the caption gives it.

    Args:
        image: (H, W, 3) of 0 to 255.
        mask: (H, W) of bool, the thing; for a garment the person.
        color: A name of the vocabulary.
        shares: Least and most of the mask that may have the color: `WHOLE`, `PART` or `GARMENT`.

    Returns:
        Weights (H, W) of 0 to 1, or why there are none.
    """
    weights = color_weights(image, color, BEYOND_SKIN.get(color, 0) if shares == GARMENT else 0)
    if weights is None:
        return NOT_THAT_COLOR
    # Outlines drawn by hand leave a rim of the old color.
    reach = 0 if shares == GARMENT else int(np.clip(np.sqrt(mask.sum()) / 40, 1, 6))
    near = cv2.dilate(mask.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    weights = weights * near
    region = weights > 0.5
    share = (region & mask).sum() / mask.sum()
    if not shares[0] <= share <= shares[1]:
        return NOT_THAT_COLOR
    # Glints, seams and shadows inside the colored part belong to it; lettering and windows are larger.
    size = max(3, int(np.sqrt(mask.sum()) / 24) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    closed = cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_CLOSE, kernel) > 0
    opened = cv2.morphologyEx(closed.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    kept = _one_garment(opened & near, mask) if shares == GARMENT else largest_parts(opened & near)
    if kept.sum() < (0.3 if shares == GARMENT else 0.5) * region.sum():
        return PATCHY
    return cv2.GaussianBlur(np.maximum(kept.astype(np.float32), weights * kept), (0, 0), 0.8) * near


def _ball(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def _one_garment(region: np.ndarray, person: np.ndarray) -> np.ndarray:
    """The largest part and large ones close to it, as a sleeve is; a cap or a beard of a shirt's color is neither."""
    unit = np.sqrt(person.sum())
    thin = _ball(max(1, round(0.01 * unit)))
    core = cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_OPEN, thin)  # cuts thin bridges between parts
    near = cv2.dilate(largest_parts(core > 0, 1.0).astype(np.uint8), _ball(max(2, round(0.06 * unit)))) > 0
    _, labels = cv2.connectedComponents(largest_parts(core > 0, 0.1).astype(np.uint8))
    kept = np.isin(labels, np.setdiff1d(np.unique(labels[near]), 0))
    return (cv2.dilate(kept.astype(np.uint8), thin) > 0) & region


def recolor(image: np.ndarray, weights: np.ndarray, target: str) -> np.ndarray:
    """Move the weighted pixels to a color: mean lightness and chroma become the target's, shading stays.

    Args:
        image: (H, W, 3) of 0 to 255.
        weights: (H, W) of 0 to 1.
        target: A key of `TARGETS`.
    """
    tone = TARGETS[target]
    lab = _to_lab(image)
    inside = weights > 0.5
    lightness = lab[..., 0]
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    mean, spread = float(lightness[inside].mean()), float(lightness[inside].std()) + 1e-6
    # What is lit strongly stays brighter than usual for the color, what is in the shade darker.
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
