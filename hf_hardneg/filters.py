"""Is a changed caption false of its image? Pure; every rejection has a reason, which is counted and reported."""

from collections.abc import Sequence

import numpy as np

from .lexicon.index import SwapClass


IN_CAPTION = "the new word is in the caption"
IN_OTHER_CAPTION = "the new word is in another caption of the image"
IN_CATEGORIES = "the new word is an annotated category of the image"
# In the order in which they are looked for.
REASONS = (IN_CAPTION, IN_OTHER_CAPTION, IN_CATEGORIES)


def mark_mentions(mentions: Sequence[Sequence[int]], size: int) -> np.ndarray:
    """(B, M) of 0 and 1 from each row's mentions of `LexiconIndex`, M = `size`."""
    marks = np.zeros((len(mentions), size), dtype=np.float32)
    rows = np.repeat(np.arange(len(mentions)), [len(found) for found in mentions])
    marks[rows, [mention for found in mentions for mention in found]] = 1
    return marks


def find_rejections(of_class: SwapClass, rows: np.ndarray, marks: Sequence[np.ndarray]) -> np.ndarray:
    """Why each form of a class may not be put into each of N slots.

    Args:
        of_class: V forms, with the mentions that tell that one may be true: itself, what is compatible, hypernyms.
        rows: (N,) the row of each slot.
        marks: (B, M) what each row's caption, other captions and annotated categories mention.

    Returns:
        (N, V) of integers: 0 for a form that nothing speaks for, else 1 + the place in `REASONS`.
    """
    verdict = np.zeros((len(rows), len(of_class.forms)), dtype=np.int8)
    for reason in reversed(range(len(marks))):
        known = marks[reason][rows[:, None], of_class.mentions]
        verdict[known @ of_class.risks.T > 0] = 1 + reason
    return verdict
