"""Cut objects out of photos with soft edges, and composite them onto other photos. Pure."""

from typing import NamedTuple

import numpy as np

from ..masks.regions import bounding_box, ground_point, largest_components
from ..opencv import cv2


MIN_OVERLAP = 0.8  # intersection over union of the refined and the annotated mask


class Cutout(NamedTuple):
    """An object without its background.

    Attributes:
        pixels: (H, W, 3) uint8, RGB.
        alpha: (H, W) float32 opacity, 0 (transparent) to 1 (opaque).
    """

    pixels: np.ndarray
    alpha: np.ndarray


def refine_mask(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Move a hand-drawn outline to the object's true edge.

    GrabCut decides on the pixels in a narrow band around the outline.

    Args:
        image: (H, W, 3) uint8, RGB.
        mask: (H, W) bool, the annotated mask.

    Returns:
        (H, W) bool. It is `mask` itself where GrabCut disagrees strongly with the annotation.

    Reference:
        Rother et al. 2004, GrabCut, https://doi.org/10.1145/1015706.1015720
    """
    top, left, bottom, right = bounding_box(mask)
    band = max(2, round(0.03 * np.sqrt(mask.sum())))
    margin = 4 * band
    part = np.s_[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]
    inside = mask[part].astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    labels = np.where(inside > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[cv2.erode(inside, kernel) > 0] = cv2.GC_FGD
    labels[cv2.dilate(inside, kernel) == 0] = cv2.GC_BGD
    if not (labels == cv2.GC_FGD).any() or not (labels == cv2.GC_BGD).any():
        return mask
    cv2.setRNGSeed(0)
    bgr = np.ascontiguousarray(image[part][..., ::-1])
    models = np.zeros((1, 65)), np.zeros((1, 65))
    rectangle = (0, 0, bgr.shape[1], bgr.shape[0])  # GrabCut ignores it, because the labels initialize it
    cv2.grabCut(bgr, labels, rectangle, *models, 3, cv2.GC_INIT_WITH_MASK)
    foreground = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    refined = cv2.morphologyEx(foreground, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    overlap = (refined & (inside > 0)).sum() / (refined | (inside > 0)).sum()
    if overlap < MIN_OVERLAP:  # the object looks like its background, so the annotation is the better guide
        return mask
    whole = np.zeros_like(mask)
    whole[part] = refined
    return whole


def cut_out(image: np.ndarray, mask: np.ndarray) -> Cutout:
    """Cut an object out along its true edge, without a halo of background colors.

    Args:
        image: (H, W, 3) uint8, RGB.
        mask: (H, W) bool, the object.
    """
    refined = largest_components(refine_mask(image, mask))
    top, left, bottom, right = bounding_box(refined)
    part = np.s_[max(0, top - 3) : bottom + 3, max(0, left - 3) : right + 3]
    inside, pixels = refined[part].astype(np.uint8), image[part]
    core = cv2.erode(inside, np.ones((3, 3), np.uint8))
    if core.any():
        # Edge pixels mix object and background: each takes the color of the nearest pixel inside the object.
        _, labels = cv2.distanceTransformWithLabels(1 - core, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
        colors = np.zeros((labels.max() + 1, 3), np.uint8)
        colors[labels[core > 0]] = pixels[core > 0]
        pixels = np.where(core[..., None] > 0, pixels, colors[labels])
    return Cutout(pixels, np.clip(cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.9) * 1.25 - 0.25, 0, 1))


def resize_cutout(cutout: Cutout, scale_y: float, scale_x: float) -> Cutout:
    """Resize a cutout: its height by the factor `scale_y`, its width by `scale_x`."""
    size = (max(2, round(cutout.alpha.shape[1] * scale_x)), max(2, round(cutout.alpha.shape[0] * scale_y)))
    for_pixels = cv2.INTER_AREA if scale_x * scale_y < 1 else cv2.INTER_CUBIC
    for_alpha = cv2.INTER_AREA if scale_x < 1 else cv2.INTER_LINEAR
    return Cutout(
        cv2.resize(cutout.pixels, size, interpolation=for_pixels),
        np.clip(cv2.resize(cutout.alpha, size, interpolation=for_alpha), 0, 1),
    )


def place_cutout(cutout: Cutout, position: tuple[float, float], shape: tuple[int, ...]) -> Cutout:
    """Place a cutout on an empty canvas so that its ground point lies at `position`.

    Args:
        cutout: The object.
        position: (row, column) in pixels of the canvas.
        shape: The canvas's (H, W, ...).

    Returns:
        A cutout of the canvas's size. Parts that lie outside the canvas are lost.
    """
    pixels, alpha = np.zeros((*shape[:2], 3), np.uint8), np.zeros(shape[:2], np.float32)
    row, column = ground_point(cutout.alpha > 0.5)
    top, left = round(position[0] - row), round(position[1] - column)
    height, width = cutout.alpha.shape
    y0, x0, y1, x1 = max(0, top), max(0, left), min(shape[0], top + height), min(shape[1], left + width)
    if y0 < y1 and x0 < x1:
        pixels[y0:y1, x0:x1] = cutout.pixels[y0 - top : y1 - top, x0 - left : x1 - left]
        alpha[y0:y1, x0:x1] = cutout.alpha[y0 - top : y1 - top, x0 - left : x1 - left]
    return Cutout(pixels, alpha)


def composite(background: np.ndarray, foreground: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Blend a foreground over a background.

    Args:
        background: (H, W, 3) uint8.
        foreground: (H, W, 3) uint8.
        alpha: (H, W) opacity of the foreground, 0 to 1.

    Returns:
        (H, W, 3) uint8.
    """
    mixed = background + (foreground.astype(np.float32) - background) * alpha[..., None]
    return mixed.round().clip(0, 255).astype(np.uint8)
