"""A lexicon compiled for speed: phrases by first word, and who may replace whom as matrices."""

from collections import defaultdict
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from .concepts import CONCEPTS, Entry, Lexicon, load_lexicon


class Reading(NamedTuple):
    """What a phrase can mean: an entry's singular (0) or plural (1), form `place` of two classes.

    It `is_noun` and nothing else, or `relates` what stands before it to what stands after it, or neither.

    Class `of_class` is that of definite places, `bare` that of all others.

    "the water" and "the street" fit the same places, "huge water" and "a huge street" do not.
    """

    entry: Entry
    of_class: int
    bare: int
    place: int
    number: int
    is_noun: bool
    relates: bool


class Phrase(NamedTuple):
    """A surface form, hypernym or idiom.

    Attributes:
        words: Its lower-case words.
        size: How many they are.
        readings: What it can be swapped as; none for hypernyms and idioms.
        mentions: What a text that has it mentions.
        is_idiom: Whether its words do not mean their usual thing.
        ask: When the tagger has to say what is meant: "never", "always", or if the "neighbors" leave it open.
        says_more: Whether its last word is a hypernym of it, which says nothing then: the "player" of "tennis player".
    """

    words: tuple[str, ...]
    size: int
    readings: tuple[Reading, ...]
    mentions: tuple[int, ...]
    is_idiom: bool
    ask: str
    says_more: bool


Phrases = dict[str, dict[str, list[Phrase]]]
"""Phrases by first and second word, longest first, then those of one word; under "" there are only these."""


class SwapClass:
    """Forms that fit the same slot: those of one kind of one concept in one number.

    Kinds with mass nouns have two classes: in that of definite places all forms replace each other, in the bare one
    mass nouns replace mass nouns and others others.

    Attributes:
        concept: Name of the concept.
        forms: V lower-case forms.
        opposed: (V, V) of 0 and 1: whether form j can replace form i. Symmetric.
        opposed_bits: (V, ceil(V / 8)) the same as bits.
        risk_bits: (M, ceil(V / 8)) bits: whether a mention of the index tells that form j may be true of the image.
    """

    def __init__(self, concept: str, forms: list[str], opposed: np.ndarray, risks: np.ndarray) -> None:
        """Take risks (V, M) of 0 and 1."""
        self.concept, self.forms, self.opposed = concept, forms, opposed
        self.opposed_bits = np.packbits(opposed > 0, axis=1, bitorder="little")
        self.risk_bits = np.packbits(risks.T > 0, axis=1, bitorder="little")


