"""Draw COCO's polygons and run lengths as masks, and rotate them as EXIF rotates the photo. Pure."""

from typing import Any

import numpy as np
from PIL import Image, ImageDraw


WRONG_SIZE = "the annotation is of another size than the photo"
BROKEN = "the instance's mask cannot be read"
EMPTY = "the instance's mask is empty"

# What `ImageOps.exif_transpose` does for each EXIF orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _decode_string(text: str) -> list[int]:
    """Decode the run lengths of COCO's compressed string.

    The string holds numbers in base 32 as printable characters. From the fourth run on, each number is the difference
    to the run two before. See `rleFrString` in https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c
    """
    counts: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value, shift = 0, 0
    return counts


def _draw_runs(runs: dict[str, Any], size: tuple[int, int]) -> np.ndarray | str:
    if list(runs["size"]) != [size[1], size[0]]:
        return WRONG_SIZE
    counts = runs["counts"]
    if isinstance(counts, bytes):
        counts = counts.decode("ascii")
    if isinstance(counts, str):
        counts = _decode_string(counts)
    if sum(counts) != size[0] * size[1]:
        return BROKEN
    values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return values.reshape(size[0], size[1]).T  # COCO's runs go down the columns


def draw_mask(segmentation: Any, size: tuple[int, int]) -> np.ndarray | str:
    """Draw a COCO segmentation as a mask.

    Args:
        segmentation: Polygons [[x0, y0, x1, y1, ...], ...] in pixels, or run lengths {"size": [H, W], "counts": ...}.
            The counts are a list or the string of pycocotools.
        size: (W, H) of the annotated photo, in pixels.

    Returns:
        (H, W) bool, or the reason why there is no mask.

    Example:
        >>> draw_mask([[1, 1, 3, 1, 3, 3, 1, 3]], (4, 4)).sum()
        np.int64(9)
    """
    try:
        if isinstance(segmentation, dict):
            mask = _draw_runs(segmentation, size)
            if isinstance(mask, str):
                return mask
        else:
            image = Image.new("1", size)
            for polygon in segmentation:
                ImageDraw.Draw(image).polygon([float(value) for value in polygon], fill=1, outline=1)
            mask = np.array(image)
    except (TypeError, ValueError, KeyError, OverflowError):
        return BROKEN
    return mask if mask.any() else EMPTY


def turn_mask(
    mask: np.ndarray | str, annotated: tuple[int, int], upright: tuple[int, int], orientation: int
) -> np.ndarray | str:
    """Rotate or flip a mask so that it fits the upright photo.

    An annotation of the upright photo's size needs no change. An annotation of the stored photo's size comes from a
    tool that ignores EXIF, so the mask is turned as the photo was.

    Args:
        mask: (H, W) bool of the annotated size, or a reason, which is returned unchanged.
        annotated: (W, H) in the annotation file.
        upright: (W, H) of the photo after turning.
        orientation: EXIF orientation of the stored photo, 1 to 8.

    Returns:
        (H, W) bool of the upright size, or the reason why there is no mask.
    """
    if isinstance(mask, str) or annotated == upright:
        return mask
    if orientation >= 5 and annotated == upright[::-1]:
        return np.array(Image.fromarray(mask).transpose(_TURNS[orientation]))
    return WRONG_SIZE
