"""What can be changed in a photo so that one of its captions turns false in one word: annotations -> proposals."""

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
from .caption_grounding import Thing, all_of_them, describe, modifiers_of, pick_instance
from .categories import COLORS, INDOORS, PAINTS, can_stand_for, names_of_categories


NO_THING = "the caption names no annotated thing"
UNKNOWN_CATEGORY = "the category is not in the vocabulary"
NAMED_TWICE = "the caption names the category more than once"
NO_CLEAR_INSTANCE = "several instances, none clearly the largest"
PLURAL = "the caption names several"
NO_CONCEPT = "the caption says neither color nor size, and the thing cannot be another here"

WANTED = {"object": 8, "color": 14, "size": 3}  # accepted pairs of one thing, so that no photo fills the set
GARMENTS = ("clothing", "legwear")  # kinds of the vocabulary; COCO has no masks of them, but of who wears them
DETERMINERS = frozenset("a an the this that his her its their one single and ,".split())

# After a noun, these go on to describe it.
DESCRIBES = frozenset("of with has that which having showing covered shaped filled topped '".split())
SKIN_AND_HAIR = frozenset("black brown tan beige cream gold golden".split())


class Proposal(NamedTuple):
    """A thing to change, and the caption that then fits.

    Attributes:
        key: "IMAGE/INSTANCE/CONCEPT/NEW", unique; a garment stands behind the instance.
        image_id: Of the photo.
        instance_id: Of the thing that is masked.
        caption_id: Of the caption.
        concept: "object", "color" or "size".
        category: The thing's COCO category.
        new_category: What it becomes; differs for objects only.
        caption: As annotated.
        new_caption: `caption` with the characters `start:end`, which read `old_text`, as `new_text`.
        start: First changed character.
        end: Behind the last changed character.
        old: The vocabulary's name of the swapped word.
        new: The vocabulary's name of what replaces it.
        old_text: Includes an article that changed.
        new_text: Includes an article that changed.
        garment: The name of what the thing, a person, wears, if that is what changes.
        is_part: Whether only the part that has the old color changes: "a blue and white train".
        also: Further things that change with it: "two red cars".
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
    """The proposal with another new word, under the same key, or why that is none.

    Args:
        proposal: Whose old word is replaced.
        word: A name or plural of the vocabulary, of the proposal's concept.
        index: The vocabulary.
        names: As `names_of_categories` gives them: what can become of a thing.
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
    change = replace_words(proposal.caption, [Replacement(start, proposal.end, entry.forms[0] or entry.name)])
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
    """Find what can be changed in a photo: call it with a `CocoPhoto`.

    The swapped word always belongs to the masked instance: a caption counts if it names the instance's category once
    and in the singular, and the photo has one such instance or a clearly largest one; a plural means all of them, of
    which only the color can change. A color or size is swapped only where the caption says it of that thing. A new
    word that any caption of the photo mentions, or that is annotated in it, is never put in. What comes out, and its
    order, depends on the seed and the photo alone.

    Args:
        index: The vocabulary.
        categories: Categories that the folder has; things become only these.
        seed: Decides which words and captions are taken first.
    """

    def __init__(self, index: LexiconIndex, categories: set[str], seed: int = 0) -> None:
        self.index, self.seed = index, seed
        self.names = names_of_categories(categories, index.lexicon)
        self.called = {category: name for name, category in self.names.items() if name == category}
        self._entries = {
            (concept, entry.name): entry
            for concept in ("object", "color", "size")
            for entry in index.lexicon.concepts[concept].entries
        }

    def __call__(self, photo: CocoPhoto) -> tuple[list[Proposal], Counter[str]]:
        """Proposals of a photo, those of one thing and concept together, and why captions and categories gave none."""
        skipped: Counter[str] = Counter()
        unknown = {one.category for one in photo.instances} - set(self.names.values())
        skipped[UNKNOWN_CATEGORY] += len(unknown)
        things: dict[tuple[int, str, str], list[Thing]] = defaultdict(list)
        analyses = analyze([text for _, text in photo.captions], self.index)
        for (caption_id, caption), analysis in zip(photo.captions, analyses, strict=True):
            found, reason = self._things(photo, caption_id, caption, analysis)
            concepts = [(thing, concept) for thing in found for concept in self._concepts(thing)]
            for thing, concept in concepts:
                garment = thing.noun.reading.entry.name if thing.is_garment else ""
                things[thing.instance.id, concept, garment].append(thing)
            if not concepts:
                skipped[reason or NO_CONCEPT] += 1
        mentioned = {mention for _, text in photo.captions for mention in find_mentions(text, self.index)}
        for one in photo.instances:
            mentioned.update(find_mentions(one.category, self.index))
        is_indoors = any(one.category in INDOORS for one in photo.instances)
        proposals: list[Proposal] = []
        for (_, concept, _), of_thing in sorted(things.items(), key=lambda item: item[0]):
            proposals += self._swaps(photo.image_id, concept, of_thing, mentioned, is_indoors)
        return proposals, +skipped

    def _things(
        self, photo: CocoPhoto, caption_id: int, caption: str, analysis: Analysis
    ) -> tuple[list[Thing], str | None]:
        """The nouns of a caption that mean one instance; the last reason why one did not."""
        named: dict[str, list[int]] = defaultdict(list)
        for place, slot in enumerate(analysis.slots):
            if slot.reading.entry.concept == "object" and slot.reading.entry.name in self.names:
                named[self.names[slot.reading.entry.name]].append(place)
        things: list[Thing] = []
        reason = NO_THING
        for category, places in named.items():
            instances = [one for one in photo.instances if one.category == category]
            if not instances:
                continue
            instance, noun = pick_instance(instances), analysis.slots[places[0]]
            found = [
                Thing(caption_id, caption, analysis.words, instances[0], noun, modifiers, is_part=is_part)
                for modifiers, is_part in describe(analysis, places[0])
            ]
            if len(places) > 1:
                reason = NAMED_TWICE
            elif noun.reading.number:
                reason = PLURAL
                things += all_of_them(found, instances)
            elif instance is None:
                reason = NO_CLEAR_INSTANCE
            else:
                things += [thing._replace(instance=instance) for thing in found]
        things += self._garments(photo, caption_id, caption, analysis)
        return things, None if things else reason

    def _garments(self, photo: CocoPhoto, caption_id: int, caption: str, analysis: Analysis) -> list[Thing]:
        """Clothes with a color, each named once, that the only person, or the clearly largest, can wear."""
        # Who is in a crowd is small: a caption of it would not speak of somebody's clothes.
        person = pick_instance(one for one in photo.instances if one.category == "person" and not one.is_crowd)
        if person is None:
            return []
        nouns = [slot.reading.entry.name for slot in analysis.slots if slot.reading.entry.kind in GARMENTS]
        found = []
        for place, slot in enumerate(analysis.slots):
            if slot.reading.entry.kind in GARMENTS and nouns.count(slot.reading.entry.name) == 1:
                modifiers = modifiers_of(analysis.slots, place, analysis.words)
                found.append(Thing(caption_id, caption, analysis.words, person, slot, modifiers, True))
        return found

    def _concepts(self, thing: Thing) -> list[str]:
        concepts = [slot.reading.entry.concept for slot in thing.modifiers]
        if thing.is_garment:
            # Color is all that tells clothes from the person: it must not be one of skin or hair.
            colors = [slot.reading.entry.name for slot in thing.modifiers if slot.reading.entry.concept == "color"]
            return ["color"] if colors and not SKIN_AND_HAIR & set(colors) else []
        if thing.is_part or thing.also or thing.noun.reading.number:
            return concepts
        if thing.instance.category == "person":
            return []  # a "little girl" is young, and one person in another's place is nobody's concept
        before = thing.words[thing.noun.start - 1] if thing.noun.start else ""
        after = thing.words[thing.noun.end] if thing.noun.end < len(thing.words) else ""
        # A described thing stays described: "a wooden chair" must not become "a wooden dog".
        is_part = thing.words[max(0, thing.noun.start - 3) : thing.noun.start - 1] in (["part", "of"], ["top", "of"])
        if before in DETERMINERS and after not in DESCRIBES and not is_part:
            concepts.append("object")
        return concepts

    def _targets(self, concept: str, thing: Thing, mentioned: set[int], is_indoors: bool) -> list[tuple[str, str]]:
        """(name of the new word, new category) that are false of the photo as it is."""
        category = thing.instance.category
        if concept == "object":
            here = [name for new, name in sorted(self.called.items()) if can_stand_for(category, new, is_indoors)]
            pairs = [(name, self.names[name]) for name in here]
        else:
            slot = next(slot for slot in thing.modifiers if slot.reading.entry.concept == concept)
            entry = slot.reading.entry
            if concept == "size" and entry.kind != "extent":
                return []
            allowed = COLORS.get(category, PAINTS) if concept == "color" else None
            opposed = [other.name for other in self.index.lexicon.opposed(entry)]
            pairs = [(name, category) for name in opposed if allowed is None or name in allowed]
        fresh = []
        for name, new in pairs:
            implied = self.index.lexicon.implied(self._entries[concept, name])
            if concept == "size" or not any(self.index.mentions[concept, one] in mentioned for one in implied):
                fresh.append((name, new))
        return fresh

    def _swaps(
        self, image_id: int, concept: str, things: list[Thing], mentioned: set[int], is_indoors: bool
    ) -> list[Proposal]:
        instance = things[0].instance
        rng = random.Random(f"{self.seed}/{image_id}/{instance.id}/{concept}/{things[0].noun.reading.entry.name}")
        targets: dict[tuple[str, str], list[Thing]] = defaultdict(list)
        for thing in things:
            for target in self._targets(concept, thing, mentioned, is_indoors):
                targets[target].append(thing)
        order = sorted(targets)
        rng.shuffle(order)
        proposals = []
        for name, new_category in order:
            thing = rng.choice(targets[name, new_category])
            proposals.append(self._propose(image_id, concept, thing, name, new_category))
        return proposals

    def _propose(self, image_id: int, concept: str, thing: Thing, name: str, new_category: str) -> Proposal:
        slot = thing.noun
        if concept != "object":
            slot = next(slot for slot in thing.modifiers if slot.reading.entry.concept == concept)
        entry = self._entries[concept, name]
        spans = word_spans(thing.caption)
        start, end = spans[slot.start][0], spans[slot.end - 1][1]
        garment = thing.noun.reading.entry.name if thing.is_garment else None
        change = replace_words(thing.caption, [Replacement(start, end, entry.forms[0] or entry.name)])
        return Proposal(
            "/".join(map(str, (image_id, thing.instance.id, *([garment] if garment else []), concept, name))),
            image_id,
            thing.instance.id,
            thing.caption_id,
            concept,
            thing.instance.category,
            new_category,
            thing.caption,
            change.text,
            change.start,
            change.end,
            slot.reading.entry.name,
            name,
            change.old,
            change.new,
            garment,
            thing.is_part,
            thing.also,
        )
