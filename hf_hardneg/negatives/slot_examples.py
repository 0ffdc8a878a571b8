"""The examples from which a slot model is fitted: slots of the user's captions, in any order and number of parts.

Input are batches of captions. Output is one set of examples: how often each form was seen, some slots of each class
with their features, and which forms captions have beside the words to which a slot is tied.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..lexicon.index import LexiconIndex
from ..lexicon.words import split_words
from ..ragged import Ragged
from .chance import draw_order
from .slot_features import SlotTable, bags_of_images
from .slots import TIES, Analysis
from .truth_filter import FilterResult, ImageTexts


MOST_EXAMPLES = 5000  # of a class; more cost time and memory and made the model little better
COLUMNS = ("of_class", "form", "image", "ties", "tied_to", "order", "fits")
_MAX_SUMMANDS = 64  # sets that are joined at once


@dataclass(frozen=True)
class SlotExamples:
    """Slots of captions as columns, N of them, with the totals of all that were seen.

    Attributes:
        totals: For each class, (V,): how often each form was seen.
        beside: (M, 3) int64, sorted and distinct: a class, words to which a slot was tied, and a form that was there.
        of_class: (N,) the class.
        form: (N,) the form, an index of the class.
        image: (N,) uint32, see `slot_features.SlotTable`.
        ties: (N,) bits of `slots.TIES`.
        tied_to: (N, 3) uint32, see `slot_features.SlotTable`.
        order: (N,) uint64, a random number that depends on the image, its captions and the slot. Examples are sorted
            by it, and of each class the `MOST_EXAMPLES` first are kept.
        fits: (N, W) uint8: bits of the forms that fit, see `truth_filter.FilterResult`.
        features: N bags, see `slot_features`.
        image_words: N bags: the words of all captions of the image.
    """

    totals: list[np.ndarray]
    beside: np.ndarray
    of_class: np.ndarray
    form: np.ndarray
    image: np.ndarray
    ties: np.ndarray
    tied_to: np.ndarray
    order: np.ndarray
    fits: np.ndarray
    features: Ragged
    image_words: Ragged

    @classmethod
    def empty(cls, index: LexiconIndex) -> "SlotExamples":
        """No examples."""
        ints = np.empty(0, np.int64)
        nothing = Ragged.of([], np.uint32)
        width = max(of_class.opposed_bits.shape[1] for of_class in index.classes)
        totals = [np.zeros(len(of_class.forms), np.int64) for of_class in index.classes]
        order, fits = np.empty(0, np.uint64), np.empty((0, width), np.uint8)
        images, tied_to = np.empty(0, np.uint32), np.empty((0, 3), np.uint32)
        beside = np.empty((0, 3), np.int64)
        return cls(totals, beside, ints, ints, images, ints, tied_to, order, fits, nothing, nothing)

    @classmethod
    def count(
        cls,
        texts: ImageTexts,
        analyses: Sequence[Analysis],
        slots: SlotTable,
        filtered: dict[int, FilterResult],
        index: LexiconIndex,
    ) -> "SlotExamples":
        """The examples of one batch of captions."""
        blank = cls.empty(index)
        size = len(slots.row)
        totals, fits = blank.totals, np.zeros((size, blank.fits.shape[1]), np.uint8)
        for c, result in filtered.items():
            totals[c] = np.bincount(slots.form[result.slots], minlength=len(totals[c]))
            bits = np.packbits(result.fits, axis=1, bitorder="little")
            fits[result.slots, : bits.shape[1]] = bits
        known = {text: words for text, (words, _, _) in zip(texts.captions, analyses, strict=True)}
        others = {text for row in texts.other_captions for text in row or ()}
        split = {text: known.get(text) or split_words(text) for text in others}
        images = bags_of_images([words for words, _, _ in analyses], texts.other_captions, split)
        sums = np.add.reduceat(np.append(images.values, 0).astype(np.uint64), images.starts[:-1])
        order = draw_order(texts.captions)[slots.row] + sums[slots.row] * np.uint64(2654435761)
        order ^= slots.start.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        order = (order ^ slots.image.astype(np.uint64) * np.uint64(0xBF58476D1CE4E5B9)) * np.uint64(0x94D049BB133111EB)
        columns = {name: getattr(slots, name) for name in COLUMNS if name not in ("order", "fits")}
        columns |= {"order": order, "fits": fits}
        found = cls(totals, _beside(slots), features=slots.features, image_words=images.take(slots.row), **columns)
        return found._sorted()

    def join(self, others: Iterable["SlotExamples"]) -> "SlotExamples":
        """Join this set and others; their order does not matter."""
        parts = [self]
        for part in others:
            parts.append(part)
            if len(parts) > _MAX_SUMMANDS:  # many small sets are cheaper to join at once than one by one
                parts = [_join(parts)]
        return _join(parts)

    def of(self, class_id: int) -> np.ndarray:
        """The rows of a class."""
        return np.flatnonzero(self.of_class == class_id)

    def _sorted(self) -> "SlotExamples":
        """The examples by class and order, without those that are too many."""
        order = np.lexsort((self.form, self.order, self.of_class))
        classes = self.of_class[order]
        first = np.searchsorted(classes, classes)
        kept = order[np.arange(len(order)) - first < MOST_EXAMPLES]
        columns = {name: getattr(self, name)[kept] for name in COLUMNS}
        return replace(self, features=self.features.take(kept), image_words=self.image_words.take(kept), **columns)


def _join(parts: Sequence[SlotExamples]) -> SlotExamples:
    totals = [np.sum(arrays, axis=0) for arrays in zip(*(part.totals for part in parts), strict=True)]
    beside = np.unique(np.concatenate([part.beside for part in parts]), axis=0)
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS}
    features, image_words = (
        Ragged.join(bags) for bags in zip(*((p.features, p.image_words) for p in parts), strict=True)
    )
    return SlotExamples(totals, beside, features=features, image_words=image_words, **columns)._sorted()


def _beside(slots: SlotTable) -> np.ndarray:
    parts = [np.empty((0, 3), np.int64)]
    for place, tie in enumerate(TIES):
        tied = slots.ties & tie > 0
        parts.append(np.stack([slots.of_class, _tie_keys(slots.tied_to, place), slots.form], 1)[tied])
    return np.unique(np.concatenate(parts), axis=0)


def _tie_keys(tied_to: np.ndarray, place: int) -> np.ndarray:
    """(N,): the words to which slots are tied by one of `TIES`, as a number that no other tie has."""
    return tied_to[:, place].astype(np.int64) * len(TIES) + place


class TiedForms:
    """Which forms captions have beside the words to which slots are tied, such as "purse" after "coin"."""

    def __init__(self, examples: SlotExamples) -> None:
        self.seen = _one_number(examples.beside)

    def fits(self, class_id: int, size: int, form: np.ndarray, ties: np.ndarray, tied_to: np.ndarray) -> np.ndarray:
        """(N, V) bool: whether captions have each form there. All fit a slot that is not tied.

        Args:
            class_id: The class of N slots.
            size: V, the number of its forms.
            form: (N,) the present forms. If no caption has one there, no form fits.
            ties: (N,) bits of `TIES`.
            tied_to: (N, 3), see `slot_features.SlotTable`.
        """
        fits = np.ones((len(form), size), dtype=bool)
        for place, tie in enumerate(TIES):
            tied = np.flatnonzero(ties & tie)
            keys = _tie_keys(tied_to[tied], place)
            wanted = np.stack(np.broadcast_arrays(class_id, keys[:, None], np.arange(size)), -1)
            seen = np.isin(_one_number(wanted.reshape(-1, 3)), self.seen).reshape(len(tied), size)
            fits[tied] &= seen & seen[np.arange(len(tied)), form[tied]][:, None]
        return fits


def _one_number(rows: np.ndarray) -> np.ndarray:
    """(N, 3) int64 as (N,) uint64 that differ where the rows differ."""
    numbers = rows.astype(np.uint64)
    mixed = numbers[:, 1] * np.uint64(0x9E3779B97F4A7C15) ^ (numbers[:, 0] << np.uint64(32)) ^ numbers[:, 2]
    return mixed * np.uint64(0xBF58476D1CE4E5B9)
