"""What an editor is: a callable from an `EditTask` to candidates, or to the reason why it made none."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..propose.proposals import Proposal


class EditTask(NamedTuple):
    """What an editor gets.

    Attributes:
        photo: (H, W, 3) of 0 to 255, upright.
        mask: (H, W) of bool, the thing that changes.
        others: (H, W) of bool, the other annotated things; what carries things, such as a table, is not among them.
        people: (H, W) of bool, the people among them.
        proposal: What it becomes.
        seed: Decides all that is random; follows from the run's seed, the photo's id, the thing's and the attempt.
        prompt: What a person asks for instead of the proposal's new word; None where nobody did.
    """

    photo: np.ndarray
    mask: np.ndarray
    others: np.ndarray
    people: np.ndarray
    proposal: Proposal
    seed: int
    prompt: str | None = None


class Edit(NamedTuple):
    """An edited photo, (H, W, 3) of 0 to 255, where it may differ, (H, W) of bool, and how it was made, for JSON."""

    pixels: np.ndarray
    changed: np.ndarray
    details: dict[str, Any]


Editor = Callable[[EditTask], list[Edit] | str]
