"""Things cut out of photos: their soft edges, and how they are laid over another photo. Pure."""

from typing import NamedTuple

import numpy as np

from ..opencv import cv2


class Cutout(NamedTuple):
    """A thing without its surroundings: (H, W, 3) of 0 to 255 and its coverage, (H, W) of 0 to 1."""

    pixels: np.ndarray
    alpha: np.ndarray


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of a mask's pixels, the last two excluded."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def foot_of(mask: np.ndarray) -> tuple[float, float]:
    """(row, column) on which a thing stands: its lowest row, the middle of its lowest tenth."""
    top, _, bottom, _ = box_of(mask)
    low = mask[bottom - max(1, (bottom - top) // 10) : bottom]
    return float(bottom), float(np.nonzero(low)[1].mean())


def largest_parts(region: np.ndarray, least: float = 0.125) -> np.ndarray:
    """The largest connected part of (H, W) of bool, and those at least `least` times as large."""
    number, labels, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8))
    if number < 2:
        return region
    areas = stats[1:, cv2.CC_STAT_AREA]
    return np.isin(labels, 1 + np.flatnonzero(areas >= areas.max() * least))


def refine_mask(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Move a hand-drawn outline to the thing's true edge by GrabCut in a band around it: (H, W) of bool."""
    top, left, bottom, right = box_of(mask)
    band = max(2, round(0.03 * np.sqrt(mask.sum())))
    margin = 4 * band
    part = np.s_[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]
    inside = mask[part].astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    marks = np.where(inside > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    marks[cv2.erode(inside, kernel) > 0] = cv2.GC_FGD
    marks[cv2.dilate(inside, kernel) == 0] = cv2.GC_BGD
    if not (marks == cv2.GC_FGD).any() or not (marks == cv2.GC_BGD).any():
        return mask
    cv2.setRNGSeed(0)
    bgr = np.ascontiguousarray(image[part][..., ::-1])
    models = np.zeros((1, 65)), np.zeros((1, 65))
    whole_image = (0, 0, bgr.shape[1], bgr.shape[0])  # not looked at: the marks say where to begin
    cv2.grabCut(bgr, marks, whole_image, *models, 3, cv2.GC_INIT_WITH_MASK)
    found = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    refined = cv2.morphologyEx(found, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    overlap = (refined & (inside > 0)).sum() / (refined | (inside > 0)).sum()
    if overlap < 0.8:  # the thing looks like what is behind it: the hand knew better
        return mask
    whole = np.zeros_like(mask)
    whole[part] = refined
    return whole


def cut_out(image: np.ndarray, mask: np.ndarray) -> Cutout:
    """Cut a thing out along its true edge; colors of the background are pushed out of the soft edge."""
    refined = largest_parts(refine_mask(image, mask))
    top, left, bottom, right = box_of(refined)
    part = np.s_[max(0, top - 3) : bottom + 3, max(0, left - 3) : right + 3]
    inside, pixels = refined[part].astype(np.uint8), image[part]
    core = cv2.erode(inside, np.ones((3, 3), np.uint8))
    if core.any():
        # Pixels of the edge are half background: they take the color of the nearest pixel that is not.
        _, labels = cv2.distanceTransformWithLabels(1 - core, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
        colors = np.zeros((labels.max() + 1, 3), np.uint8)
        colors[labels[core > 0]] = pixels[core > 0]
        pixels = np.where(core[..., None] > 0, pixels, colors[labels])
    return Cutout(pixels, np.clip(cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.9) * 1.25 - 0.25, 0, 1))


def resize_cutout(thing: Cutout, scale_y: float, scale_x: float) -> Cutout:
    """Resize by a factor down and one across."""
    size = (max(2, round(thing.alpha.shape[1] * scale_x)), max(2, round(thing.alpha.shape[0] * scale_y)))
    way = cv2.INTER_AREA if scale_x * scale_y < 1 else cv2.INTER_CUBIC
    return Cutout(
        cv2.resize(thing.pixels, size, interpolation=way),
        np.clip(
            cv2.resize(thing.alpha, size, interpolation=cv2.INTER_AREA if scale_x < 1 else cv2.INTER_LINEAR), 0, 1
        ),
    )


def lay(thing: Cutout, foot: tuple[float, float], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Stand a cut-out with its foot on (row, column) of an empty canvas.

    Returns:
        Pixels (H, W, 3) and coverage (H, W) of 0 to 1; what sticks out of the frame is lost.
    """
    pixels, alpha = np.zeros((*shape[:2], 3), np.uint8), np.zeros(shape[:2], np.float32)
    row, column = foot_of(thing.alpha > 0.5)
    top, left = round(foot[0] - row), round(foot[1] - column)
    height, width = thing.alpha.shape
    y0, x0, y1, x1 = max(0, top), max(0, left), min(shape[0], top + height), min(shape[1], left + width)
    if y0 < y1 and x0 < x1:
        pixels[y0:y1, x0:x1] = thing.pixels[y0 - top : y1 - top, x0 - left : x1 - left]
        alpha[y0:y1, x0:x1] = thing.alpha[y0 - top : y1 - top, x0 - left : x1 - left]
    return pixels, alpha


def cover(image: np.ndarray, pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """`pixels` over `image` where `alpha` says."""
    mixed = image + (pixels.astype(np.float32) - image) * alpha[..., None]
    return mixed.round().clip(0, 255).astype(np.uint8)