class LexiconIndex:
    """`phrases`, `classes` of forms that replace each other, and M `mentions`."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self.mentions: dict[tuple[str, str], int] = {}
        for concept in lexicon.concepts.values():
            for name in [entry.name for entry in concept.entries] + list(concept.hypernyms):
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

    def _mixes(self, key: tuple[str, str, int]) -> bool:
        """Whether a kind has mass nouns and others."""
        mass = self.lexicon.concepts[key[0]].mass
        return len({entry.name in mass for _, entry in self._members[key]}) > 1

    @cached_property
    def classes(self) -> list[SwapClass]:
        """All classes, in the order of the vocabulary files."""
        return [self._swap_class(key[0], self._members[key[:3]], key[3]) for key in self._class_ids]

    @cached_property
    def modifiers(self) -> frozenset[str]:
        """Words that describe the noun after them: those of such concepts, and attributive nouns."""
        concepts = self.lexicon.concepts.values()
        words = {form for c in concepts if c.modifier for entry in c.entries for form in entry.forms}
        return frozenset(words.union(*(concept.attributive for concept in concepts)))

    @cached_property
    def byte_spans(self) -> list[slice]:
        """Where the bits of each class's forms stand among those of all classes."""
        ends = np.cumsum([of_class.opposed_bits.shape[1] for of_class in self.classes]).tolist()
        return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    @cached_property
    def risks(self) -> list[int]:
        """For each mention, as the bits of one integer, which forms of all classes may be true where it stands."""
        rows = np.concatenate([of_class.risk_bits for of_class in self.classes], axis=1)
        return [int.from_bytes(row.tobytes(), "little") for row in rows]

    @cached_property
    def disagreements(self) -> dict[str, int]:
        """For each word that some forms do not agree with, which ones, as in `risks`."""
        found: dict[str, int] = defaultdict(int)
        for key, span in zip(self._class_ids, self.byte_spans, strict=True):
            for word, names in self.lexicon.concepts[key[0]].disagree.items():
                for place, (_, entry) in enumerate(self._members[key[:3]]):
                    found[word] |= (entry.name in names) << (8 * span.start + place)
        return dict(found)

    def _swap_class(self, concept: str, members: list[tuple[str, Entry]], is_bare: bool) -> SwapClass:
        size = len(members)
        opposed = np.zeros((size, size))
        mass = self.lexicon.concepts[concept].mass
        risks = np.zeros((size, len(self.mentions)), dtype=bool)
        for i, (_, entry) in enumerate(members):
            names = {other.name for other in self.lexicon.opposed(entry)}
            same = [not is_bare or (other.name in mass) == (entry.name in mass) for _, other in members]
            opposed[i] = [other.name in names and fits for (_, other), fits in zip(members, same, strict=True)]
            for name in self.lexicon.implied(entry):
                risks[i, self.mentions[concept, name]] = 1
        return SwapClass(concept, [form for form, _ in members], opposed, risks)

    def _phrases(self) -> Phrases:
        readings: dict[tuple[str, ...], list[Reading]] = defaultdict(list)
        mentions: dict[tuple[str, ...], set[int]] = defaultdict(set)
        for key, members in self._members.items():
            concept, number, of_class = key[0], key[2], self._class_ids[*key, False]
            is_noun, relates = self.lexicon.concepts[concept].is_nouns, "IN" in self.lexicon.concepts[concept].tags
            bare = self._class_ids.get((*key, True), of_class)
            for place, (form, entry) in enumerate(members):
                words = tuple(form.split())
                readings[words].append(Reading(entry, of_class, bare, place, number, is_noun, relates))
                mentions[words].add(self.mentions[concept, entry.name])
        for words, above in self.lexicon.hypernyms.items():
            mentions[words].update(self.mentions[pair] for pair in above)
        phrases: dict[str, dict[str, list[Phrase]]] = defaultdict(lambda: {"": []})
        for words in {**readings, **mentions, **dict.fromkeys(sorted(self.lexicon.idioms))}:
            found = tuple(readings.get(words, ()))
            of_phrase = tuple(sorted(mentions.get(words, ())))
            is_idiom, ask = words in self.lexicon.idioms, self._ask(words, found)
            phrase = Phrase(words, len(words), found, of_phrase, is_idiom, ask, self._says_more(words, found))
            phrases[words[0]].setdefault(words[1] if len(words) > 1 else "", []).append(phrase)
        for by_second in phrases.values():
            for second, longer in by_second.items():
                if second:
                    by_second[second] = [*sorted(longer, key=lambda phrase: -phrase.size), *by_second[""]]
        return dict(phrases)

    def _says_more(self, words: tuple[str, ...], readings: tuple[Reading, ...]) -> bool:
        """See `Phrase.says_more`."""
        concepts = self.lexicon.concepts
        return len(words) > 1 and any(
            (reading.entry.concept == concept and reading.entry.name in concepts[concept].hypernyms[form])
            for reading in readings
            for concept, form in self.lexicon.hypernyms.get(words[-1:], ())
        )

    def _ask(self, words: tuple[str, ...], readings: tuple[Reading, ...]) -> str:
        """When the tagger has to look at a phrase; see `Phrase.ask`."""
        if not readings:
            return "never"
        concept = self.lexicon.concepts[readings[0].entry.concept]
        if len(readings) > 1 or concept.is_ambiguous(words):
            return "always"  # "sheep" is singular and plural, "orange" a fruit and a color
        return "neighbors" if concept.is_nouns else "never"


@lru_cache
def load_index(names: tuple[str, ...] = CONCEPTS) -> LexiconIndex:
    """`load_lexicon`, compiled; kept for the life of the process.

    Raises:
        ValueError: If a vocabulary is missing or broken.
    """
    return LexiconIndex(load_lexicon(names))
