"""What makes a candidate false: the filter that rejects words which may be true of the image. Pure.

A negative must be false of its image. The filter does not look at the image. It reads the caption, the image's other
captions and its annotated categories, and rejects every form that one of them mentions or implies. It also rejects
forms that do not agree with other words of the caption: "a boy brushes her hair", "a loaf of stew", "at a rug". Each
rejection has one of the `REASONS`.
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


DISAGREES = "the new word does not agree with another word of the caption"
IN_CAPTION = "the new word is in the caption"
IN_OTHER_CAPTION = "the new word is in another caption of the image"
IN_CATEGORIES = "the new word is an annotated category of the image"
# In the order of the checks: a form is rejected for the first that applies.
REASONS = (DISAGREES, IN_CAPTION, IN_OTHER_CAPTION, IN_CATEGORIES)
REACH = 4  # words between a noun and the word that governs it: "at a long wooden table"
# Where a search for a governing word ends.
_BREAKS = frozenset([*",.;:!?", *"and or but that which who is are was were has have".split()])


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
        fits: (N, V) bool: no reason speaks against the form. The present one always fits.
        has_opposed: (N,) bool: whether any form fits that can replace the present one.
        rejected: (N, R) bool: whether each of the R `REASONS` rejected any form.
    """

    slots: np.ndarray
    fits: np.ndarray
    has_opposed: np.ndarray
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


def find_unfit(analyses: Sequence[Analysis], index: LexiconIndex) -> tuple[np.ndarray, np.ndarray]:
    """Find the forms that do not fit the words before single slots: after "at", after "loaf of".

    Args:
        analyses: Of B captions.
        index: The vocabulary.

    Returns:
        (M,) the slots, numbered through the batch in caption order, and (M, W) uint8, bit sets of the forms.
    """
    governed, governing = index.governed, frozenset(index.governed)
    slots, bits, number = [], [], -1
    for words, of_caption, _ in analyses:
        free = 0
        is_governed = not governing.isdisjoint(words) or "of" in words
        for slot in of_caption:
            number += 1
            if slot.reading.is_noun:
                word = _governor(words, slot.start, free, governing) if is_governed else ""
                free = slot.end
                if word:
                    slots.append(number)
                    bits.append(governed[word])
    return np.array(slots, dtype=np.int64), unpack_risks(bits, index.byte_spans[-1].stop)


def _governor(words: Sequence[str], start: int, free: int, governing: frozenset[str]) -> str:
    """The last word or phrase of `governing` before a noun at `start` with no other noun between; "" if none."""
    for i in range(start - 1, max(free, start - 1 - REACH) - 1, -1):
        word = words[i]
        if word == "of":
            phrase = f"{words[i - 1]} of" if i else ""
            return phrase if phrase in governing else ""
        if word in governing:
            return word
        if word in _BREAKS or word.endswith("ing"):
            return ""
    return ""


def filter_forms(
    of_class: SwapClass, slots: np.ndarray, form: np.ndarray, risks: Sequence[np.ndarray]
) -> FilterResult:
    """Find the forms that may be put into each slot of one class, and the reasons against the others.

    If the caption itself speaks against the present form, nothing else fits: the new caption could never become this
    one, and a reader could tell which of the two came first.

    Args:
        of_class: The class, V forms.
        slots: (N,) indices of the slots in the batch.
        form: (N,) the present form of each slot.
        risks: For each of `REASONS`, (N, ceil(V / 8)) uint8: bits of the forms that it rejects.
    """
    rows = np.arange(len(form))
    stays = [bits[rows, form // 8] >> (form % 8).astype(np.uint8) & 1 > 0 for bits in risks[:2]]
    remaining = of_class.opposed_bits[form]
    rejected = np.empty((len(form), len(REASONS)), dtype=bool)
    for reason, of_reason in enumerate(risks):
        rejected[:, reason] = (remaining & of_reason).any(-1)
        remaining &= ~of_reason
    for reason, is_bound in enumerate(stays):
        rejected[is_bound, reason] |= remaining[is_bound].any(-1)
        remaining[is_bound] = 0
    unfit = np.unpackbits(reduce(or_, risks), axis=1, count=len(of_class.forms), bitorder="little").view(bool)
    fits = ~unfit & ~np.logical_or(*stays)[:, None]
    fits[rows, form] = True
    return FilterResult(slots, fits, remaining.any(-1), rejected)


def filter_slots(
    slots: SlotTable,
    risks: Sequence[np.ndarray],
    index: LexiconIndex,
    unfit: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[int, FilterResult]:
    """Apply `filter_forms` to the slots of each class.

    Args:
        slots: The slots of a batch of B captions.
        risks: From `find_risks`. Of the caption itself, only what is outside of the slot counts.
        index: The vocabulary.
        unfit: From `find_unfit`.

    Returns:
        The result of each class that has slots, by the class's index.
    """
    row_of = np.full(len(slots.row), -1)
    if unfit is not None:
        row_of[unfit[0]] = np.arange(len(unfit[0]))
    order = np.argsort(slots.of_class, kind="stable")
    classes, starts = np.unique(slots.of_class[order], return_index=True)
    results = {}
    for c, members in zip(classes.tolist(), np.split(order, starts)[1:], strict=True):
        rows = slots.row[members]
        span = index.byte_spans[c]
        outside = b"".join([slots.rest[i] for i in members.tolist()])
        own = np.frombuffer(outside, np.uint8).reshape(-1, span.stop - span.start)
        disagreeing, others, categories = (risks[reason][rows, span] for reason in (0, 2, 3))
        governed = np.flatnonzero(row_of[members] >= 0)
        if unfit is not None and len(governed):
            disagreeing[governed] |= unfit[1][row_of[members[governed]], span]
        of_class = (disagreeing, own, others, categories)
        results[c] = filter_forms(index.classes[c], members, slots.form[members], of_class)
    return results
