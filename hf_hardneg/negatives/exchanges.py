"""The second operator: two words of a caption change places, if that changes the meaning. Pure.

Input is an analyzed caption with the other captions of its image. Output are the pairs of slots that can be exchanged.
"a red car and a blue bus" becomes "a blue car and a red bus". These are never exchanged: the sides of an "and" or "or"
("a red and blue car", "a dog and a cat"), two colors of equal things ("a red car and a blue car"), and the sides of a
symmetric relation ("a dog next to a cat").
"""

from collections.abc import Sequence
from typing import NamedTuple

from ..lexicon.index import LexiconIndex
from ..lexicon.words import split_words
from .slots import Analysis, Slot


LONGEST_PHRASE = 2  # words between a modifier and its noun
REACH = 8  # slots that an exchange may span; keeps the cost of a long text linear
# Kinds of location.yaml whose two sides have different roles.
ASYMMETRIC = ("a thing", "side of")
SYMMETRIC_WORDS = ("next to", "near", "beside")


class Exchange(NamedTuple):
    """Two slots that change places."""

    first: int
    second: int


def _head(analysis: Analysis, i: int, index: LexiconIndex) -> Slot | None:
    """The noun that modifier slot `i` describes: the next slot, if it is a noun close by with no mark between."""
    if i + 1 >= len(analysis.slots):
        return None
    slot, head = analysis.slots[i], analysis.slots[i + 1]
    between = analysis.words[slot.end : head.start]
    is_noun = index.lexicon.concepts[head.reading.entry.concept].is_nouns
    if not is_noun or len(between) > LONGEST_PHRASE or any(not w.isalpha() or w in ("and", "or") for w in between):
        return None
    return head


def find_exchanges(analysis: Analysis, other_captions: Sequence[str], index: LexiconIndex) -> list[Exchange]:
    """Find pairs of slots whose exchange changes the meaning of the caption.

    Args:
        analysis: Of one caption.
        other_captions: Of the same image. None of them may hold the phrase that an exchange would make.
        index: The vocabulary.

    Returns:
        Pairs of indices of `analysis.slots`.
    """
    exchanges = []
    slots = analysis.slots
    for i, first in enumerate(slots):
        for j in range(i + 1, min(i + 1 + REACH, len(slots))):
            second = slots[j]
            if first.of_class != second.of_class:
                continue
            opposed = index.classes[first.of_class].opposed
            if not opposed[first.reading.form, second.reading.form]:
                continue
            if index.lexicon.concepts[first.reading.entry.concept].modifier:
                one, other = _head(analysis, i, index), _head(analysis, j, index)
                if j == i + 1 or one is None or other is None or _may_be_same(one, other, index):
                    continue
            elif j != i + 2 or not _is_asymmetric(slots[i + 1]):
                continue
            if not _is_stated(analysis.words, first, second, other_captions):
                exchanges.append(Exchange(i, j))
    return exchanges


def _is_stated(words: Sequence[str], first: Slot, second: Slot, other_captions: Sequence[str]) -> bool:
    """Whether another caption holds a phrase that the exchange would make.

    Such a phrase is the words of one slot and the word that follows the other slot.
    """
    phrases = [
        " ".join([*words[one.start : one.end], *words[other.end : other.end + 1]])
        for one, other in ((first, second), (second, first))
    ]
    texts = [f" {' '.join(split_words(caption))} " for caption in other_captions]
    return any(f" {phrase} " in text for phrase in phrases for text in texts)


def _may_be_same(first: Slot, second: Slot, index: LexiconIndex) -> bool:
    """Whether two nouns can name the same thing: "a red car and a blue vehicle"."""
    a, b = first.reading.entry, second.reading.entry
    return a.concept == b.concept and b.name in index.lexicon.implied(a)


def _is_asymmetric(slot: Slot) -> bool:
    entry = slot.reading.entry
    return entry.concept == "location" and entry.kind in ASYMMETRIC and entry.name not in SYMMETRIC_WORDS
