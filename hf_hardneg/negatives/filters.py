"""Is a changed caption false of its image? Pure; every rejection has a reason, which is counted and reported."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..lexicon.index import SwapClass


DISAGREES = "the new word does not agree with a pronoun of the caption"
IN_CAPTION = "the new word is in the caption"
IN_OTHER_CAPTION = "the new word is in another caption of the image"
IN_CATEGORIES = "the new word is an annotated category of the image"
# In the order in which they are looked for.
REASONS = (DISAGREES, IN_CAPTION, IN_OTHER_CAPTION, IN_CATEGORIES)


class Verdicts(NamedTuple):
    """What can be put into N slots of one class of V forms.

    Attributes:
        slots: (N,) which slots of the batch these are.
        open: (N, V) bool: forms that replace the one that stands there, and that nothing speaks for.
        struck: (N, 1 + R) bool: whether any form is open, then whether any was turned down for each of `REASONS`.
    """

    slots: np.ndarray
    open: np.ndarray
    struck: np.ndarray


def unpack_risks(risks: Sequence[int], size: int) -> np.ndarray:
    """Bit sets such as those of `LexiconIndex.risks`, as B rows of `size` bytes."""
    joined = b"".join([risk.to_bytes(size, "little") for risk in risks])
    return np.frombuffer(joined, np.uint8).reshape(len(risks), size)


def find_rejections(
    of_class: SwapClass, slots: np.ndarray, place: np.ndarray, risks: Sequence[np.ndarray]
) -> Verdicts:
    """Which forms of a class may be put into each of N slots, and why others may not.

    Args:
        of_class: V forms.
        slots: (N,) handed on.
        place: (N,) the form that stands there.
        risks: For each of `REASONS`, (N, ceil(V / 8)) the bits of the forms that it speaks for.
    """
    left = of_class.opposed_bits[place]
    struck = np.empty((len(place), 1 + len(REASONS)), dtype=bool)
    for reason, of_reason in enumerate(risks, 1):
        struck[:, reason] = (left & of_reason).any(-1)
        left &= ~of_reason
    struck[:, 0] = left.any(-1)
    is_open = np.unpackbits(left, axis=1, count=len(of_class.forms), bitorder="little").view(bool)
    return Verdicts(slots, is_open, struck)
