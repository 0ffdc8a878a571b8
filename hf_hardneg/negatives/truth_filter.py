"""What makes a candidate false: the filter that rejects words which may be true of the image. Pure.

A negative must be false of its image. The filter does not look at the image. It reads the caption, the image's other
captions and its annotated categories, and rejects every form that one of them mentions or implies. It also rejects
forms that do not agree with a pronoun of the caption. Each rejection has one of the `REASONS`.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import NamedTuple

import numpy as np

from ..columns import CAPTION, CATEGORIES, OTHER_CAPTIONS
from ..lexicon.index import LexiconIndex, SwapClass
from .slot_features import SlotTable
from .slots import Analysis, find_mentions


DISAGREES = "the new word does not agree with a pronoun of the caption"
IN_CAPTION = "the new word is in the caption"
IN_OTHER_CAPTION = "the new word is in another caption of the image"
IN_CATEGORIES = "the new word is an annotated category of the image"
# In the order of the checks: a form is rejected for the first that applies.
REASONS = (DISAGREES, IN_CAPTION, IN_OTHER_CAPTION, IN_CATEGORIES)


def batch_captions(batch: Mapping[str, Sequence]) -> list[str]:
    """The captions of a batch; "" where there is none.

    Raises:
        ValueError: If one is not a text.
    """
    for caption in batch[CAPTION]:
        if caption is not None and not isinstance(caption, str):
            raise ValueError(
                f"Column {CAPTION!r} holds {type(caption).__name__} {caption!r:.60}; a caption is a string. Of lists "
                "of captions, make one row per caption (`hf_hardneg.data.read_captions` does)."
            )
    return [caption or "" for caption in batch[CAPTION]]


class ImageTexts(NamedTuple):
    """All texts about the images of B captions.

    Attributes:
        captions: B captions; "" where there is none.
        other_captions: B lists of further captions of the same image; None is an empty list.
        categories: B lists of annotated object names; None is an empty list.
    """

    captions: Sequence[str]
    other_captions: Sequence[Sequence[str] | None]
    categories: Sequence[Sequence[str] | None]

    @classmethod
    def from_batch(cls, batch: Mapping[str, Sequence]) -> "ImageTexts":
        """Read the three columns of a batch and no other column; all but the captions may be missing.

        Raises:
            ValueError: If a caption is not a text, or one of the others no list of texts.
        """
        captions = batch_captions(batch)
        for name in (OTHER_CAPTIONS, CATEGORIES):
            for of_row in batch.get(name, ()):
                if isinstance(of_row, str) or not all(isinstance(text, str) for text in of_row or ()):
                    raise ValueError(f"Column {name!r} holds {of_row!r:.60}; each row needs a list of texts, or null.")
        nothing: list[list[str]] = [[]] * len(captions)
        return cls(captions, *(batch[name] if name in batch else nothing for name in (OTHER_CAPTIONS, CATEGORIES)))


class FilterResult(NamedTuple):
    """Which of the V forms of a class may be put into N slots of that class.

    Attributes:
        slots: (N,) indices of the slots in the batch.
        allowed: (N, V) bool: the form can replace the present one, and no reason speaks against it.
        has_allowed: (N,) bool: whether any form is allowed.
        rejected: (N, R) bool: whether each of the R `REASONS` rejected any form.
    """

    slots: np.ndarray
    allowed: np.ndarray
    has_allowed: np.ndarray
    rejected: np.ndarray


def unpack_risks(risks: Sequence[int], size: int) -> np.ndarray:
    """Unpack B bit sets, such as those of `LexiconIndex.risks`, to (B, size) uint8."""
    joined = b"".join([risk.to_bytes(size, "little") for risk in risks])
    return np.frombuffer(joined, np.uint8).reshape(len(risks), size)


def find_risks(texts: ImageTexts, analyses: Sequence[Analysis], index: LexiconIndex) -> list[np.ndarray]:
    """Find the forms that may be true of each image.

    Args:
        texts: Of B captions.
        analyses: Of the same captions.
        index: The vocabulary.

    Returns:
        For each of `REASONS`, (B, W) uint8: bit sets of the forms that it rejects in each caption.
    """
    clashes, clashing = index.disagreements, frozenset(index.disagreements)

    def join(mentions: Iterable[int]) -> int:
        return reduce(or_, map(index.risks.__getitem__, mentions), 0)

    disagreeing = [
        0 if clashing.isdisjoint(words) else reduce(or_, map(clashes.__getitem__, clashing.intersection(words)))
        for words, _, _ in analyses
    ]
    own = [join(analysis.mentions) for analysis in analyses]
    known = dict(zip(texts.captions, own, strict=True))
    risks = [disagreeing, own]
    for column in (texts.other_captions, texts.categories):
        rows = [row or () for row in column]
        for text in {text for row in rows for text in row}.difference(known):
            known[text] = join(find_mentions(text, index))
        risks.append([reduce(or_, map(known.__getitem__, row), 0) for row in rows])
    return [unpack_risks(of_reason, index.byte_spans[-1].stop) for of_reason in risks]


def filter_forms(
    of_class: SwapClass, slots: np.ndarray, form: np.ndarray, risks: Sequence[np.ndarray]
) -> FilterResult:
    """Find the forms that may be put into each slot of one class, and the reasons against the others.

    Args:
        of_class: The class, V forms.
        slots: (N,) indices of the slots in the batch.
        form: (N,) the present form of each slot.
        risks: For each of `REASONS`, (N, ceil(V / 8)) uint8: bits of the forms that it rejects.
    """
    remaining = of_class.opposed_bits[form]
    rejected = np.empty((len(form), len(REASONS)), dtype=bool)
    for reason, of_reason in enumerate(risks):
        rejected[:, reason] = (remaining & of_reason).any(-1)
        remaining &= ~of_reason
    allowed = np.unpackbits(remaining, axis=1, count=len(of_class.forms), bitorder="little").view(bool)
    return FilterResult(slots, allowed, remaining.any(-1), rejected)


def filter_slots(slots: SlotTable, risks: Sequence[np.ndarray], index: LexiconIndex) -> dict[int, FilterResult]:
    """Apply `filter_forms` to the slots of each class.

    Args:
        slots: The slots of a batch of B captions.
        risks: From `find_risks`.
        index: The vocabulary.

    Returns:
        The result of each class that has slots, by the class's index.
    """
    order = np.argsort(slots.of_class, kind="stable")
    classes, starts = np.unique(slots.of_class[order], return_index=True)
    results = {}
    for c, members in zip(classes.tolist(), np.split(order, starts)[1:], strict=True):
        rows = slots.row[members]
        of_class = [of_reason[rows, index.byte_spans[c]] for of_reason in risks]
        results[c] = filter_forms(index.classes[c], members, slots.form[members], of_class)
    return results
