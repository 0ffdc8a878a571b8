"""What makes a candidate usable: a new word must be false of the image. Each rejection has a reason. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import NamedTuple

import numpy as np

from ..columns import CAPTION, CATEGORIES, OTHER_CAPTIONS
from ..lexicon.index import LexiconIndex, SwapClass
from .slots import Analysis, find_mentions


DISAGREES = "the new word does not agree with a pronoun of the caption"
IN_CAPTION = "the new word is in the caption"
IN_OTHER_CAPTION = "the new word is in another caption of the image"
IN_CATEGORIES = "the new word is an annotated category of the image"
# In the order of the checks: a form is rejected for the first that applies.
REASONS = (DISAGREES, IN_CAPTION, IN_OTHER_CAPTION, IN_CATEGORIES)


class Verdicts(NamedTuple):
    """What may be put into N slots of one class of V forms.

    Attributes:
        slots: (N,) indices of the slots in the batch.
        open: (N, V) bool, the forms that may be put in: opposed to the present one and not known to be true.
        struck: (N, 1 + R) bool, whether any form is open, then for each of the R `REASONS` whether it rejected any.
    """

    slots: np.ndarray
    open: np.ndarray
    struck: np.ndarray


def unpack_risks(risks: Sequence[int], size: int) -> np.ndarray:
    """Unpack B bit sets, such as those of `LexiconIndex.risks`, to (B, size) uint8."""
    joined = b"".join([risk.to_bytes(size, "little") for risk in risks])
    return np.frombuffer(joined, np.uint8).reshape(len(risks), size)


def find_risks(batch: Mapping[str, Sequence], analyses: Sequence[Analysis], index: LexiconIndex) -> list[np.ndarray]:
    """Collect what speaks against a form: what the texts of an image mention, and pronouns that it does not go with.

    A mention rules out all forms that may be true together with it, such as "animal" and "cat": see `Lexicon.implied` in
    lexicon/concepts.py.

    Args:
        batch: B rows with `caption`, `other_captions` and `categories`.
        analyses: Of the B captions.
        index: The vocabulary.

    Returns:
        For each of `REASONS`, (B, W) uint8: bit sets over the forms of all classes.
    """
    clashes, clashing = index.disagreements, frozenset(index.disagreements)

    def join(mentions: Iterable[int]) -> int:
        return reduce(or_, map(index.risks.__getitem__, mentions), 0)

    disagreeing = [
        0 if clashing.isdisjoint(words) else reduce(or_, map(clashes.__getitem__, clashing.intersection(words)))
        for words, _, _ in analyses
    ]
    own = [join(analysis.mentions) for analysis in analyses]
    known = dict(zip(batch[CAPTION], own, strict=True))
    sources = [disagreeing, own]
    for name in (OTHER_CAPTIONS, CATEGORIES):
        texts = [row or () for row in batch[name]]
        for text in {text for row in texts for text in row}.difference(known):
            known[text] = join(find_mentions(text, index))
        sources.append([reduce(or_, map(known.__getitem__, row), 0) for row in texts])
    return [unpack_risks(source, index.byte_spans[-1].stop) for source in sources]


def find_rejections(of_class: SwapClass, slots: np.ndarray, form: np.ndarray, risks: Sequence[np.ndarray]) -> Verdicts:
    """Find the forms that may be put into each slot of a class, and the reasons against the others.

    Args:
        of_class: The class, V forms.
        slots: (N,) indices of the slots in the batch.
        form: (N,) the present form of each slot.
        risks: For each of `REASONS`, (N, ceil(V / 8)) uint8: bits of the forms that it rejects.
    """
    left = of_class.opposed_bits[form]
    struck = np.empty((len(form), 1 + len(REASONS)), dtype=bool)
    for reason, of_reason in enumerate(risks, 1):
        struck[:, reason] = (left & of_reason).any(-1)
        left &= ~of_reason
    struck[:, 0] = left.any(-1)
    is_open = np.unpackbits(left, axis=1, count=len(of_class.forms), bitorder="little").view(bool)
    return Verdicts(slots, is_open, struck)
