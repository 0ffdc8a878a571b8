"""Is a changed caption false of its image? Pure; every rejection has a reason, which is counted and reported."""

from collections.abc import Sequence

import numpy as np

from .lexicon.index import SwapClass


IN_CAPTION = "the new word is in the caption"
IN_OTHER_CAPTION = "the new word is in another caption of the image"
IN_CATEGORIES = "the new word is an annotated category of the image"
# In the order in which they are looked for.
REASONS = (IN_CAPTION, IN_OTHER_CAPTION, IN_CATEGORIES)


# The weight of each reason in a sum from which all of them can be read: no class has so many mentions.
_BASE = 256


def mark_mentions(sources: Sequence[Sequence[Sequence[int]]], size: int) -> np.ndarray:
    """Who mentions what: (B, M) of sums of 256^r, r the place in `REASONS` of a source that has the mention.

    Args:
        sources: For each reason, for each of B rows, the mentions of `LexiconIndex`, in any order.
        size: M, how many mentions the index has.
    """
    marks = np.zeros((len(sources[0]), size), dtype=np.float32)
    for reason, mentions in enumerate(sources):
        rows = np.repeat(np.arange(len(mentions)), [len(found) for found in mentions])
        once = np.zeros(marks.shape, dtype=bool)
        once[rows, [mention for found in mentions for mention in found]] = True
        marks[once] += _BASE**reason
    return marks


def find_rejections(of_class: SwapClass, rows: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Why each form of a class may not be put into each of N slots.

    Args:
        of_class: V forms, with the mentions that tell that one may be true: itself, what is compatible, hypernyms.
        rows: (N,) the row of each slot.
        marks: (B, M) from `mark_mentions`.

    Returns:
        (N, V) of integers: 0 for a form that nothing speaks for, else 1 + the place in `REASONS`.
    """
    known = marks[rows[:, None], of_class.mentions] @ of_class.risks.T
    verdict = np.zeros(known.shape, dtype=np.int8)
    at, form = np.nonzero(known)
    counts = known[at, form].astype(np.int64)
    # The lowest digit that is not 0, in base 256, is the first reason.
    verdict[at, form] = np.where(counts % _BASE > 0, 1, np.where(counts // _BASE % _BASE > 0, 2, 3))
    return verdict
