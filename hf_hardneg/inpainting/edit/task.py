"""The interface of an editor: it takes an `EditTask` and returns edits, or the reason why it made none."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..propose.proposals import Proposal


class EditTask(NamedTuple):
    """The input of an editor.

    Attributes:
        photo: (H, W, 3) uint8, RGB, upright.
        mask: (H, W) bool, the object that changes.
        others: (H, W) bool, the other annotated objects, without those that carry things, such as tables.
        people: (H, W) bool, the people among `others`.
        proposal: What the object becomes.
        seed: Seeds everything random. It follows from the run's seed, the photo, the object and the attempt.
        prompt: What a person typed in place of the proposal's new word. None if nobody did.
    """

    photo: np.ndarray
    mask: np.ndarray
    others: np.ndarray
    people: np.ndarray
    proposal: Proposal
    seed: int
    prompt: str | None = None


class Edit(NamedTuple):
    """One edited photo.

    Attributes:
        pixels: (H, W, 3) uint8, the edited photo.
        changed: (H, W) bool, the pixels that may differ from the photo.
        details: How the edit was made. It must be JSON, because the journal stores it.
    """

    pixels: np.ndarray
    changed: np.ndarray
    details: dict[str, Any]


Editor = Callable[[EditTask], list[Edit] | str]
"""Returns one or more edits of a task, or the reason why there is none."""
