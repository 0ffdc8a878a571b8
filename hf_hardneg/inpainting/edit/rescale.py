"""Make a thing larger or smaller about the point on which it stands. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..masks.outlines import contact_share, dilate, edge_density, outline_error
from .cutouts import box_of, cover, cut_out, foot_of, lay, resize_cutout
from .patch_fill import fill_hole
from .task import Edit, EditTask


NO_FACTOR = "the classical editor has no such size"
CUT_OFF = "the frame cuts the thing off"
NO_ROOM = "the frame has no room for a larger thing"
COVERS = "it would cover another thing"
TOUCHED = "another thing touches or covers it"
BUSY = "the surroundings are too busy to be continued"

# Factors of width and height by the new word: people call a thing small or large well before twice the size.
FACTORS: Mapping[str, float] = {
    "large": 1.6, "big": 1.6, "huge": 1.9, "giant": 1.9, "enormous": 1.9, "massive": 1.9,
    "small": 0.5, "little": 0.5, "tiny": 0.35, "miniature": 0.3, "mini": 0.35,
}  # fmt: skip
LEAST_GROWTH = 1.35  # less is not seen as a change of size
MAX_COVERED = 0.05  # of the thing's area, that may lie over or under others
MAX_CONTACT = 0.25  # of its outline
MAX_EDGES = 0.12  # share of edge pixels around it above which a filled hole is seen


def _growth(mask: np.ndarray, wanted: float) -> float | str:
    """The factor that fits the frame, or why there is none."""
    top, left, bottom, right = box_of(mask)
    height, width = mask.shape
    if top <= 1 or left <= 1 or right >= width - 1:
        return CUT_OFF
    row, column = foot_of(mask)
    room = [row / (row - top), column / max(1.0, column - left), (width - column) / max(1.0, right - column)]
    factor = min(wanted, *(0.98 * one for one in room))
    return factor if factor >= LEAST_GROWTH else NO_ROOM


class Rescaled(NamedTuple):
    """A thing in its new size.

    Attributes:
        pixels: (H, W, 3) of the photo's size, with the thing in its place.
        alpha: (H, W) of 0 to 1, its coverage.
        hole: (H, W) of bool, all that showed the old thing, also where the new one covers it.
        factor: Of width and height.
    """

    pixels: np.ndarray
    alpha: np.ndarray
    hole: np.ndarray
    factor: float


def place_rescaled(task: EditTask) -> Rescaled | str:
    """The thing in the size that its new word means, on its foot point, or why it cannot be so large or small."""
    photo, mask, others = task.photo, task.mask, task.others & ~task.mask
    if task.proposal.new not in FACTORS:
        return NO_FACTOR
    factor: float | str = FACTORS[task.proposal.new]
    top, left, _, right = box_of(mask)
    if FACTORS[task.proposal.new] > 1:
        factor = _growth(mask, FACTORS[task.proposal.new])
    elif min(top, left, mask.shape[1] - right) <= 1:
        factor = CUT_OFF
    if isinstance(factor, str):
        return factor
    if contact_share(mask, others) > MAX_CONTACT:
        return TOUCHED
    thing = resize_cutout(cut_out(photo, mask), factor, factor)
    pixels, alpha = lay(thing, foot_of(mask), photo.shape)
    if (others & (alpha > 0.5)).sum() > MAX_COVERED * (alpha > 0.5).sum():
        return COVERS
    return Rescaled(pixels, alpha, dilate(mask, outline_error(mask)) & ~others, factor)


def rescale(task: EditTask) -> Edit | str:
    """Rescale the thing by what its new size word means; what it uncovers is filled with patches."""
    placed = place_rescaled(task)
    if isinstance(placed, str):
        return placed
    pixels, alpha, hole, factor = placed
    if factor > 1:
        hole = hole & (alpha < 0.99)
    elif edge_density(task.photo, task.mask) > MAX_EDGES:
        return BUSY
    ground: np.ndarray | str = task.photo
    if (hole & (alpha < 0.99)).any():
        ground = fill_hole(task.photo, hole, ~(task.others | task.mask), np.random.default_rng(task.seed))
    if isinstance(ground, str):
        return ground
    return Edit(cover(ground, pixels, alpha), hole | (alpha > 0), {"factor": round(factor, 3)})
