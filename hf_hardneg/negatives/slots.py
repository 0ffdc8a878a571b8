"""Where captions name a concept: slots that another word of the same class could fill, and all that they mention."""

from collections.abc import Iterable, Sequence, Set
from typing import NamedTuple

from ..lexicon.index import LexiconIndex, Phrase, Phrases, Reading
from ..lexicon.tagging import NOUN_TAGS, SHOWN, Tags, Window, choose_reading, may_be_noun, tag_windows
from ..lexicon.words import split_words


# Within two words after these, another word makes no false caption: "a truck with no bed".
NEGATIONS = frozenset("no not without never nothing isn't aren't doesn't".split())
# What a word can be tied to: the word before ("coin purse"), the one after ("outside reading"),
# both after ("jar of honey")
BEFORE, AFTER, BOTH_AFTER = TIES = (1, 2, 4)
# After these, a mass noun and a count noun fit the same place.
DEFINITE = frozenset("the his her its their our your my this that".split())


class Slot(NamedTuple):
    """The words `start:end` of a caption, meant as `reading` says; forms of class `of_class` fit there.

    `ties` has a bit for each of `TIES` that holds: then only forms that captions have in this company fit.
    """

    start: int
    end: int
    reading: Reading
    of_class: int
    ties: int


class Analysis(NamedTuple):
    """A caption's words, its slots in order (never overlapping), and its mentions by `LexiconIndex` (some twice)."""

    words: list[str]
    slots: list[Slot]
    mentions: list[int]


Hit = tuple[int, Phrase, Window | None]
"""The word at which a phrase starts, the phrase, and what the tagger has to be asked, if anything."""


def _find_hits(words: Sequence[str], phrases: Phrases, modifiers: Set[str]) -> list[Hit]:
    """Every phrase of the lexicon in a caption, longest first at each place."""
    hits: list[Hit] = []
    said = -1
    edge = [""] * SHOWN
    padded = [*edge, *words, *edge]
    for at in [i for i, word in enumerate(padded) if word in phrases]:
        by_second = phrases[padded[at]]
        for phrase in by_second.get(padded[at + 1]) or by_second[""]:
            parts, size, readings, _, _, ask, says_more = phrase
            end = at + size
            if (size > 2 and tuple(padded[at:end]) != parts) or (at == said and not readings):
                continue
            if says_more:
                said = end - 1
            before = padded[at - 1]
            if ask == "always" or (
                ask == "neighbors" and (may_be_noun(padded[end]) or (before not in modifiers and may_be_noun(before)))
            ):
                hits.append((at - SHOWN, phrase, tuple(padded[at - SHOWN : end + SHOWN])))
            else:
                hits.append((at - SHOWN, phrase, None))
    return hits


def _choose_slots(
    words: Sequence[str], hits: Iterable[Hit], tags: dict[Window, Tags], index: LexiconIndex
) -> list[Slot]:
    """The longest phrases that are meant so; idioms are stepped over."""
    slots: list[Slot] = []
    free = 0
    for start, phrase, window in hits:
        if start < free:
            continue
        if phrase.is_idiom:
            free = start + phrase.size
        elif phrase.readings:
            seen = tags[window] if window else None
            reading = (
                choose_reading(phrase, index.lexicon.concepts, seen, window) if window and seen else phrase.readings[0]
            )
            if reading is not None and NEGATIONS.isdisjoint(words[max(0, start - 2) : start]):
                free = start + phrase.size
                before = words[start - 1] if start else ""
                ties = AFTER if reading.relates else 0
                if reading.is_noun:
                    if free < len(words) and words[free] == "of":
                        ties = BOTH_AFTER
                    if seen and seen.before in NOUN_TAGS and before not in index.modifiers:
                        ties |= BEFORE
                of_class = reading.of_class if before in DEFINITE else reading.bare
                slots.append(Slot(start, free, reading, of_class, ties))
    return slots


def analyze(captions: Iterable[str], index: LexiconIndex) -> list[Analysis]:
    """Find the slots and mentions of captions; the tagger sees only what their words leave open, all in one pass.

    Examples:
        >>> from hf_hardneg.lexicon.index import load_index
        >>> [found] = analyze(["An orange cat eats an orange."], load_index())
        >>> [(slot.reading.entry.concept, slot.reading.entry.name) for slot in found.slots]
        [('color', 'orange'), ('object', 'cat'), ('object', 'orange')]
    """
    words = [split_words(caption) for caption in captions]
    hits = [_find_hits(of_caption, index.phrases, index.modifiers) for of_caption in words]
    tags = tag_windows([window for found in hits for _, _, window in found if window])
    return [
        Analysis(
            of_caption,
            _choose_slots(of_caption, found, tags, index),
            [mention for _, phrase, _ in found for mention in phrase.mentions],
        )
        for of_caption, found in zip(words, hits, strict=True)
    ]


def find_mentions(text: str, index: LexiconIndex) -> list[int]:
    """The mentions of `LexiconIndex` in any text, in whatever sense: the tagger is not asked."""
    hits = _find_hits(split_words(text), index.phrases, index.modifiers)
    return [mention for _, phrase, _ in hits for mention in phrase.mentions]
