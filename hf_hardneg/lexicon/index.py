"""A lexicon compiled for speed: phrases by their first words, and which form may replace which as matrices."""

from collections import defaultdict
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from .concepts import CONCEPTS, Concept, Entry, FileVersion, Lexicon, file_versions, load_lexicon


class Reading(NamedTuple):
    """One meaning of a phrase.

    Attributes:
        entry: The entry of the vocabulary.
        of_class: The class of forms that fit after "the" and the like.
        bare: The class of forms that fit anywhere else. "The water" and "the street" are alike, "water" and "a street"
            are not.
        form: The index of the phrase among the forms of these classes.
        number: 0 for the singular, 1 for the plural.
        is_noun: Whether the phrase is always a noun.
        relates: Whether it relates two things, as "on" does.
        wholes: Mentions of which it is a part. Beside one of them it is no slot.
        otherwise: Words of a caption that give the phrase another meaning.
        after: Words of which one must stand before the phrase; empty if any may.
        acts: Whether it names somebody who acts, so that the next word may be a verb.
    """

    entry: Entry
    of_class: int
    bare: int
    form: int
    number: int
    is_noun: bool
    relates: bool
    wholes: frozenset[int]
    otherwise: frozenset[str]
    after: frozenset[str]
    acts: bool


class Phrase(NamedTuple):
    """A surface form, hypernym or idiom.

    Attributes:
        words: Its lower-case words.
        size: The number of words.
        readings: Its meanings that can be swapped. Hypernyms and idioms have none.
        mentions: The mentions of a text that holds it, as indices of `LexiconIndex.mentions`.
        hides: How many of its words give no slot, as they have another meaning together: all of an idiom, the first
            of a fixed phrase such as "brown bear".
        ask_tagger: When the tagger decides on the meaning: "never", "always", or "neighbors", which is if the words
            beside it allow two meanings.
        hides_hypernym: Whether its last word is a hypernym of it, such as "player" in "tennis player". That word is
            then no mention of its own.
        by_noun: What the phrase means, if the noun after it decides.
    """

    words: tuple[str, ...]
    size: int
    readings: tuple[Reading, ...]
    mentions: tuple[int, ...]
    hides: int
    ask_tagger: str
    hides_hypernym: bool
    by_noun: "NounChoice | None" = None


class NounChoice(NamedTuple):
    """What a phrase means before each type of noun, such as "on" before "a table" or "a sunny day".

    Attributes:
        concept: Lists the types of nouns.
        phrases: The phrase with one meaning, by type of noun.
        plain: The phrase before any other noun, or beside a word of `Concept.not_after` or `not_before`. None: it
            means nothing there.
    """

    concept: Concept
    phrases: dict[str, Phrase]
    plain: Phrase | None


class PhraseGroup(NamedTuple):
    """The phrases that start with one word.

    Attributes:
        single: Phrases of this one word.
        longer: By second word: phrases of two words and more, longest first, then those of one word.
    """

    single: list[Phrase]
    longer: dict[str, list[Phrase]]

    def starting_with(self, second: str) -> list[Phrase]:
        """The phrases that may stand where `second` is the next word, longest first."""
        return self.longer.get(second) or self.single


Phrases = dict[str, PhraseGroup]
"""The phrases of a vocabulary by their first word."""


class SwapClass:
    """Forms that fit the same slot: one kind of one concept, in the singular or in the plural.

    A kind with mass nouns has two classes. After "the" and the like all its forms replace each other. Elsewhere mass
    nouns replace only mass nouns, and other nouns only other nouns.

    Attributes:
        concept: Name of the concept.
        forms: V lower-case forms.
        opposed: (V, V), 1 where form j can replace form i, else 0. Symmetric.
        opposed_bits: (V, ceil(V / 8)) uint8, the same as bits.
        risk_bits: (M, ceil(V / 8)) uint8, bits: whether form j may be true of an image whose text has mention m.
    """

    def __init__(self, concept: str, forms: list[str], opposed: np.ndarray, risks: np.ndarray) -> None:
        """Pack the matrices; `risks` is (V, M), 0 or 1."""
        self.concept, self.forms, self.opposed = concept, forms, opposed
        self.opposed_bits = np.packbits(opposed > 0, axis=1, bitorder="little")
        self.risk_bits = np.packbits(risks.T > 0, axis=1, bitorder="little")


