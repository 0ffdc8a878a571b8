"""Propose changes of a photo after which one of its captions is wrong in one word."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from ...data.coco_photos import CocoPhoto
from ...lexicon.index import LexiconIndex
from ...lexicon.words import word_spans
from ...negatives.edits import Replacement, replace_words
from ...negatives.slots import Analysis, analyze, find_mentions
from .categories import COLORS, INDOORS, PAINTS, can_stand_for, names_of_categories
from .grounding import GroundedNoun, describe, ground_plural, modifiers_of, pick_instance


NO_THING = "the caption names no annotated thing"
UNKNOWN_CATEGORY = "the category is not in the vocabulary"
NAMED_TWICE = "the caption names the category more than once"
NO_CLEAR_INSTANCE = "several instances, none clearly the largest"
PLURAL = "the caption names several"
NO_CONCEPT = "the caption says neither color nor size, and the thing cannot be another here"

WANTED = {"object": 8, "color": 14, "size": 3}  # most pairs of one object, so that no photo dominates the set
GARMENTS = ("clothing", "legwear")  # kinds of the vocabulary; COCO has masks only of the people who wear them
DETERMINERS = frozenset("a an the this that his her its their one single and ,".split())

# A word of these after a noun describes it further.
DESCRIBES = frozenset("of with has that which having showing covered shaped filled topped '".split())
SKIN_AND_HAIR = frozenset("black brown tan beige cream gold golden".split())


class Proposal(NamedTuple):
    """A change of one object, and the caption that then fits.

    Attributes:
        key: "IMAGE/INSTANCE/CONCEPT/NEW", or "IMAGE/INSTANCE/GARMENT/CONCEPT/NEW" for a garment. It is unique.
        image_id: COCO's id of the photo.
        instance_id: COCO's id of the object, whose mask is edited.
        caption_id: COCO's id of the caption.
        concept: "object", "color" or "size".
        category: COCO's category of the object.
        new_category: Its category after the change. It differs only for the concept "object".
        caption: The annotated caption.
        new_caption: The caption with `new_text` in place of the characters `start:end`.
        start: Index of the first changed character.
        end: Index after the last changed character.
        old: The old word, as the vocabulary has it.
        new: The new word, as the vocabulary has it.
        old_text: The replaced characters, with the article if it changes too.
        new_text: The new characters, with the article if it changes too.
        garment: The garment that changes, if the object is a person; else None.
        is_part: Whether only the part with the old color changes, as in "a blue and white train".
        also: Ids of further instances that change with it, as in "two red cars".
    """

    key: str
    image_id: int
    instance_id: int
    caption_id: int
    concept: str
    category: str
    new_category: str
    caption: str
    new_caption: str
    start: int
    end: int
    old: str
    new: str
    old_text: str
    new_text: str
    garment: str | None = None
    is_part: bool = False
    also: tuple[int, ...] = ()


def reword(proposal: Proposal, word: str, index: LexiconIndex, names: Mapping[str, str]) -> Proposal | str:
    """Replace the new word of a proposal and keep its key.

    Args:
        proposal: The proposal.
        word: Another word of the proposal's concept.
        index: The vocabulary.
        names: Category by name, of `names_of_categories`.

    Returns:
        The changed proposal, or the reason why the word cannot be used.
    """
    concept, wanted = proposal.concept, " ".join(word.lower().split())
    entries = {entry.name: entry for entry in index.lexicon.concepts[concept].entries}
    entry = entries.get(wanted)
    if (
        entry is None
        or (concept == "size" and entry.kind != "extent")
        or (concept == "object" and wanted not in names)
    ):
        return f"{word!r} is no {concept} of the vocabulary that could be put in"
    if wanted == proposal.old:
        return f"{word!r} is what the caption says already"
    article = re.match(r"an?\s+", proposal.old_text, re.IGNORECASE)
    start = proposal.start + (article.end() if article else 0)
    new = entry.forms[0] or entry.name
    change = replace_words(proposal.caption, [Replacement(start, proposal.end, index.written.get(new, new))])
    return proposal._replace(
        new_category=names[wanted] if concept == "object" else proposal.category,
        new_caption=change.text,
        start=change.start,
        end=change.end,
        new=wanted,
        old_text=change.old,
        new_text=change.new,
    )


class ProposeSwaps:
    """Propose changes of a photo: call it with a `CocoPhoto`.

    - The changed word must belong to the masked instance. So the caption must name the category once, and the photo
      must show one such instance, or one that is clearly the largest.
    - A plural noun means all instances of the category. Only their color can change.
    - A color or size word changes only if the caption says it of that object.
    - A new word is never one that a caption of the photo mentions or that is annotated in the photo.

    The proposals and their order depend only on the seed and the photo.

    Args:
        index: The vocabulary.
        categories: COCO categories of the folder. Objects are replaced only by these.
        seed: Decides which words and captions come first.

    Example:
        >>> from hf_hardneg.lexicon.index import load_index
        >>> propose = ProposeSwaps(load_index(), {"bus", "car"})
        >>> proposals, skipped = propose(photo)  # doctest: +SKIP
        >>> proposals[0].new_caption  # doctest: +SKIP
        'A blue bus on the road.'
    """

    def __init__(self, index: LexiconIndex, categories: set[str], seed: int = 0) -> None:
        self.index, self.seed = index, seed
        self.names = names_of_categories(categories, index.lexicon)
        self._own_names = {category: name for name, category in self.names.items() if name == category}
        self._entries = {
            (concept, entry.name): entry
            for concept in ("object", "color", "size")
            for entry in index.lexicon.concepts[concept].entries
        }

    def __call__(self, photo: CocoPhoto) -> tuple[list[Proposal], Counter[str]]:
        """Return the proposals of a photo, grouped by object and concept, and counts of skips by reason."""
        skipped: Counter[str] = Counter()
        unknown = {one.category for one in photo.instances} - set(self.names.values())
        skipped[UNKNOWN_CATEGORY] += len(unknown)
        nouns: dict[tuple[int, str, str], list[GroundedNoun]] = defaultdict(list)
        analyses = analyze([text for _, text in photo.captions], self.index)
        for (caption_id, caption), analysis in zip(photo.captions, analyses, strict=True):
            grounded, reason = self._ground_nouns(photo, caption_id, caption, analysis)
            changes = [(noun, concept) for noun in grounded for concept in self._concepts(noun)]
            for noun, concept in changes:
                garment = noun.noun.reading.entry.name if noun.is_garment else ""
                nouns[noun.instance.id, concept, garment].append(noun)
            if not changes:
                skipped[reason or NO_CONCEPT] += 1
        mentioned = {mention for _, text in photo.captions for mention in find_mentions(text, self.index)}
        for instance in photo.instances:
            mentioned.update(find_mentions(instance.category, self.index))
        is_indoors = any(instance.category in INDOORS for instance in photo.instances)
        proposals: list[Proposal] = []
        for (_, concept, _), of_instance in sorted(nouns.items(), key=lambda item: item[0]):
            proposals += self._swaps(photo.image_id, concept, of_instance, mentioned, is_indoors)
        return proposals, +skipped

    def _ground_nouns(
        self, photo: CocoPhoto, caption_id: int, caption: str, analysis: Analysis
    ) -> tuple[list[GroundedNoun], str | None]:
        """Return the nouns of a caption that mean an instance, or else the last reason why one did not."""
        named: dict[str, list[int]] = defaultdict(list)
        for index, slot in enumerate(analysis.slots):
            if slot.reading.entry.concept == "object" and slot.reading.entry.name in self.names:
                named[self.names[slot.reading.entry.name]].append(index)
        nouns: list[GroundedNoun] = []
        reason = NO_THING
        for category, indexes in named.items():
            instances = [instance for instance in photo.instances if instance.category == category]
            if not instances:
                continue
            instance, slot = pick_instance(instances), analysis.slots[indexes[0]]
            readings = [
                GroundedNoun(caption_id, caption, analysis.words, instances[0], slot, modifiers, is_part=is_part)
                for modifiers, is_part in describe(analysis, indexes[0])
            ]
            if len(indexes) > 1:
                reason = NAMED_TWICE
            elif slot.reading.number:
                reason = PLURAL
                nouns += ground_plural(readings, instances)
            elif instance is None:
                reason = NO_CLEAR_INSTANCE
            else:
                nouns += [noun._replace(instance=instance) for noun in readings]
        nouns += self._garments(photo, caption_id, caption, analysis)
        return nouns, None if nouns else reason

    def _garments(self, photo: CocoPhoto, caption_id: int, caption: str, analysis: Analysis) -> list[GroundedNoun]:
        """Return the garments that the caption names once and that the only or clearly largest person can wear."""
        # People in a crowd are small, so a caption that names clothes does not mean theirs.
        person = pick_instance(one for one in photo.instances if one.category == "person" and not one.is_crowd)
        if person is None:
            return []
        names = [slot.reading.entry.name for slot in analysis.slots if slot.reading.entry.kind in GARMENTS]
        garments = []
        for index, slot in enumerate(analysis.slots):
            if slot.reading.entry.kind in GARMENTS and names.count(slot.reading.entry.name) == 1:
                modifiers = modifiers_of(analysis.slots, index, analysis.words)
                garments.append(GroundedNoun(caption_id, caption, analysis.words, person, slot, modifiers, True))
        return garments

    def _concepts(self, noun: GroundedNoun) -> list[str]:
        """Return the concepts that can change for a noun."""
        concepts = [slot.reading.entry.concept for slot in noun.modifiers]
        if noun.is_garment:
            # Only the color separates clothes from the person, so it must not be a color of skin or hair.
            colors = [slot.reading.entry.name for slot in noun.modifiers if slot.reading.entry.concept == "color"]
            return ["color"] if colors and not SKIN_AND_HAIR & set(colors) else []
        if noun.is_part or noun.also or noun.noun.reading.number:
            return concepts
        if noun.instance.category == "person":
            return []  # "little girl" means her age, and there is no concept for another person
        before = noun.words[noun.noun.start - 1] if noun.noun.start else ""
        after = noun.words[noun.noun.end] if noun.noun.end < len(noun.words) else ""
        # Other adjectives must fit the new noun, too: "a wooden chair" must not become "a wooden dog".
        is_part = noun.words[max(0, noun.noun.start - 3) : noun.noun.start - 1] in (["part", "of"], ["top", "of"])
        if before in DETERMINERS and after not in DESCRIBES and not is_part:
            concepts.append("object")
        return concepts

    def _targets(
        self, concept: str, noun: GroundedNoun, mentioned: set[int], is_indoors: bool
    ) -> list[tuple[str, str]]:
        """Return (new word, new category) pairs that are wrong for the unedited photo."""
        category = noun.instance.category
        if concept == "object":
            fitting = [
                name for new, name in sorted(self._own_names.items()) if can_stand_for(category, new, is_indoors)
            ]
            pairs = [(name, self.names[name]) for name in fitting]
        else:
            slot = next(slot for slot in noun.modifiers if slot.reading.entry.concept == concept)
            entry = slot.reading.entry
            if concept == "size" and entry.kind != "extent":
                return []
            allowed = COLORS.get(category, PAINTS) if concept == "color" else None
            opposed = [other.name for other in self.index.lexicon.opposed(entry)]
            pairs = [(name, category) for name in opposed if allowed is None or name in allowed]
        unmentioned = []
        for name, new in pairs:
            implied = self.index.lexicon.implied(self._entries[concept, name])
            if concept == "size" or not any(self.index.mentions[concept, one] in mentioned for one in implied):
                unmentioned.append((name, new))
        return unmentioned

    def _swaps(
        self, image_id: int, concept: str, nouns: list[GroundedNoun], mentioned: set[int], is_indoors: bool
    ) -> list[Proposal]:
        """Return the proposals for one object and concept, in random order."""
        instance = nouns[0].instance
        rng = random.Random(f"{self.seed}/{image_id}/{instance.id}/{concept}/{nouns[0].noun.reading.entry.name}")
        targets: dict[tuple[str, str], list[GroundedNoun]] = defaultdict(list)
        for noun in nouns:
            for target in self._targets(concept, noun, mentioned, is_indoors):
                targets[target].append(noun)
        order = sorted(targets)
        rng.shuffle(order)
        proposals = []
        for name, new_category in order:
            noun = rng.choice(targets[name, new_category])
            proposals.append(self._propose(image_id, concept, noun, name, new_category))
        return proposals

    def _propose(self, image_id: int, concept: str, noun: GroundedNoun, name: str, new_category: str) -> Proposal:
        slot = noun.noun
        if concept != "object":
            slot = next(slot for slot in noun.modifiers if slot.reading.entry.concept == concept)
        entry = self._entries[concept, name]
        spans = word_spans(noun.caption)
        start, end = spans[slot.start][0], spans[slot.end - 1][1]
        garment = noun.noun.reading.entry.name if noun.is_garment else None
        new = entry.forms[0] or entry.name
        change = replace_words(noun.caption, [Replacement(start, end, self.index.written.get(new, new))])
        key = (image_id, noun.instance.id, *([garment] if garment else []), concept, name)
        return Proposal(
            key="/".join(map(str, key)),
            image_id=image_id,
            instance_id=noun.instance.id,
            caption_id=noun.caption_id,
            concept=concept,
            category=noun.instance.category,
            new_category=new_category,
            caption=noun.caption,
            new_caption=change.text,
            start=change.start,
            end=change.end,
            old=slot.reading.entry.name,
            new=name,
            old_text=change.old,
            new_text=change.new,
            garment=garment,
            is_part=noun.is_part,
            also=noun.also,
        )
