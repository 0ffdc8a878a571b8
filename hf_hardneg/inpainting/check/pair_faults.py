"""Find faults in a pair of any set with InpaintCOCO's columns. Each fault has a reason. Pure."""

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from ...data.photos import image_problem, open_photo, photo_source, read_photo
from ...lexicon.concepts import CONCEPTS
from ...lexicon.words import split_words


EMPTY_COCO, EMPTY_INPAINT = "coco_caption is empty", "inpaint_caption is empty"
EQUAL_CAPTIONS = "the captions are equal"
MANY_SPANS = "the captions differ in more than one place"
UNKNOWN_CONCEPT = f"the concept is none of {', '.join(CONCEPTS)}"
EMPTY_MASK, LARGE_MASK = "the mask marks next to nothing", "the mask covers more than 30 %"
OTHER_SIZE = "photo, edit and mask are not of one size"
UNCHANGED = "nothing changed inside the mask"
ALTERED_OUTSIDE = "pixels outside the mask are not the photo's"
CHANGED_OUTSIDE = "something is visibly different outside the mask"
SAME_PAIR = "the same photo with the same captions came before"
SAME_EDIT = "the same edited image came before"

# This fault alone does not make a pair bad. Every pair of InpaintCOCO has it, because its photos went through an
# autoencoder.
TOLERATED = frozenset({ALTERED_OUTSIDE})

WHITE = 127  # a pixel is inside the mask if any channel is above it, as InpaintCOCO's readers have it
MAX_AREA = 0.3  # share of the photo; a larger mask covers more than one object (530 masks of InpaintCOCO do)
MIN_AREA = 0.001  # share of the photo: 7 x 7 of the 224 x 224 pixels that CLIP sees, half a patch
MIN_INSIDE = 2.0  # mean absolute difference, 0 to 255; saving a photo as JPEG again gives as much
MAX_OUTSIDE = (
    25.0  # mean absolute difference, 0 to 255; InpaintCOCO's autoencoder gives 4 to 21, more is another photo
)
# A block whose mean color moves by more than MAX_SHIFT shows something else. An autoencoder or JPEG changes single
# pixels as much, but the changes cancel out over a block: on 30 COCO photos, JPEG of quality 10 and a quarter of the
# resolution (mean differences of 5 to 18, as in InpaintCOCO) move no block by more than 14.
BLOCK, MAX_SHIFT = 16, 24.0
IMAGES = ("coco_image", "inpaint_image", "mask")


class Difference(NamedTuple):
    """The difference between a photo and its edit, in gray levels of 0 to 255.

    Attributes:
        area: Share of the photo inside the mask, 0 to 1.
        inside: Mean absolute difference inside the mask.
        outside: Mean absolute difference outside, where the mask is black.
        outside_max: Largest absolute difference outside.
        outside_share: Share of the pixels outside that differ at all, 0 to 1.
        shift: Largest change of the mean color of a block of `BLOCK` x `BLOCK` pixels outside.
    """

    area: float
    inside: float
    outside: float
    outside_max: int
    outside_share: float
    shift: float


