"""Make an object larger or smaller, with its ground point fixed. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..masks.regions import bounding_box, contact_share, dilate_mask, ground_point, outline_tolerance
from ..opencv import cv2
from .cutouts import composite, cut_out, place_cutout, resize_cutout
from .patch_fill import fill_hole
from .task import Edit, EditTask


NO_FACTOR = "the classical editor has no such size"
CUT_OFF = "the frame cuts the thing off"
NO_ROOM = "the frame has no room for a larger thing"
COVERS = "it would cover another thing"
TOUCHED = "another thing touches or covers it"
BUSY = "the surroundings are too busy to be continued"

# Factors of width and height by the new word. People call an object small or large long before it has twice the size.
FACTORS: Mapping[str, float] = {
    "large": 1.6, "big": 1.6, "huge": 1.9, "giant": 1.9, "enormous": 1.9, "massive": 1.9,
    "small": 0.5, "little": 0.5, "tiny": 0.35, "miniature": 0.3, "mini": 0.35,
}  # fmt: skip
MIN_GROWTH = 1.35  # people do not see less growth as a change of size
MAX_COVERED = 0.05  # share of the object's area that may overlap other objects
MAX_CONTACT = 0.25  # share of the object's outline along which others may begin
MAX_EDGE_DENSITY = 0.12  # share of edge pixels around the object, above which people notice a filled hole


def edge_density(photo: np.ndarray, mask: np.ndarray) -> float:
    """Return the share (0 to 1) of Canny edge pixels in a ring around an object: how busy its surroundings are.

    Args:
        photo: (H, W, 3) uint8, RGB.
        mask: (H, W) bool, the object. The ring is as wide as a third of the square root of its area.
    """
    ring = dilate_mask(mask, max(6, int(np.sqrt(mask.sum()) / 3))) & ~dilate_mask(mask, 4)
    gray = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), (0, 0), 1.2)
    return float((cv2.Canny(gray, 40, 100) > 0)[ring].mean()) if ring.any() else 1.0


def _growth(mask: np.ndarray, wanted: float) -> float | str:
    """Return the largest factor up to `wanted` that fits the frame, or the reason why there is none."""
    top, left, bottom, right = bounding_box(mask)
    height, width = mask.shape
    if top <= 1 or left <= 1 or right >= width - 1:
        return CUT_OFF
    row, column = ground_point(mask)
    limits = [row / (row - top), column / max(1.0, column - left), (width - column) / max(1.0, right - column)]
    factor = min(wanted, *(0.98 * limit for limit in limits))
    return factor if factor >= MIN_GROWTH else NO_ROOM


class Rescaled(NamedTuple):
    """An object in its new size, on a canvas of the photo's size.

    Attributes:
        pixels: (H, W, 3) uint8, the object at its new place, black elsewhere.
        alpha: (H, W) opacity of the object, 0 to 1.
        hole: (H, W) bool, all pixels that showed the old object, even those that the new one covers.
        factor: Of width and height.
    """

    pixels: np.ndarray
    alpha: np.ndarray
    hole: np.ndarray
    factor: float


def resize_in_place(task: EditTask) -> Rescaled | str:
    """Give the object the size that the new word means, and keep its ground point.

    Returns:
        The object in its new size, or the reason why it cannot have that size.
    """
    photo, mask, others = task.photo, task.mask, task.others & ~task.mask
    if task.proposal.new not in FACTORS:
        return NO_FACTOR
    factor: float | str = FACTORS[task.proposal.new]
    top, left, _, right = bounding_box(mask)
    if FACTORS[task.proposal.new] > 1:
        factor = _growth(mask, FACTORS[task.proposal.new])
    elif min(top, left, mask.shape[1] - right) <= 1:
        factor = CUT_OFF
    if isinstance(factor, str):
        return factor
    if contact_share(mask, others) > MAX_CONTACT:
        return TOUCHED
    cutout = resize_cutout(cut_out(photo, mask), factor, factor)
    pixels, alpha = place_cutout(cutout, ground_point(mask), photo.shape)
    if (others & (alpha > 0.5)).sum() > MAX_COVERED * (alpha > 0.5).sum():
        return COVERS
    return Rescaled(pixels, alpha, dilate_mask(mask, outline_tolerance(mask)) & ~others, factor)


def rescale_object(task: EditTask) -> Edit | str:
    """Rescale the object and fill the uncovered background with patches of its surroundings.

    Returns:
        The edit, or the reason why there is none.
    """
    rescaled = resize_in_place(task)
    if isinstance(rescaled, str):
        return rescaled
    pixels, alpha, hole, factor = rescaled
    if factor > 1:
        hole = hole & (alpha < 0.99)
    elif edge_density(task.photo, task.mask) > MAX_EDGE_DENSITY:
        return BUSY
    background: np.ndarray | str = task.photo
    if (hole & (alpha < 0.99)).any():
        background = fill_hole(task.photo, hole, ~(task.others | task.mask), np.random.default_rng(task.seed))
    if isinstance(background, str):
        return background
    return Edit(composite(background, pixels, alpha), hole | (alpha > 0), {"factor": round(factor, 3)})
