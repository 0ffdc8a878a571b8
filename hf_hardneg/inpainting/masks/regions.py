"""Measure and change binary masks: bounding box, ground point, components, dilation and contact. Pure."""

import numpy as np

from ..opencv import cv2


def bounding_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Return the bounding box of a mask.

    Args:
        mask: (H, W) bool with at least one True pixel.

    Returns:
        (top, left, bottom, right) in pixels. `bottom` and `right` lie just outside the mask, as in a slice.

    Example:
        >>> mask = np.zeros((5, 6), bool)
        >>> mask[1:3, 2:6] = True
        >>> bounding_box(mask)
        (1, 2, 3, 6)
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def ground_point(mask: np.ndarray) -> tuple[float, float]:
    """Return the point on which an object stands.

    Args:
        mask: (H, W) bool with at least one True pixel.

    Returns:
        (row, column) in pixels: the bottom of the bounding box, and the mean column of the lowest tenth of the mask.
    """
    top, _, bottom, _ = bounding_box(mask)
    low = mask[bottom - max(1, (bottom - top) // 10) : bottom]
    return float(bottom), float(np.nonzero(low)[1].mean())


def largest_components(mask: np.ndarray, min_share: float = 0.125) -> np.ndarray:
    """Keep the largest connected component of a mask, and every component of nearly its size.

    Args:
        mask: (H, W) bool.
        min_share: The smallest area that is kept, as a share (0 to 1) of the largest area.

    Returns:
        (H, W) bool.
    """
    number, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if number < 2:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA]
    return np.isin(labels, 1 + np.flatnonzero(areas >= areas.max() * min_share))


def dilate_mask(mask: np.ndarray, radius: int) -> np.ndarray:
    """Grow a mask, (H, W) bool, by `radius` pixels in all directions."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel) > 0


def outline_tolerance(mask: np.ndarray) -> int:
    """Return how far a hand-drawn outline of this object may be off, in pixels: 3 to 9, more for larger objects."""
    return int(np.clip(np.sqrt(mask.sum()) / 22, 3, 9))


def contact_share(mask: np.ndarray, others: np.ndarray) -> float:
    """Return the share (0 to 1) of an object's outline along which other objects begin.

    Args:
        mask: (H, W) bool, the object.
        others: (H, W) bool, the other objects.
    """
    outline = dilate_mask(mask, 2) & ~mask
    return float((outline & dilate_mask(others & ~mask, 2)).sum() / max(1, outline.sum()))
