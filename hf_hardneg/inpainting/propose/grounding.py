"""Ground the nouns of a caption: find the instances that they mean, with their color and size words. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ...data.coco_photos import Instance
from ...negatives.slots import Analysis, Slot
from .categories import PAINTS


CLEARLY_LARGEST = 2.5  # ratio of its area to that of the second largest instance of the category
PAIRS = ("scissors", "skis")  # one mask of these shows a pair, which captions name in the plural
# A color word after one of these is part of another color ("dark blue") or one of several ("red and blue").
JOINS = frozenset("and or , & dark light bright - matching same".split())


class GroundedNoun(NamedTuple):
    """A caption's noun and the instance that it means.

    Attributes:
        caption_id: COCO's id of the caption.
        caption: Its text.
        words: Its words.
        instance: The instance. For a garment, it is the person who wears it.
        noun: The noun's slot.
        modifiers: The slots of color and size words directly before the noun.
        is_garment: Whether the noun is a garment.
        is_part: Whether the only modifier is one of two colors, as in "a blue and white train".
        also: Ids of further instances that a plural noun means.
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
    """Return the index of the only area, or of the clearly largest one, or None.

    Args:
        areas: In pixels.

    Example:
        >>> clearly_largest([2.0, 5.0, 1.0]), clearly_largest([2.0, 4.0]), clearly_largest([])
        (1, None, None)
    """
    order = sorted(range(len(areas)), key=lambda index: -areas[index])
    is_clear = len(order) == 1 or (len(order) > 1 and areas[order[0]] >= CLEARLY_LARGEST * areas[order[1]])
    return order[0] if is_clear else None


def pick_instance(instances: Iterable[Instance]) -> Instance | None:
    """Return the instance that a singular noun means, or None if that is not clear.

    Args:
        instances: All instances of the noun's category in the photo.
    """
    instances = list(instances)
    if any(instance.is_crowd for instance in instances):
        return None
    largest = clearly_largest([instance.area for instance in instances])
    return None if largest is None else instances[largest]


def modifiers_of(slots: Sequence[Slot], noun: int, words: Sequence[str]) -> tuple[Slot, ...]:
    """Return the color and size words directly before a noun, or none if it has two colors or two sizes.

    Args:
        slots: Of the caption.
        noun: Index of the noun's slot.
        words: Of the caption.
    """
    modifiers: list[Slot] = []
    start = slots[noun].start
    for slot in reversed(slots[:noun]):
        if slot.end != start or slot.reading.entry.concept not in ("color", "size"):
            break
        modifiers.append(slot)
        start = slot.start
    concepts = [slot.reading.entry.concept for slot in modifiers]
    joined = start > 0 and words[start - 1] in JOINS
    return () if joined or len(set(concepts)) < len(concepts) else tuple(modifiers)


def _two_colors(slots: Sequence[Slot], noun: int, words: Sequence[str]) -> tuple[Slot, ...]:
    """Return the two color words of a noun such as "a blue and white train", each of which can change alone."""
    second = slots[noun - 1] if noun else None
    if second is None or second.end != slots[noun].start or second.reading.entry.concept != "color":
        return ()
    start = second.start
    if start < 2 or words[start - 1] not in ("and", "&") or words[start - 2] not in PAINTS:
        return ()
    if start > 2 and words[start - 3] in JOINS:
        return ()
    first = [slot for slot in slots[:noun] if slot.end == start - 1 and slot.reading.entry.concept == "color"]
    return (*first, second)  # the first is missing if the tagger took it for a fruit ("orange")


def describe(analysis: Analysis, noun: int) -> list[tuple[tuple[Slot, ...], bool]]:
    """Return the modifiers of a noun, and whether they describe only a part of the object.

    Args:
        analysis: Of the caption.
        noun: Index of the noun's slot.

    Returns:
        One entry, or one for each color of a noun with two.
    """
    colors = _two_colors(analysis.slots, noun, analysis.words)
    return [((color,), True) for color in colors] or [(modifiers_of(analysis.slots, noun, analysis.words), False)]


def ground_plural(nouns: Iterable[GroundedNoun], instances: Sequence[Instance]) -> list[GroundedNoun]:
    """Ground a plural noun in all instances of its category. Only its color can then change.

    Args:
        nouns: Readings of the noun, of `describe`.
        instances: All instances of the category in the photo.

    Returns:
        The readings that have a color, or none if the instances cannot be what the plural means.
    """
    category = instances[0].category
    are_several = len(instances) > 1 or category in PAIRS
    if not are_several or category == "person" or any(one.is_crowd for one in instances):
        return []
    also = tuple(one.id for one in instances[1:])
    colored = [(noun, [slot for slot in noun.modifiers if slot.reading.entry.concept == "color"]) for noun in nouns]
    return [noun._replace(modifiers=tuple(colors), also=also) for noun, colors in colored if colors]
