"""What is wrong with a pair of anybody's set: pure checks, each with its reason."""

import io
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from ...data.photos import image_problem
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

# Not held against a pair: every pair of the original has it, as its photos went through an autoencoder.
TOLERATED = frozenset({ALTERED_OUTSIDE})

WHITE = 127  # above it a pixel of the mask is inside, in any channel: the rule of the original's readers
MAX_AREA = 0.3  # of the photo: what is larger is no one thing; so have 530 masks of the original
MIN_AREA = 0.001  # of the photo: 7 x 7 pixels of the 224 x 224 that CLIP sees, half a patch
MIN_INSIDE = 2.0  # mean absolute difference: what saving a photo as JPEG once more leaves
MAX_OUTSIDE = 25.0  # mean absolute difference: an autoencoder leaves 4 to 21 in the original; more is another photo
# A block whose mean color moved so far shows something else. What an autoencoder or JPEG does to edges and texture is
# as strong in single pixels but cancels out over a block: on 30 COCO photos, JPEG of quality 10 and a quarter of the
# resolution (mean differences of 5 to 18, as in the original) move no block by more than 14.
BLOCK, MAX_SHIFT = 16, 24.0
IMAGES = ("coco_image", "inpaint_image", "mask")


class Difference(NamedTuple):
    """How far photo and edit lie apart, of 0 to 255.

    Attributes:
        area: Share of the photo inside the mask.
        inside: Mean absolute difference inside the mask.
        outside: Mean absolute difference outside, where the mask is black.
        outside_max: Largest absolute difference there.
        outside_share: Share of the pixels there that differ at all.
        shift: Largest shift of a block's mean color there; blocks of `BLOCK` x `BLOCK` pixels without mask.
    """

    area: float
    inside: float
    outside: float
    outside_max: int
    outside_share: float
    shift: float


def measure(photo: np.ndarray, edit: np.ndarray, mask: np.ndarray) -> Difference:
    """Compare a photo with its edit.

    Args:
        photo: (H, W, 3) of 0 to 255.
        edit: (H, W, 3) of 0 to 255.
        mask: (H, W), or (H, W, C) of which the largest channel counts.
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
    """In how many places two captions differ, word by word.

    Examples:
        >>> count_spans("A red bus on a road", "An orange bus on a road"), count_spans("A red bus", "One red car")
        (1, 2)
    """
    words = SequenceMatcher(None, split_words(one), split_words(other), autojunk=False)
    return sum(kind != "equal" for kind, *_ in words.get_opcodes())


def caption_reasons(concept: str | None, coco_caption: str | None, inpaint_caption: str | None) -> list[str]:
    """What is wrong with a pair's words."""
    old, new = (" ".join((text or "").lower().split()) for text in (coco_caption, inpaint_caption))
    reasons = [reason for text, reason in ((old, EMPTY_COCO), (new, EMPTY_INPAINT)) if not text]
    if old and new and old == new:
        reasons.append(EQUAL_CAPTIONS)
    elif old and new and count_spans(old, new) > 1:
        reasons.append(MANY_SPANS)
    return reasons if concept in CONCEPTS else [*reasons, UNKNOWN_CONCEPT]


def difference_reasons(found: Difference) -> list[str]:
    """What is wrong with a mask and with the pixels inside and outside it."""
    if found.area < MIN_AREA:
        return [EMPTY_MASK]  # all of the edit then lies outside, which says nothing more
    reasons = [LARGE_MASK] if found.area > MAX_AREA else []
    if found.outside > MAX_OUTSIDE or found.shift > MAX_SHIFT:
        reasons.append(CHANGED_OUTSIDE)
    elif found.inside <= found.outside:
        return [*reasons, UNCHANGED]  # no more than everywhere else
    elif found.outside_max:
        reasons.append(ALTERED_OUTSIDE)
    return [*reasons, UNCHANGED] if found.inside < MIN_INSIDE else reasons


def image_reasons(images: Mapping[str, Mapping[str, Any] | None]) -> tuple[list[str], Difference | None]:
    """What is wrong with a pair's images, and their difference where the three can be compared.

    Args:
        images: `IMAGES` as `datasets.Image(decode=False)` gives them: {"bytes": ..., "path": ...}.
    """
    problems = {name: image_problem(images.get(name)) for name in IMAGES}
    reasons = [f"{name}: {problem}" for name, problem in problems.items() if problem]
    if reasons:
        return reasons, None
    photo, edit = (_decode(images[name], "RGB") for name in IMAGES[:2])
    mask = _decode(images["mask"], None)
    if not photo.shape == edit.shape == (*mask.shape[:2], 3):
        return [OTHER_SIZE], None
    found = measure(photo, edit, mask)
    return difference_reasons(found), found


def _decode(image: Mapping[str, Any] | None, mode: str | None) -> np.ndarray:
    """Upright pixels; a mask (mode None) keeps its channels, but for an alpha channel and a palette."""
    if image is None:
        raise ValueError("Look at image_problem first: there is no image.")
    with Image.open(io.BytesIO(image["bytes"]) if image["bytes"] else image["path"]) as opened:
        upright = ImageOps.exif_transpose(opened)
        # convert() turns the values 0 and 1 of a one-bit mask into 0 and 255.
        return np.array(upright.convert(mode or ("RGB" if upright.mode in ("RGB", "RGBA", "P") else "L")))


class Doubles:
    """Which pairs came before: call it row by row. Keeps digests, no images."""

    def __init__(self) -> None:
        self._pairs: set[tuple[Any, ...]] = set()
        self._edits: set[bytes] = set()

    def __call__(self, photo: int | bytes, captions: Sequence[str | None], edit: bytes) -> list[str]:
        """The reason against a pair that came before, if it did.

        Args:
            photo: The photo's id, or the digest of its file.
            captions: Both.
            edit: Digest of the edited image's file.
        """
        pair = (photo, *(" ".join((text or "").lower().split()) for text in captions))
        reasons = [SAME_PAIR] if pair in self._pairs else [SAME_EDIT] if edit in self._edits else []
        self._pairs.add(pair)
        self._edits.add(edit)
        return reasons
