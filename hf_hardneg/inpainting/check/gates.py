"""The gates that decide whether an edited photo enters the set. Each returns None or a reason against it. Pure."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ...lexicon.words import split_words
from ..propose.proposals import Proposal


TOO_SMALL_PHOTO = "the photo is too small"
OTHER_SIZE = "photo, edit and mask are not of one size"
SMALL_MASK, LARGE_MASK = "the mask is too small to be seen", "the mask is too large for one thing"
UNCHANGED = "hardly anything changed inside the mask"
CHANGED_OUTSIDE = "something changed outside the mask"
NOT_ONE_SPAN = "the captions do not differ in exactly one span"

MIN_SIDE = 200  # pixels; CLIP sees 224
MIN_AREA = 0.008  # share of the photo: 20 x 20 of the 224 x 224 pixels that CLIP sees
# Share of the photo. 530 masks of InpaintCOCO are larger: their edits look like another photo, not another object.
MAX_AREA = 0.3
MIN_CHANGE = 10.0  # mean absolute difference inside the mask, 0 to 255


class Candidate(NamedTuple):
    """The input of a gate.

    Attributes:
        photo: (H, W, 3) uint8, RGB.
        edited: (H, W, 3) uint8, RGB.
        mask: (H, W) uint8, 0 or 255.
        proposal: What the edit should show.
    """

    photo: np.ndarray
    edited: np.ndarray
    mask: np.ndarray
    proposal: Proposal


Gate = Callable[[Candidate], str | None]
"""Returns the reason against a candidate, or None."""


def size_gate(candidate: Candidate) -> str | None:
    """Reject photos that are small, and images of different sizes."""
    photo, edited, mask, _ = candidate
    if photo.shape != edited.shape or photo.shape[:2] != mask.shape:
        return OTHER_SIZE
    return TOO_SMALL_PHOTO if min(mask.shape) < MIN_SIDE else None


def area_gate(candidate: Candidate) -> str | None:
    """Reject masks whose share of the photo is below `MIN_AREA` or above `MAX_AREA`."""
    share = (candidate.mask > 127).mean()
    if share < MIN_AREA:
        return SMALL_MASK
    return LARGE_MASK if share > MAX_AREA else None


def inside_gate(candidate: Candidate) -> str | None:
    """Reject edits that changed hardly anything inside the mask."""
    inside = candidate.mask > 127
    difference = np.abs(candidate.photo.astype(int) - candidate.edited)[inside]
    return UNCHANGED if not inside.any() or difference.mean() < MIN_CHANGE else None


def outside_gate(candidate: Candidate) -> str | None:
    """Reject edits that changed any byte outside the mask."""
    outside = candidate.mask <= 127
    return CHANGED_OUTSIDE if (candidate.photo[outside] != candidate.edited[outside]).any() else None


def caption_gate(candidate: Candidate) -> str | None:
    """Reject captions that differ anywhere but in the proposed span of words."""
    one = candidate.proposal
    expected = one.caption[: one.start] + one.new_text + one.caption[one.end :]
    is_span = one.new_caption == expected and one.caption[one.start : one.end] == one.old_text
    return None if is_span and split_words(one.caption) != split_words(one.new_caption) else NOT_ONE_SPAN


GATES: tuple[Gate, ...] = (size_gate, area_gate, inside_gate, outside_gate, caption_gate)


def find_reason(candidate: Candidate, gates: Sequence[Gate] = GATES) -> str | None:
    """Return the first reason against a candidate, or None."""
    return next(filter(None, (gate(candidate) for gate in gates)), None)
