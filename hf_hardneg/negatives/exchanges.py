"""The second operator: two words of a caption change places, if that changes the meaning. Pure.

Input is an analyzed caption with the other captions of its image. Output are the pairs of slots that can be exchanged.
"a red car and a blue bus" becomes "a blue car and a red bus". Nouns change places where their roles differ: "a dog
chasing a cat", "a woman in a red hat and a man in a blue shirt". These are never exchanged: the sides of an "and" or
"or" ("a red and blue car", "a dog and a cat"), two colors of equal things ("a red car and a blue car"), and the sides
of a symmetric relation ("a dog next to a cat").
"""

from collections.abc import Sequence
from typing import NamedTuple

from ..lexicon.concepts import Entry
from ..lexicon.index import LexiconIndex
from ..lexicon.tagging import may_be_noun
from ..lexicon.words import split_words
from .slots import Analysis, Slot


LONGEST_PHRASE = 2  # words between a modifier and its noun
REACH = 8  # slots that an exchange may span; keeps the cost of a long text linear
# Relations of location.yaml whose two sides have the same role.
SYMMETRIC_WORDS = ("next to", "near", "beside", "by", "at")
CLOTHES = ("clothing", "headwear", "neckwear", "legwear", "footwear")  # kinds of object.yaml
PLACES = ("place", "room", "playground", "building")  # "a road in a forest" has no other way round
# What one thing does to another and not the other to it.
_ACTS = frozenset(
    "chasing chases chase following follows watching watches carrying carries carry holding holds hold feeding feeds "
    "feed pulling pulls pull pushing pushes push leading leads herding herds riding rides ride towing tows biting "
    "bites licking licks sniffing sniffs attacking attacks nursing teaching teaches helping helps photographing "
    "filming lifting lifts passing passes catching catches tackling tackles kicking kicks instructing guiding eating "
    "eats grooming".split()
)
# After a noun: what it alone wears, holds or does.
_ATTRIBUTES = frozenset(
    "wearing wears holding holds carrying carries riding rides eating eats using drinking smoking pushing "
    "pulling".split()
)
_FILLERS = frozenset("a an the is are another one two three four five some his her their its".split())
_AND = frozenset("and or & , ; while as".split())


class Exchange(NamedTuple):
    """Two slots that change places."""

    first: int
    second: int


def _head(analysis: Analysis, i: int, index: LexiconIndex) -> Entry | str | None:
    """What modifier slot `i` describes: the next slot, if it is a noun close by without a mark, or the next word."""
    concepts, slots = index.lexicon.concepts, analysis.slots
    while (
        i + 1 < len(slots)
        and slots[i + 1].start == slots[i].end
        and concepts[slots[i + 1].reading.entry.concept].modifier
    ):
        i += 1
    slot = slots[i]
    if i + 1 < len(slots):
        head = analysis.slots[i + 1]
        between = analysis.words[slot.end : head.start]
        is_noun = index.lexicon.concepts[head.reading.entry.concept].is_nouns
        if is_noun and len(between) <= LONGEST_PHRASE and all(w.isalpha() and w not in ("and", "or") for w in between):
            return head.reading.entry
        if not between:
            return None
    word = "".join(analysis.words[slot.end : slot.end + 1])
    return word if word.isalpha() and may_be_noun(word) else None


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
                if one is None or other is None or _may_be_same(one, other, index):
                    continue
            elif not _differ_in_role(analysis, i, j, index):
                continue
            if not _repeats_word(analysis.words, first, second) and not _is_stated(
                analysis.words, first, second, other_captions
            ):
                exchanges.append(Exchange(i, j))
    return exchanges


def _repeats_word(words: Sequence[str], first: Slot, second: Slot) -> bool:
    """Whether an exchange puts a word beside itself: "a red car and a red and blue bus"."""
    pairs = ((first, second), (second, first))
    return any(
        words[new.start] in (*words[max(0, at.start - 2) : at.start], *words[at.end : at.end + 2]) for at, new in pairs
    )


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


def _may_be_same(first: Entry | str, second: Entry | str, index: LexiconIndex) -> bool:
    """Whether two nouns can name the same thing: "a red car and a blue vehicle"."""
    if isinstance(first, str) or isinstance(second, str):
        forms = [{noun} if isinstance(noun, str) else {*noun.forms} for noun in (first, second)]
        return not forms[0].isdisjoint(forms[1])
    return first.concept == second.concept and second.name in index.lexicon.implied(first)


def _differ_in_role(analysis: Analysis, i: int, j: int, index: LexiconIndex) -> bool:
    """Whether two words that are no modifiers stand for things of which the caption says different things."""
    first, second = analysis.slots[i], analysis.slots[j]
    if first.reading.entry.concept == "location":
        # "a dog on the left and a cat on the right"
        return any(slot.reading.is_noun for slot in analysis.slots[i + 1 : j])
    if not first.reading.is_noun or _is_pronoun_bound(analysis.words, first, second, index):
        return False
    inner = _words_between(analysis, i, j, index)
    if inner and all(word in _ACTS for word in inner):
        return True
    if not inner and any(_is_asymmetric(slot) for slot in analysis.slots[i + 1 : j]):
        return first.reading.entry.kind not in PLACES
    one, other = _attribute(analysis, i), _attribute(analysis, j)
    words = analysis.words[first.end : second.start]
    if not _AND.isdisjoint(words):
        # "a man holding a dog and a woman": the second noun can be one more thing that the first holds.
        return bool(one and other) and one != other
    text = f" {' '.join(words)} "
    return one != other and any(f" {name} " in text for name in SYMMETRIC_WORDS)


def _words_between(analysis: Analysis, i: int, j: int, index: LexiconIndex) -> list[str]:
    """The words between two slots, without determiners, modifiers and relations."""
    words: list[str] = []
    start = analysis.slots[i].end
    for slot in analysis.slots[i + 1 : j + 1]:
        words += analysis.words[start : slot.start]
        concept = index.lexicon.concepts[slot.reading.entry.concept]
        if slot is not analysis.slots[j] and concept.is_nouns:
            words += analysis.words[slot.start : slot.end]
        start = slot.end
    return [word for word in words if word not in _FILLERS]


def _attribute(analysis: Analysis, i: int) -> list[str]:
    """The words directly after noun slot `i` that say what it alone wears, holds or does; none if nothing does."""
    start = analysis.slots[i].end
    nouns = [slot for slot in analysis.slots[i + 1 : i + 4] if slot.reading.is_noun]
    end = nouns[0].end if nouns else start + 2
    start += analysis.words[start : start + 1] in (["is"], ["who"], ["that"])
    is_worn = bool(nouns) and nouns[0].reading.entry.kind in CLOTHES and analysis.words[start] in ("in", "with")
    return (
        analysis.words[start:end] if is_worn or not _ATTRIBUTES.isdisjoint(analysis.words[start : start + 1]) else []
    )


def _is_pronoun_bound(words: Sequence[str], first: Slot, second: Slot, index: LexiconIndex) -> bool:
    """Whether a pronoun of the caption does not agree with one of the two nouns: "a man and his daughter"."""
    disagree = index.lexicon.concepts[first.reading.entry.concept].disagree
    names = {first.reading.entry.name, second.reading.entry.name}
    return any(not names.isdisjoint(disagree[word]) for word in disagree.keys() & set(words))


def _is_asymmetric(slot: Slot) -> bool:
    entry = slot.reading.entry
    return entry.concept == "location" and entry.name not in SYMMETRIC_WORDS
