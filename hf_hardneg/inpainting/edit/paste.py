"""Put an edit back into its photo: outside the feathered mask every byte stays the photo's. Pure."""

import numpy as np
from PIL import Image, ImageFilter


FEATHER = 1.2  # pixels of Gaussian blur at the mask's edge: as soft as edges in photos, too thin to show the photo


def feather(mask: np.ndarray) -> np.ndarray:
    """Weights of an edit, (H, W) of 0 to 255: `mask` (bool) with a soft edge that reaches a few pixels outside it."""
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.array(image.filter(ImageFilter.GaussianBlur(FEATHER)))


def paste_back(photo: np.ndarray, edited: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Blend `edited` over `photo`, both (H, W, 3) of 0 to 255, by `weights` (H, W) of 0 to 255.

    Where a weight is 0 the result is the photo's bytes.

    Raises:
        ValueError: If the three do not have one height and width.
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
    """Where two photos (H, W, 3) differ, gaps of a pixel closed: (H, W) of 0 or 255.

    Blending reaches further than what it changes: a recolored thing ends where its color did.
    """
    differs = Image.fromarray((photo != edited).any(axis=2).astype(np.uint8) * 255)
    return np.array(differs.filter(ImageFilter.MaxFilter(3)).filter(ImageFilter.MinFilter(3)))
