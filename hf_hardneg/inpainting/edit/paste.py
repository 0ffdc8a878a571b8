"""Paste an edit back into its photo: outside the feathered mask every byte stays the photo's. Pure."""

import numpy as np
from PIL import Image, ImageFilter


FEATHER = 1.2  # pixels of Gaussian blur at the mask's edge: as soft as the edges in photos, too narrow to see


def feather(mask: np.ndarray) -> np.ndarray:
    """Soften the edge of a mask.

    Args:
        mask: (H, W) bool.

    Returns:
        Weights (H, W) uint8, 0 to 255. The soft edge reaches a few pixels outside the mask.
    """
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.array(image.filter(ImageFilter.GaussianBlur(FEATHER)))


def paste_back(photo: np.ndarray, edited: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Blend an edit over its photo. Where a weight is 0, the result has exactly the photo's bytes.

    Args:
        photo: (H, W, 3) uint8.
        edited: (H, W, 3) uint8.
        weights: (H, W) uint8; 0 keeps the photo, 255 takes the edit.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: If heights or widths differ.
    """
    if photo.shape != edited.shape or photo.shape[:2] != weights.shape:
        raise ValueError(
            f"Photo, edit and mask must be of one size: got {photo.shape}, {edited.shape} and {weights.shape}; "
            "let the editor return the size that it was given."
        )
    share = weights[..., None].astype(np.float32) / 255
    mixed = photo + (edited.astype(np.float32) - photo) * share
    return np.where(weights[..., None] == 0, photo, mixed.round().clip(0, 255).astype(np.uint8))


def changed_mask(photo: np.ndarray, edited: np.ndarray) -> np.ndarray:
    """Mark the pixels in which two photos differ, and close gaps of one pixel.

    The stored mask is made from the result, because an editor often changes less than it was allowed to.

    Args:
        photo: (H, W, 3) uint8.
        edited: (H, W, 3) uint8.

    Returns:
        (H, W) uint8, 0 or 255.
    """
    differs = Image.fromarray((photo != edited).any(axis=2).astype(np.uint8) * 255)
    return np.array(differs.filter(ImageFilter.MaxFilter(3)).filter(ImageFilter.MinFilter(3)))
