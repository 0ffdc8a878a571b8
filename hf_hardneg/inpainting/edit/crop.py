"""Crop the square around an object for an inpainting model, and put the model's result back. Pure."""

from typing import NamedTuple

import numpy as np

from ..masks.regions import bounding_box


CONTEXT = 0.25  # share of the object's longer side that the crop adds on each side of it
MIN_SIDE = 128  # pixels; a smaller crop, scaled up to a model's 512 pixels, is only a blur


class Crop(NamedTuple):
    """A square of a photo, in pixels. It reaches beyond the frame where the photo is too low or too narrow for it."""

    top: int
    left: int
    side: int


def crop_around(mask: np.ndarray) -> Crop:
    """Return the square around an object, with context. It lies within the frame if it fits.

    Args:
        mask: (H, W) bool with at least one True pixel.

    Example:
        >>> mask = np.zeros((300, 400), bool)
        >>> mask[:200, 100:300] = True
        >>> crop_around(mask)
        Crop(top=0, left=50, side=300)
    """
    top, left, bottom, right = bounding_box(mask)
    longer = max(bottom - top, right - left)
    side = min(max(MIN_SIDE, round(longer * (1 + 2 * CONTEXT))), max(mask.shape))
    height, width = mask.shape
    return Crop(_start(top, bottom, side, height), _start(left, right, side, width), side)


def _start(low: int, high: int, side: int, size: int) -> int:
    """Return where a crop of `side` pixels around `low:high` begins in a frame of `size` pixels."""
    return min(max(0, (low + high - side) // 2), size - side) if side <= size else (size - side) // 2


def take_crop(pixels: np.ndarray, crop: Crop) -> np.ndarray:
    """Cut the square out. Beyond the frame a photo is mirrored and a mask is empty.

    Args:
        pixels: A photo, (H, W, 3) uint8, or a mask, (H, W) bool.
        crop: Of `crop_around`.

    Returns:
        (side, side, 3) or (side, side).
    """
    top, left, side = crop
    height, width = pixels.shape[:2]
    rows = (max(0, -top), max(0, top + side - height))
    columns = (max(0, -left), max(0, left + side - width))
    part = pixels[max(0, top) : top + side, max(0, left) : left + side]
    if pixels.ndim == 2:
        return np.pad(part, (rows, columns))
    return np.pad(part, (rows, columns, (0, 0)), mode="reflect")


def put_back(photo: np.ndarray, square: np.ndarray, crop: Crop) -> np.ndarray:
    """Return a copy of the photo, (H, W, 3), in which `square`, (side, side, 3), replaces the crop."""
    top, left, side = crop
    rows = slice(max(0, top), min(photo.shape[0], top + side))
    columns = slice(max(0, left), min(photo.shape[1], left + side))
    result = photo.copy()
    result[rows, columns] = square[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return result
