"""Hard positives: rewritten captions that keep the meaning, for `dataset.map`.

Input are captions. Output are up to K rewrites of each: a synonym, a hypernym, or two things in the other order. A
model that ranks such a rewrite low is over-sensitive to harmless changes.

rows.map(AddHardPositives(), batched=True, num_proc=N, features=with_positives(rows.features))
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from ..columns import POSITIVE_FEATURES
from ..data.same_photo import batch_image_ids
from ..file_digests import source_digest
from ..lexicon.concepts import CONCEPTS, Entry, vocabularies_digest
from ..lexicon.index import LexiconIndex, load_index
from ..lexicon.words import word_spans
from .chance import draw_without_order
from .edits import Change, Replacement, replace_words
from .exchanges import SYMMETRIC_WORDS
from .slots import Analysis, Slot, analyze
from .truth_filter import batch_captions


SYNONYM, HYPERNYM, REORDER = "synonym", "hypernym", "reorder"
SOURCES = (
    "lexicon/*",
    "negatives/add_positives.py",
    "negatives/chance.py",
    "negatives/slots.py",
    "negatives/denials.py",
    "negatives/foreign.py",
    "negatives/edits.py",
    "negatives/exchanges.py",
)
# Synonyms that may be put in but are never replaced. They have other meanings ("dirt bike", "on the left of the
# picture"), or their synonym is a rare spelling ("skate board").
KEPT = frozenset(
    "bike; tie; burger; keyboard; bathroom; bedroom; stuffed bear; man; woman; police officer; skateboard; surfboard; "
    "bathtub; smartphone; skateboarder; little; on the left of; on the right of; to the left; to the right".split("; ")
)
# Hypernyms that captions use, with their plurals. Mass nouns such as "furniture" are not among them.
COUNT_NOUNS = {"animal": "animals", "vehicle": "vehicles", "room": "rooms", "board": "boards"}
# Names that no hypernym replaces: people do not call them so ("person", "bird"), or they have other meanings
# ("mouse", "chicken").
NOT_BELOW = frozenset(
    "person; mouse; chicken; lamb; duck; bull; bird; seagull; goose; pigeon; swan; owl; parrot; bicycle; bike; "
    "motorcycle; motorbike; motor bike; airplane; plane; jet; jetliner; airliner; aircraft; train; boat; ship; "
    "scooter; motor scooter; helicopter; wheelchair; trolley; tram; carriage; canoe; kayak; sailboat; raft; "
    "locomotive; cart; wagon; office; hotel room".split("; ")
)
PLURAL_DETERMINERS = frozenset("some two three four five several".split())
DETERMINERS = PLURAL_DETERMINERS | {"a", "an", "the"}
# A noun after one of these is a whole name. After other words it may be half a name ("guinea pig") or a hypernym would
# be odd ("his animal").
BEFORE_NOUN = frozenset(
    "a an the this that one young old cute wild adult fluffy sleeping domestic modern messy parked".split()
)
BEFORE_PLURAL = BEFORE_NOUN | PLURAL_DETERMINERS | frozenset("of with and by for on in at to from near many".split())
PARTICLES = frozenset("on of to the".split())
# After one of these a noun is half of another name: "jet plane".
FIRST_HALVES = frozenset("air jet sea war fighter".split())
# Before these words a relation relates two things, unlike in "under construction".
AFTER_RELATION = DETERMINERS | frozenset("his her their its my this that another other many".split())
# Two things between one of these and the end of a caption can change places without a change of meaning.
BEFORE_PAIR = frozenset(
    "with between has have wearing holding carrying eating containing featuring including having showing".split()
)
PICTURES = frozenset("picture photo photograph image view painting drawing group pair".split())  # before "of"
AFTER_PAIR = frozenset("are sit stand lie lay walk play sleep rest graze together".split())
POSTURES = frozenset("sitting standing lying laying walking playing sleeping resting grazing".split())


class Rewrite(NamedTuple):
    """One rewrite of a caption.

    Attributes:
        concept: Name of the concept whose words change.
        operator: "synonym", "hypernym" or "reorder".
        replacements: What changes, in characters.
    """

    concept: str
    operator: str
    replacements: list[Replacement]


class NounPhrase(NamedTuple):
    """A noun with the words that belong to it, such as "two small dogs".

    Attributes:
        start: Index of the first word.
        end: Index after the last word.
        head: The slot of the noun.
        has_determiner: Whether the phrase starts with an article or a number.
    """

    start: int
    end: int
    head: Slot
    has_determiner: bool


@lru_cache
def _synonyms(index: LexiconIndex) -> dict[Entry, list[Entry]]:
    """The synonyms of each entry that may be replaced."""
    synonyms = {}
    for concept in index.lexicon.concepts.values():
        for entry in concept.entries:
            names = frozenset().union(*(group for group in concept.synonyms if entry.name in group)) - {entry.name}
            if names and entry.name not in KEPT:
                is_typed = entry.kind in concept.before
                synonyms[entry] = [
                    other
                    for other in concept.entries
                    if other.name in names and (not is_typed or other.kind == entry.kind)
                ]
    return synonyms


def _count_mentions(analysis: Analysis, concept: str, name: str, index: LexiconIndex) -> int:
    """How often a caption mentions a name of a concept, in any of its kinds."""
    return sum(map(analysis.mentions.count, index.mentions_of(concept, name)))


def _find_synonyms(analysis: Analysis, i: int, concepts: tuple[str, ...]) -> Iterator[str]:
    """Yield the synonyms of slot `i`, in its number."""
    slot, index = analysis.slots[i], load_index(concepts)
    entry, number = slot.reading.entry, slot.reading.number
    others = _synonyms(index).get(entry)
    if not others or _count_mentions(analysis, entry.concept, entry.name, index) > 1:
        return
    before = analysis.words[slot.start - 1] if slot.start else ""
    after = analysis.words[slot.end] if slot.end < len(analysis.words) else ""
    is_joined = i + 1 < len(analysis.slots) and analysis.slots[i + 1].start == slot.end
    if entry.concept == "size" and not is_joined:
        return  # in "a large number of" and "a small crowded room", "big" or "little" would be odd
    of_relation = entry.kind in index.lexicon.concepts[entry.concept].before
    if entry.concept == "location" and of_relation and not (is_joined or after in AFTER_RELATION):
        return
    if before in FIRST_HALVES:
        return
    for other in others:
        form = other.forms[number] if number < len(other.forms) else ""
        added = set(form.split()).difference(analysis.words[slot.start : slot.end], PARTICLES)
        # No word is repeated, as in "a sofa and a sofa" or "stuffed animals and stuffed bears".
        is_repeated = _count_mentions(analysis, entry.concept, other.name, index) or added.intersection(analysis.words)
        if form and not is_repeated:
            yield index.written.get(form, form)


def _stands_alone(analysis: Analysis, i: int, index: LexiconIndex) -> bool:
    """Whether noun slot `i` is a whole name in the number that its form shows, unlike in "a herd of zebra"."""
    slot = analysis.slots[i]
    start, number = _modifiers_start(analysis, i, index), slot.reading.number
    before = analysis.words[start - 1] if start else ""
    if number == 0 and (before == "of" or before in PLURAL_DETERMINERS):
        return False
    return not before or start < slot.start or before in (BEFORE_PLURAL if number else BEFORE_NOUN)


def _find_hypernyms(analysis: Analysis, i: int, index: LexiconIndex) -> Iterator[str]:
    """Yield the hypernyms of slot `i`, in its number, that name nothing else in the caption."""
    reading = analysis.slots[i].reading
    entry = reading.entry
    is_its_own_plural = len(entry.forms) > 1 and entry.forms[0] == entry.forms[1]
    if entry.name in NOT_BELOW or is_its_own_plural or not _stands_alone(analysis, i, index):
        return
    concept = index.lexicon.concepts[entry.concept]
    if _count_mentions(analysis, concept.name, entry.name, index) > 1:
        return
    for forms in COUNT_NOUNS.items():
        below = concept.hypernyms.get(forms[0], frozenset())
        if entry.name in below:
            named = (below - {"person"}).union(forms)
            if sum(_count_mentions(analysis, concept.name, name, index) for name in named) == 1:
                yield forms[reading.number]


def _is_modifier(slot: Slot, index: LexiconIndex) -> bool:
    return index.lexicon.concepts[slot.reading.entry.concept].modifier


def _modifiers_start(analysis: Analysis, i: int, index: LexiconIndex) -> int:
    """Index of the first word of slot `i` and the modifiers directly before it."""
    start = analysis.slots[i].start
    while i and analysis.slots[i - 1].end == start and _is_modifier(analysis.slots[i - 1], index):
        i -= 1
        start = analysis.slots[i].start
    return start


def _noun_phrase(analysis: Analysis, i: int, index: LexiconIndex) -> NounPhrase | None:
    """The noun phrase of slot `i`; None if the slot is no noun, or has modifiers but no determiner."""
    slot = analysis.slots[i]
    if not index.lexicon.concepts[slot.reading.entry.concept].is_nouns:
        return None
    start = _modifiers_start(analysis, i, index)
    if start and analysis.words[start - 1] in DETERMINERS:
        return NounPhrase(start - 1, slot.end, slot, True)
    return NounPhrase(start, slot.end, slot, False) if start == slot.start else None


def _may_swap(words: Sequence[str], first: NounPhrase, second: NounPhrase) -> bool:
    """Whether "first and second" means the same as "second and first" in this caption."""
    before, after = words[: first.start], words[second.end : second.end + 1]
    is_end = not after or after[0] in (".", "!")
    if not before:
        alike = first.head.reading.of_class == second.head.reading.of_class
        return is_end or after[0] in AFTER_PAIR or (alike and after[0] in POSTURES)
    is_picture = len(before) > 1 and before[-1] == "of" and before[-2] in PICTURES
    return is_end and (is_picture or before[-1] in BEFORE_PAIR)


def _find_swaps(analysis: Analysis, index: LexiconIndex) -> Iterator[tuple[str, NounPhrase, NounPhrase]]:
    """Yield pairs of noun phrases that can change places, each with the concept of the words that join them."""
    words, slots = analysis.words, analysis.slots
    phrases = [_noun_phrase(analysis, i, index) for i in range(len(slots))]
    nouns = [phrase for phrase in phrases if phrase]
    for first, second in zip(nouns, nouns[1:], strict=False):
        if first.has_determiner != second.has_determiner:
            continue
        joint = words[first.end : second.start]
        if joint == ["and"] and _may_swap(words, first, second):
            yield first.head.reading.entry.concept, first, second
        is_all = first.start == 0 and words[second.end :] in ([], ["."])
        if is_all and " ".join(joint) in SYMMETRIC_WORDS:
            yield "location", first, second


def _decapitalize(text: str) -> str:
    """Lower the first letter, if it is the only capital of its word."""
    word = text.split()[0]
    return text[0].lower() + text[1:] if word[1:] == word[1:].lower() else text


def find_rewrites(caption: str, analysis: Analysis, concepts: tuple[str, ...] = CONCEPTS) -> list[Rewrite]:
    """Find all rewrites of a caption.

    Args:
        caption: One caption.
        analysis: Of the caption, from `slots.analyze`.
        concepts: As in `AddHardPositives`.
    """
    index = load_index(concepts)
    spans = word_spans(caption) if analysis.slots else []
    rewrites = []
    for i, slot in enumerate(analysis.slots):
        start, end = spans[slot.start][0], spans[slot.end - 1][1]
        forms = [(SYNONYM, form) for form in _find_synonyms(analysis, i, concepts)]
        forms += [(HYPERNYM, form) for form in _find_hypernyms(analysis, i, index)]
        rewrites += [
            Rewrite(slot.reading.entry.concept, operator, [Replacement(start, end, form)]) for operator, form in forms
        ]
    for concept, first, second in _find_swaps(analysis, index):
        (a, b), (c, d) = [(spans[phrase.start][0], spans[phrase.end - 1][1]) for phrase in (first, second)]
        news = _decapitalize(caption[c:d]), _decapitalize(caption[a:b])
        rewrites.append(Rewrite(concept, REORDER, [Replacement(a, b, news[0]), Replacement(c, d, news[1])]))
    return rewrites


def apply_rewrite(caption: str, rewrite: Rewrite) -> Change:
    """Apply a rewrite to its caption.

    Examples:
        >>> apply_rewrite("a TV", Rewrite("object", "synonym", [Replacement(2, 4, "television")]))
        Change(text='a television', start=2, end=4, old='TV', new='television')
    """
    return replace_words(caption, rewrite.replacements)


@dataclass(frozen=True)
class AddHardPositives:
    """Add up to K hard positives to each caption of a batch; use it with `dataset.map`.

    It adds the columns `columns.POSITIVE_FEATURES`: parallel lists of positives, their concepts, operators and
    changes. A caption with fewer rewrites gets fewer positives, or none. The choice depends on the seed, the image id
    and the caption. It does not depend on order, batch, process or PYTHONHASHSEED.

    Attributes:
        num_positives: K, at least 1.
        seed: Another seed, other positives.
        concepts: Names of shipped concepts, or paths of your own vocabulary files with `synonyms`. Two things change
            places only if the nouns of both belong to these concepts.

    Raises:
        ValueError: If K is below 1 or a vocabulary is missing or broken.

    Examples:
        >>> rows = {"caption": ["A man on a couch.", "It is raining."], "image_id": [0, 1]}
        >>> AddHardPositives()(rows)["positives"]
        [['A man on a sofa.'], []]
    """

    num_positives: int = 1
    seed: int = 0
    concepts: tuple[str, ...] = CONCEPTS
    # Part of the cache key of `dataset.map`: with other rules or words the positives are others.
    sources: str = field(default_factory=lambda: source_digest(*SOURCES), repr=False)
    vocabularies: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.num_positives < 1:
            raise ValueError(f"num_positives is {self.num_positives}; it must be 1 or more.")
        load_index(self.concepts)  # a broken vocabulary is reported now and not in a worker
        object.__setattr__(self, "vocabularies", vocabularies_digest(self.concepts))

    def __call__(self, batch: Mapping[str, Sequence]) -> dict[str, list]:
        """Make the positives of B rows.

        Args:
            batch: The column caption, and if possible image_id, each of length B.

        Returns:
            The columns `columns.POSITIVE_FEATURES`, each a list of B lists with one value for each positive, 0 to K.
        """
        captions = batch_captions(batch)
        analyses = analyze(captions, load_index(self.concepts))
        image_ids = batch_image_ids(batch, len(captions))
        columns: dict[str, list] = {name: [] for name in POSITIVE_FEATURES}
        for caption, image_id, analysis in zip(captions, image_ids, analyses, strict=True):
            chosen = self._choose(caption, image_id, find_rewrites(caption, analysis, self.concepts))
            values = (
                [change.text for _, change in chosen],
                [rewrite.concept for rewrite, _ in chosen],
                [rewrite.operator for rewrite, _ in chosen],
                [change.old for _, change in chosen],
                [change.new for _, change in chosen],
                [[change.start, change.end] for _, change in chosen],
            )
            for name, value in zip(columns, values, strict=True):
                columns[name].append(value)
        return columns

    def _choose(self, caption: str, image_id: Any, rewrites: Sequence[Rewrite]) -> list[tuple[Rewrite, Change]]:
        """Draw K of the rewrites that change the caption."""
        by_key = {}
        for rewrite in rewrites:
            change = apply_rewrite(caption, rewrite)
            if change.text != caption:
                by_key[f"{self.seed}/{image_id}/{caption}/{change.text}"] = rewrite, change
        return [by_key[key] for key in draw_without_order(by_key, self.num_positives)]