def measure_difference(photo: np.ndarray, edit: np.ndarray, mask: np.ndarray) -> Difference:
    """Measure the difference between a photo and its edit.

    Args:
        photo: (H, W, 3) uint8.
        edit: (H, W, 3) uint8.
        mask: (H, W) uint8, or (H, W, C) uint8, of which the largest channel counts.

    Example:
        >>> photo, mask = np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), np.uint8)
        >>> edit = photo.copy()
        >>> mask[:16, :16], edit[:16, :16] = 255, 60
        >>> measure_difference(photo, edit, mask)[:4]
        (0.25, 60.0, 0.0, 0)
    """
    mask = mask.max(axis=2) if mask.ndim == 3 else mask
    signed = edit.astype(np.int16) - photo
    absolute = np.abs(signed)
    inside, outside = mask > WHITE, mask == 0
    of_outside = absolute[outside]
    height, width = (size // BLOCK * BLOCK for size in mask.shape)
    blocks = signed[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3).mean(axis=(1, 3))
    free = outside[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).all(axis=(1, 3))
    return Difference(
        area=float(inside.mean()),
        inside=float(absolute[inside].mean()) if inside.any() else 0.0,
        outside=float(of_outside.mean()) if len(of_outside) else 0.0,
        outside_max=int(of_outside.max(initial=0)),
        outside_share=float((of_outside > 0).any(axis=1).mean()) if len(of_outside) else 0.0,
        shift=float(np.abs(blocks[free]).max(initial=0)),
    )


def count_spans(one: str, other: str) -> int:
    """Count the places in which two captions differ, word by word.

    Example:
        >>> count_spans("A red bus on a road", "An orange bus on a road"), count_spans("A red bus", "One red car")
        (1, 2)
    """
    words = SequenceMatcher(None, split_words(one), split_words(other), autojunk=False)
    return sum(kind != "equal" for kind, *_ in words.get_opcodes())


def caption_faults(concept: str | None, coco_caption: str | None, inpaint_caption: str | None) -> list[str]:
    """Return the faults of a pair's concept and captions."""
    old, new = (" ".join((text or "").lower().split()) for text in (coco_caption, inpaint_caption))
    reasons = [reason for text, reason in ((old, EMPTY_COCO), (new, EMPTY_INPAINT)) if not text]
    if old and new and old == new:
        reasons.append(EQUAL_CAPTIONS)
    elif old and new and count_spans(old, new) > 1:
        reasons.append(MANY_SPANS)
    return reasons if concept in CONCEPTS else [*reasons, UNKNOWN_CONCEPT]


def difference_faults(difference: Difference) -> list[str]:
    """Return the faults of a mask and of the pixels inside and outside it."""
    if difference.area < MIN_AREA:
        return [EMPTY_MASK]  # the whole edit is outside an empty mask, so the other faults would follow from this one
    reasons = [LARGE_MASK] if difference.area > MAX_AREA else []
    if difference.outside > MAX_OUTSIDE or difference.shift > MAX_SHIFT:
        reasons.append(CHANGED_OUTSIDE)
    elif difference.inside <= difference.outside:
        return [*reasons, UNCHANGED]  # the inside changed no more than the rest
    elif difference.outside_max:
        reasons.append(ALTERED_OUTSIDE)
    return [*reasons, UNCHANGED] if difference.inside < MIN_INSIDE else reasons


def image_faults(images: Mapping[str, Mapping[str, Any] | None]) -> tuple[list[str], Difference | None]:
    """Return the faults of a pair's images, and their difference if they can be compared.

    Args:
        images: The three `IMAGES` as `datasets.Image(decode=False)` gives them: {"bytes": ..., "path": ...}.
    """
    problems = {name: image_problem(images.get(name)) for name in IMAGES}
    reasons = [f"{name}: {problem}" for name, problem in problems.items() if problem]
    if reasons:
        return reasons, None
    photo, edit = (np.array(open_photo(photo_source(images[name]))) for name in IMAGES[:2])
    mask = _decode_mask(images["mask"])
    if not photo.shape == edit.shape == (*mask.shape[:2], 3):
        return [OTHER_SIZE], None
    difference = measure_difference(photo, edit, mask)
    return difference_faults(difference), difference


def _decode_mask(image: Mapping[str, Any] | None) -> np.ndarray:
    """Return the upright pixels of a mask with its color channels."""
    return read_photo(photo_source(image), _mask_pixels)


def _mask_pixels(mask: Image.Image) -> np.ndarray:
    upright = ImageOps.exif_transpose(mask)
    # For a one-bit mask, convert() also scales the values 0 and 1 to 0 and 255.
    return np.array(upright.convert("RGB" if upright.mode in ("RGB", "RGBA", "P") else "L"))


class DuplicateFinder:
    """Find pairs that came before: call it once for each row. It stores digests and no images."""

    def __init__(self) -> None:
        self._pairs: set[tuple[Any, ...]] = set()
        self._edits: set[bytes] = set()

    def __call__(self, photo: int | bytes, captions: Sequence[str | None], edit: bytes) -> list[str]:
        """Return the fault of a pair that came before, or an empty list.

        Args:
            photo: The photo's id, or the digest of its file.
            captions: The old and the new caption.
            edit: Digest of the edited image's file.
        """
        pair = (photo, *(" ".join((text or "").lower().split()) for text in captions))
        reasons = [SAME_PAIR] if pair in self._pairs else [SAME_EDIT] if edit in self._edits else []
        self._pairs.add(pair)
        self._edits.add(edit)
        return reasons
