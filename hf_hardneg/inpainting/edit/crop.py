"""The square around a thing that an inpainting model sees, and how its result gets back into the photo. Pure."""

from typing import NamedTuple

import numpy as np

from .cutouts import box_of


CONTEXT = 0.25  # of the thing's longer side that is seen on each side of it
MIN_SIDE = 128  # pixels; scaled to a model's 512, less of the photo is only a blur


class Crop(NamedTuple):
    """A square of a photo, in pixels; it may reach beyond the frame where the photo is not as high or wide."""

    top: int
    left: int
    side: int


def crop_around(mask: np.ndarray) -> Crop:
    """The square around a mask, (H, W) of bool with at least one True, with context, within the frame if it fits.

    Examples:
        >>> mask = np.zeros((300, 400), bool)
        >>> mask[:200, 100:300] = True
        >>> crop_around(mask)
        Crop(top=0, left=50, side=300)
    """
    top, left, bottom, right = box_of(mask)
    longer = max(bottom - top, right - left)
    side = min(max(MIN_SIDE, round(longer * (1 + 2 * CONTEXT))), max(mask.shape))
    height, width = mask.shape
    return Crop(_start(top, bottom, side, height), _start(left, right, side, width), side)


def _start(low: int, high: int, side: int, size: int) -> int:
    """Where `side` pixels around `low:high` begin: within a frame of `size`, or around it where they do not fit."""
    return min(max(0, (low + high - side) // 2), size - side) if side <= size else (size - side) // 2


def take_crop(pixels: np.ndarray, crop: Crop) -> np.ndarray:
    """The square of a photo, (H, W, 3), mirrored beyond the frame, or of a mask, (H, W), empty there."""
    top, left, side = crop
    height, width = pixels.shape[:2]
    rows = (max(0, -top), max(0, top + side - height))
    columns = (max(0, -left), max(0, left + side - width))
    part = pixels[max(0, top) : top + side, max(0, left) : left + side]
    if pixels.ndim == 2:
        return np.pad(part, (rows, columns))
    return np.pad(part, (rows, columns, (0, 0)), mode="reflect")


def put_back(photo: np.ndarray, square: np.ndarray, crop: Crop) -> np.ndarray:
    """The photo, (H, W, 3), with the pixels of the crop replaced by those of `square`, (side, side, 3)."""
    top, left, side = crop
    rows = slice(max(0, top), min(photo.shape[0], top + side))
    columns = slice(max(0, left), min(photo.shape[1], left + side))
    result = photo.copy()
    result[rows, columns] = square[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return result
