"""Which annotated things a caption's nouns mean, and what it says of them: from slots and instances. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ...data.coco_photos import Instance
from ...negatives.slots import Analysis, Slot
from .categories import PAINTS


CLEARLY_LARGEST = 2.5  # times the area of the second largest of the category
PAIRS = ("scissors", "skis")  # categories whose one mask is of two
# Before a color, these make it another one or one of several.
JOINS = frozenset("and or , & dark light bright - matching same".split())


class Thing(NamedTuple):
    """A caption's noun and the instance that it means, or that wears it; modifiers are the slots right before it.

    With `is_part`, the only modifier is one of two colors; `also` are further instances that a plural means.
    """

    caption_id: int
    caption: str
    words: list[str]
    instance: Instance
    noun: Slot
    modifiers: tuple[Slot, ...]
    is_garment: bool = False
    is_part: bool = False
    also: tuple[int, ...] = ()


def clearly_largest(areas: Sequence[float]) -> int | None:
    """The place of the only area or the clearly largest one, or None.

    Examples:
        >>> clearly_largest([2.0, 5.0, 1.0]), clearly_largest([2.0, 4.0]), clearly_largest([])
        (1, None, None)
    """
    order = sorted(range(len(areas)), key=lambda place: -areas[place])
    alone = len(order) == 1 or (len(order) > 1 and areas[order[0]] >= CLEARLY_LARGEST * areas[order[1]])
    return order[0] if alone else None


def pick_instance(instances: Iterable[Instance]) -> Instance | None:
    """The instance that a singular noun means: the only one of its category, or the clearly largest; or None."""
    found = list(instances)
    place = None if any(one.is_crowd for one in found) else clearly_largest([one.area for one in found])
    return None if place is None else found[place]


def modifiers_of(slots: Sequence[Slot], place: int, words: Sequence[str]) -> tuple[Slot, ...]:
    """Color and size words in one piece with the noun at `slots[place]`; none if it has two colors."""
    found: list[Slot] = []
    start = slots[place].start
    for slot in reversed(slots[:place]):
        if slot.end != start or slot.reading.entry.concept not in ("color", "size"):
            break
        found.append(slot)
        start = slot.start
    concepts = [slot.reading.entry.concept for slot in found]
    joined = start > 0 and words[start - 1] in JOINS
    return () if joined or len(set(concepts)) < len(concepts) else tuple(found)


def _two_colors(slots: Sequence[Slot], place: int, words: Sequence[str]) -> tuple[Slot, ...]:
    """The colors of "a blue and white train", the noun at `slots[place]`, that can change alone; none if not two."""
    second = slots[place - 1] if place else None
    if second is None or second.end != slots[place].start or second.reading.entry.concept != "color":
        return ()
    start = second.start
    if start < 2 or words[start - 1] not in ("and", "&") or words[start - 2] not in PAINTS:
        return ()
    if start > 2 and words[start - 3] in JOINS:
        return ()
    first = [slot for slot in slots[:place] if slot.end == start - 1 and slot.reading.entry.concept == "color"]
    return (*first, second)  # the tagger may take the first for a fruit


def describe(analysis: Analysis, place: int) -> list[tuple[tuple[Slot, ...], bool]]:
    """What is said of the noun at a place, and whether of a part of it: once, or for each of two colors."""
    two = _two_colors(analysis.slots, place, analysis.words)
    return [((color,), True) for color in two] or [(modifiers_of(analysis.slots, place, analysis.words), False)]


def all_of_them(things: Iterable[Thing], instances: Sequence[Instance]) -> list[Thing]:
    """What a plural says the color of, all instances at once."""
    category = instances[0].category
    are_several = len(instances) > 1 or category in PAIRS
    if not are_several or category == "person" or any(one.is_crowd for one in instances):
        return []
    also = tuple(one.id for one in instances[1:])
    colored = [
        (thing, [slot for slot in thing.modifiers if slot.reading.entry.concept == "color"]) for thing in things
    ]
    return [thing._replace(modifiers=tuple(colors), also=also) for thing, colors in colored if colors]
