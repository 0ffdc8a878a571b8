"""The outlines of masks: growing them, what touches them, and how exact they are. Pure."""

import numpy as np

from ..opencv import cv2


def dilate(mask: np.ndarray, radius: int) -> np.ndarray:
    """A mask grown by `radius` pixels."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel) > 0


def contact_share(mask: np.ndarray, others: np.ndarray) -> float:
    """The share of a thing's outline at which other things begin."""
    outline = dilate(mask, 2) & ~mask
    return float((outline & dilate(others & ~mask, 2)).sum() / max(1, outline.sum()))


def edge_density(photo: np.ndarray, mask: np.ndarray) -> float:
    """The share of edge pixels in a ring around a thing, as wide as a third of it."""
    ring = dilate(mask, max(6, int(np.sqrt(mask.sum()) / 3))) & ~dilate(mask, 4)
    gray = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), (0, 0), 1.2)
    return float((cv2.Canny(gray, 40, 100) > 0)[ring].mean()) if ring.any() else 1.0


def outline_error(mask: np.ndarray) -> int:
    """How far an outline drawn by hand misses a thing of this size, in pixels."""
    return int(np.clip(np.sqrt(mask.sum()) / 22, 3, 9))