class LexiconIndex:
    """The compiled lexicon.

    Attributes:
        lexicon: The lexicon that it was made from.
        phrases: All surface forms, hypernyms and idioms.
        mentions: The index of each (concept, name) that a text can mention; there are M.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self.mentions: dict[tuple[str, str], int] = {}
        for concept in lexicon.concepts.values():
            names = [concept.mention_name(entry.kind, entry.name) for entry in concept.entries]
            for name in names + list(concept.hypernyms):
                self.mentions.setdefault((concept.name, name), len(self.mentions))
        self._members: dict[tuple[str, str, int], list[tuple[str, Entry]]] = defaultdict(list)
        for concept in lexicon.concepts.values():
            for entry in concept.entries:
                for number, form in enumerate(entry.forms):
                    if form:
                        self._members[concept.name, entry.kind, number].append((form, entry))
        keys = [
            (*key, is_bare) for key in self._members for is_bare in ((False, True) if self._mixes(key) else (False,))
        ]
        self._class_ids = {key: i for i, key in enumerate(keys)}
        self.phrases = self._phrases()

    def mentions_of(self, concept: str, name: str) -> list[int]:
        """The mentions of a name of a concept, in any of its kinds."""
        of_concept = self.lexicon.concepts[concept]
        names = dict.fromkeys([name, *(of_concept.mention_name(kind, name) for kind in of_concept.before)])
        return [self.mentions[concept, one] for one in names if (concept, one) in self.mentions]

    def _mixes(self, key: tuple[str, str, int]) -> bool:
        """Whether a kind has both mass nouns and other nouns."""
        mass = self.lexicon.concepts[key[0]].mass
        return len({entry.name in mass for _, entry in self._members[key]}) > 1

    @cached_property
    def classes(self) -> list[SwapClass]:
        """All classes, in the order of the vocabulary files."""
        return [self._swap_class(key[0], self._members[key[:3]], key[3]) for key in self._class_ids]

    @cached_property
    def modifiers(self) -> frozenset[str]:
        """Words that describe the noun after them: modifiers such as colors, and attributive nouns."""
        concepts = self.lexicon.concepts.values()
        words = {form for c in concepts if c.modifier for entry in c.entries for form in entry.forms}
        return frozenset(words.union(*(concept.attributive for concept in concepts)))

    @cached_property
    def byte_spans(self) -> list[slice]:
        """For each class, the bytes of its forms in bit sets over the forms of all classes."""
        ends = np.cumsum([of_class.opposed_bits.shape[1] for of_class in self.classes]).tolist()
        return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    @cached_property
    def risks(self) -> list[int]:
        """For each mention, a bit set over the forms of all classes, as one integer: those that may then be true."""
        rows = np.concatenate([of_class.risk_bits for of_class in self.classes], axis=1)
        return [int.from_bytes(row.tobytes(), "little") for row in rows]

    @cached_property
    def disagreements(self) -> dict[str, int]:
        """For each word that some forms do not go with, such as "his": the bit set of these forms, as in `risks`."""
        bits: dict[str, int] = defaultdict(int)
        for key, span in zip(self._class_ids, self.byte_spans, strict=True):
            for word, names in self.lexicon.concepts[key[0]].disagree.items():
                for i, (_, entry) in enumerate(self._members[key[:3]]):
                    bits[word] |= (entry.name in names) << (8 * span.start + i)
        return dict(bits)

    @cached_property
    def governed(self) -> dict[str, int]:
        """For each word or phrase that some forms cannot follow, such as "loaf of": their bit set, as in `risks`."""
        bits: dict[str, int] = defaultdict(int)
        for key, span in zip(self._class_ids, self.byte_spans, strict=True):
            concept = self.lexicon.concepts[key[0]]
            for told, is_fit in ((concept.unfit, False), (concept.fit, True)):
                for words, names in told.items():
                    for i, (_, entry) in enumerate(self._members[key[:3]]):
                        bits[words] |= ((entry.name in names) != is_fit) << (8 * span.start + i)
        return dict(bits)

    @cached_property
    def written(self) -> dict[str, str]:
        """From lower-case forms to how they are written, where that differs: "tv" to "TV"."""
        return {form: own for concept in self.lexicon.concepts.values() for form, own in concept.written.items()}

    def _swap_class(self, concept: str, members: list[tuple[str, Entry]], is_bare: bool) -> SwapClass:
        size = len(members)
        opposed = np.zeros((size, size))
        mass = self.lexicon.concepts[concept].mass
        risks = np.zeros((size, len(self.mentions)), dtype=bool)
        for i, (_, entry) in enumerate(members):
            names = {other.name for other in self.lexicon.opposed(entry)}
            same = [not is_bare or (other.name in mass) == (entry.name in mass) for _, other in members]
            opposed[i] = [other.name in names and fits for (_, other), fits in zip(members, same, strict=True)]
            for name in () if self.lexicon.concepts[concept].repeats else self.lexicon.implied(entry):
                for said in {name, self.lexicon.concepts[concept].mention_name(entry.kind, name)}:
                    if (concept, said) in self.mentions:
                        risks[i, self.mentions[concept, said]] = 1
        return SwapClass(concept, [form for form, _ in members], opposed, risks)

    def _phrases(self) -> Phrases:
        readings: dict[tuple[str, ...], list[Reading]] = defaultdict(list)
        mentions: dict[tuple[str, ...], set[int]] = defaultdict(set)
        for key, members in self._members.items():
            concept, number, of_class = key[0], key[2], self._class_ids[*key, False]
            of_concept = self.lexicon.concepts[concept]
            bare = self._class_ids.get((*key, True), of_class)
            for i, (form, entry) in enumerate(members):
                wholes = of_concept.parts.get(entry.name, ())
                reading = Reading(
                    entry,
                    of_class,
                    bare,
                    i,
                    number,
                    of_concept.is_nouns,
                    "IN" in of_concept.tags,
                    frozenset(mention for name in wholes for mention in self.mentions_of(concept, name)),
                    of_concept.otherwise.get((entry.kind, form), frozenset()),
                    of_concept.after.get(entry.kind, frozenset()),
                    entry.kind in of_concept.subjects,
                )
                # An article that ends a form is "a" or "an" as the word after it wants.
                for spelled in (form, f"{form}n") if form.endswith(" a") else (form,):
                    words = tuple(spelled.split())
                    readings[words].append(reading)
                    if entry.kind not in of_concept.before:
                        mentions[words].add(self.mentions[concept, entry.name])
        for words, above in self.lexicon.hypernyms.items():
            mentions[words].update(self.mentions[pair] for pair in above)
        groups: Phrases = {}
        idioms, fixed = self.lexicon.idioms, self.lexicon.fixed
        for words in {**readings, **mentions, **dict.fromkeys(sorted(idioms | fixed))}:
            of_phrase = tuple(readings.get(words, ()))
            phrase = Phrase(
                words,
                len(words),
                of_phrase,
                tuple(sorted(mentions.get(words, ()))),
                len(words) * (words in idioms) or int(words in fixed),
                self._ask_tagger(words, of_phrase),
                self._hides_hypernym(words, of_phrase),
            )
            phrase = self._choose_by_noun(phrase)
            group = groups.setdefault(words[0], PhraseGroup([], {}))
            (group.longer.setdefault(words[1], []) if len(words) > 1 else group.single).append(phrase)
        for group in groups.values():
            for second, longer in group.longer.items():
                group.longer[second] = [*sorted(longer, key=lambda phrase: -phrase.size), *group.single]
        return groups

    def _choose_by_noun(self, phrase: Phrase) -> Phrase:
        """Add `Phrase.by_noun`, if a kind of its readings stands only before some types of nouns."""
        concepts = self.lexicon.concepts
        typed = [r for r in phrase.readings if r.entry.kind in concepts[r.entry.concept].before]
        if not typed:
            return phrase
        concept = concepts[typed[0].entry.concept]
        untyped = tuple(reading for reading in phrase.readings if reading not in typed)
        plain = phrase._replace(readings=untyped, ask_tagger=self._ask_tagger(phrase.words, untyped))
        phrases = {}
        for reading in typed:
            if reading.entry.concept == concept.name:
                said = self.mentions[concept.name, concept.mention_name(reading.entry.kind, reading.entry.name)]
                one = plain._replace(
                    readings=(reading,), mentions=(*plain.mentions, said), hides=0, ask_tagger="never"
                )
                phrases.update(dict.fromkeys(concept.before[reading.entry.kind], one))
        return plain._replace(by_noun=NounChoice(concept, phrases, plain if untyped or plain.mentions else None))

    def _hides_hypernym(self, words: tuple[str, ...], readings: tuple[Reading, ...]) -> bool:
        """See `Phrase.hides_hypernym`."""
        concepts = self.lexicon.concepts
        return len(words) > 1 and any(
            (reading.entry.concept == concept and reading.entry.name in concepts[concept].hypernyms[form])
            for reading in readings
            for concept, form in self.lexicon.hypernyms.get(words[-1:], ())
        )

    def _ask_tagger(self, words: tuple[str, ...], readings: tuple[Reading, ...]) -> str:
        """See `Phrase.ask_tagger`."""
        if not readings:
            return "never"
        concept = self.lexicon.concepts[readings[0].entry.concept]
        if len(readings) > 1 or concept.is_ambiguous(words):
            return "always"  # "sheep" is singular and plural, "orange" is a fruit and a color
        return "neighbors" if concept.is_nouns else "never"


def load_index(names: tuple[str, ...] = CONCEPTS) -> LexiconIndex:
    """Load and compile a lexicon once per process, and again when a vocabulary file has changed.

    Args:
        names: As `load_lexicon` takes them.

    Raises:
        ValueError: If a vocabulary is missing or broken.
    """
    return _compile(names, file_versions(names))


@lru_cache
def _compile(names: tuple[str, ...], versions: tuple[FileVersion, ...]) -> LexiconIndex:
    return LexiconIndex(load_lexicon(names))
