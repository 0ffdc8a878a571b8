"""Find the slots of a caption, words that another word of the same class could replace, and all that it mentions."""

from collections.abc import Iterable, Sequence, Set
from functools import reduce
from operator import or_
from typing import NamedTuple

from ..lexicon.index import LexiconIndex, Phrase, Phrases, Reading
from ..lexicon.noun_phrases import choose_by_noun
from ..lexicon.tagging import NOUN_TAGS, SHOWN, Tags, Window, choose_reading, may_be_noun, tag_windows
from ..lexicon.words import is_title, split_words, written_words
from .denials import DENIERS, denied_words
from .foreign import looks_foreign


# Right after "of", or without one of these up to `NEAR` words before it, a noun that does not inflect is a plural:
# "a herd of sheep", "they feed sheep".
NEAR = 3
SINGULAR = frozenset("a an another each every her his its lone my one our single that the their this".split())
# A slot can be tied to the word before it ("coin purse"), to the word after it ("outside reading"), or to the two
# words after it ("jar of honey").
BEFORE, AFTER, BOTH_AFTER = TIES = (1, 2, 4)
# After these words a mass noun and a count noun fit alike.
DEFINITE = frozenset("the his her its their our your my this that".split())
OWNERS = ("'s", "’s")
SENTENCE_ENDS = frozenset('.!?:"')
# No plural noun follows these; a word with a plural's ending is a verb there.
NO_PLURAL = frozenset("a an another each every he it one she somebody someone who".split())


class Slot(NamedTuple):
    """Words of a caption that another form could replace.

    Attributes:
        start: Index of the first word.
        end: Index after the last word.
        reading: What the words mean.
        of_class: The class of the forms that fit.
        ties: Bits of `TIES`. A tied slot takes only forms that captions have beside the same words.
        rest: Bits of the forms of the class that the rest of the caption mentions or implies.
    """

    start: int
    end: int
    reading: Reading
    of_class: int
    ties: int
    rest: bytes = b""


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
        for found in phrases[padded[at]].starting_with(padded[at + 1]):
            size = found.size
            end = at + size
            if size > 2 and tuple(padded[at:end]) != found.words:
                continue
            phrase = found if found.by_noun is None else choose_by_noun(found.by_noun, padded, at, end)
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
    # "the dog's head" mentions a dog, but holds no slot.
    for at, word in enumerate(words):
        if word.endswith(OWNERS) and word[:-2] in phrases:
            hits += [(at, phrase._replace(readings=(), hides=0), None) for phrase in phrases[word[:-2]].single]
    return hits


def _choose_slots(
    words: Sequence[str], hits: Sequence[Hit], tags: dict[Window, Tags], index: LexiconIndex
) -> list[Slot]:
    """Choose the longest phrases whose meaning fits, without overlap; an idiom gives no slot."""
    slots: list[Slot] = []
    denied = () if DENIERS.isdisjoint(words) else denied_words(words)
    free = 0
    actors: set[int] = set()  # where the words end that name somebody
    for start, phrase, window in hits:
        if start < free:
            continue
        if phrase.hides:
            free = start + phrase.hides
        elif phrase.readings:
            before = words[start - 1] if start else ""
            phrase = _in_context(phrase, words, before, hits)
            if start in denied or not phrase.readings:
                continue
            if phrase.readings[0].acts:
                actors.add(start + phrase.size)
            seen = tags[window] if window else None
            reading = (
                choose_reading(phrase, index.lexicon.concepts, seen, window) if window and seen else phrase.readings[0]
            )
            if reading is None:
                continue
            if len(phrase.readings) > 1 and (
                before == "of" or SINGULAR.isdisjoint(words[max(0, start - NEAR) : start])
            ):
                reading = next((r for r in phrase.readings if r.entry == reading.entry and r.number), reading)
            is_verb = start in actors or (reading.number and before in NO_PLURAL)
            if reading.is_noun and is_verb and not reading.acts:
                continue  # "a boy skateboards", "she skates"
            free = start + phrase.size
            ties = AFTER if reading.relates else 0
            if reading.is_noun:
                if free < len(words) and words[free] == "of":
                    ties = BOTH_AFTER
                if seen and seen.before in NOUN_TAGS and before not in index.modifiers:
                    ties |= BEFORE
            of_class = reading.of_class if before in DEFINITE else reading.bare
            slots.append(Slot(start, free, reading, of_class, ties))
    return slots


def _in_context(phrase: Phrase, words: Sequence[str], before: str, hits: Sequence[Hit]) -> Phrase:
    """The phrase with those of its readings that the rest of the caption allows."""
    if not any(reading.after or reading.otherwise or reading.wholes for reading in phrase.readings):
        return phrase
    mentioned = {mention for _, other, _ in hits for mention in other.mentions}
    readings = tuple(
        reading
        for reading in phrase.readings
        if (not reading.after or before in reading.after)
        and reading.otherwise.isdisjoint(words)
        and reading.wholes.isdisjoint(mentioned)
    )
    return phrase._replace(readings=readings)


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
    captions = list(captions)
    words = [split_words(caption) for caption in captions]
    hits = [_find_hits(of_caption, index.phrases, index.modifiers) for of_caption in words]
    tags = tag_windows([window for found in hits for _, _, window in found if window])
    return [
        Analysis(
            of_caption,
            [] if looks_foreign(of_caption) else _find_slots(caption, of_caption, found, tags, index),
            [mention for _, phrase, _ in found for mention in phrase.mentions],
        )
        for caption, of_caption, found in zip(captions, words, hits, strict=True)
    ]


def _find_slots(
    caption: str, words: Sequence[str], hits: Sequence[Hit], tags: dict[Window, Tags], index: LexiconIndex
) -> list[Slot]:
    return _with_rest(_outside_names(caption, _choose_slots(words, hits, tags, index), index), hits, index)


def _with_rest(slots: list[Slot], hits: Sequence[Hit], index: LexiconIndex) -> list[Slot]:
    """The slots, with `Slot.rest` set."""
    risks = [
        (start, start + phrase.size, reduce(or_, map(index.risks.__getitem__, phrase.mentions), 0))
        for start, phrase, _ in hits
    ]
    found = []
    for slot in slots:
        outside = reduce(or_, [bits for start, end, bits in risks if end <= slot.start or start >= slot.end], 0)
        span = index.byte_spans[slot.of_class]
        size = span.stop - span.start
        found.append(slot._replace(rest=(outside >> 8 * span.start & (1 << 8 * size) - 1).to_bytes(size, "little")))
    return found


def _outside_names(caption: str, slots: list[Slot], index: LexiconIndex) -> list[Slot]:
    """The slots that are no part of a name, such as "Ocean" in "the Ocean Blue Company".

    A name has two words with capitals beside each other within a sentence. In a title that means nothing, nor does it
    for a word that always has one ("Nintendo Wii").
    """
    if not slots or caption[1:].islower():
        return slots
    words = written_words(caption)
    if is_title(words):
        return slots

    always = {word for form in index.written.values() for word in form.split()}

    def is_name(at: int) -> bool:
        is_inside = 0 < at < len(words) and words[at - 1] not in SENTENCE_ENDS
        return is_inside and words[at].istitle() and words[at] not in always

    return [slot for slot in slots if not (is_name(slot.start) and (is_name(slot.start - 1) or is_name(slot.end)))]


def find_mentions(text: str, index: LexiconIndex) -> list[int]:
    """The mentions of a text, in any meaning: the tagger does not run."""
    hits = _find_hits(split_words(text), index.phrases, index.modifiers)
    return [mention for _, phrase, _ in hits for mention in phrase.mentions]
