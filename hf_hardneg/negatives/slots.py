"""Find the slots of a caption, words that another word of the same class could replace, and all that it mentions."""

from collections.abc import Iterable, Sequence, Set
from typing import NamedTuple

from ..lexicon.index import LexiconIndex, Phrase, Phrases, Reading
from ..lexicon.noun_phrases import choose_by_noun
from ..lexicon.tagging import NOUN_TAGS, SHOWN, Tags, Window, choose_reading, may_be_noun, tag_windows
from ..lexicon.words import split_words


# Up to two words after these, another word makes no false caption: "a truck with no bed".
NEGATIONS = frozenset("no not without never nothing isn't aren't doesn't".split())
# A slot can be tied to the word before it ("coin purse"), to the word after it ("outside reading"), or to the two
# words after it ("jar of honey").
BEFORE, AFTER, BOTH_AFTER = TIES = (1, 2, 4)
# After these words a mass noun and a count noun fit alike.
DEFINITE = frozenset("the his her its their our your my this that".split())


class Slot(NamedTuple):
    """Words of a caption that another form could replace.

    Attributes:
        start: Index of the first word.
        end: Index after the last word.
        reading: What the words mean.
        of_class: The class of the forms that fit.
        ties: Bits of `TIES`. A tied slot takes only forms that captions have beside the same words.
    """

    start: int
    end: int
    reading: Reading
    of_class: int
    ties: int


class Analysis(NamedTuple):
    """A caption's words, its slots in order without overlap, and the indices of its mentions."""

    words: list[str]
    slots: list[Slot]
    mentions: list[int]


Hit = tuple[int, Phrase, Window | None]
"""The index of a phrase's first word, the phrase, and the window for the tagger, if the tagger decides."""


def _find_hits(words: Sequence[str], phrases: Phrases, modifiers: Set[str]) -> list[Hit]:
    """Find every phrase of the lexicon in a caption; at each word the longest comes first."""
    hits: list[Hit] = []
    hidden = -1  # the last word of a phrase that hides the hypernym which it ends with
    edge = [""] * SHOWN
    padded = [*edge, *words, *edge]
    for at in [i for i, word in enumerate(padded) if word in phrases]:
        for phrase in phrases[padded[at]].starting_with(padded[at + 1]):
            size = phrase.size
            end = at + size
            if size > 2 and tuple(padded[at:end]) != phrase.words:
                continue
            if phrase.by_noun is not None:
                phrase = choose_by_noun(phrase.by_noun, padded, at, end)
                if phrase is None:
                    continue
            _, _, readings, _, _, ask_tagger, hides_hypernym, _ = phrase
            if at == hidden and not readings:
                continue
            if hides_hypernym:
                hidden = end - 1
            before = padded[at - 1]
            if ask_tagger == "always" or (
                ask_tagger == "neighbors"
                and (may_be_noun(padded[end]) or (before not in modifiers and may_be_noun(before)))
            ):
                hits.append((at - SHOWN, phrase, tuple(padded[at - SHOWN : end + SHOWN])))
            else:
                hits.append((at - SHOWN, phrase, None))
    return hits


def _choose_slots(
    words: Sequence[str], hits: Iterable[Hit], tags: dict[Window, Tags], index: LexiconIndex
) -> list[Slot]:
    """Choose the longest phrases whose meaning fits, without overlap; an idiom gives no slot."""
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
    """Find the slots and mentions of captions. The tagger runs once for all windows that need it.

    Args:
        captions: B captions.
        index: The vocabulary.

    Returns:
        B analyses, in order.

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
    """The mentions of a text, in any meaning: the tagger does not run."""
    hits = _find_hits(split_words(text), index.phrases, index.modifiers)
    return [mention for _, phrase, _ in hits for mention in phrase.mentions]
