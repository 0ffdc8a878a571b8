"""Make instances from captions alone, for photos without annotated instances."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...data.coco_photos import CocoPhoto, Instance, read_coco_photos
from ...lexicon.concepts import Entry
from ...lexicon.index import LexiconIndex, load_index
from ...negatives.slots import analyze
from .categories import CARRIERS, PLACES, names_of_categories


CATEGORIES = frozenset(PLACES) | CARRIERS | {"person"}
PEOPLE = ("person", "role")  # kinds of the vocabulary, such as "man" and "surfer"


def instances_from_captions(
    captions: Iterable[str], index: LexiconIndex, names: Mapping[str, str]
) -> tuple[Instance, ...]:
    """Make one instance, without a mask, of each category that the captions of a photo name.

    A category that a caption names twice or in the plural is left out, because the photo may show several.

    Args:
        captions: Of one photo.
        index: The vocabulary.
        names: Category by name, of `names_of_categories`.

    Returns:
        Sorted by category. The id follows from the category's name. Bounding box and area are unknown and 0.
    """
    named: set[str] = set()
    several: set[str] = set()
    for analysis in analyze(captions, index):
        nouns = [slot.reading for slot in analysis.slots if slot.reading.entry.concept == "object"]
        categories = [(_category_of(noun.entry, names), noun.number) for noun in nouns]
        counts = Counter(category for category, _ in categories if category)
        several |= {category for category, number in categories if category and (number or counts[category] > 1)}
        named |= counts.keys()
    return tuple(Instance(_id_of(name), name, None, (0.0,) * 4, 0.0, False) for name in sorted(named - several))


def read_photos_from_captions(folder: str | Path, split: str | None = None) -> tuple[list[CocoPhoto], Counter[str]]:
    """Read photos as `read_coco_photos` does, but make their instances from the captions.

    Args:
        folder: A COCO-format folder. It needs no instances file.
        split: For instance "val2017". None works if the folder has only one split.

    Returns:
        The photos, and counts of skipped photos by reason.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a file is broken, or no photo has a caption.
    """
    photos, skipped = read_coco_photos(folder, split, with_instances=False)
    index = load_index()
    names = names_of_categories(set(CATEGORIES), index.lexicon)
    named = [
        photo._replace(instances=instances_from_captions([t for _, t in photo.captions], index, names))
        for photo in photos
    ]
    return named, skipped


def _category_of(entry: Entry, names: Mapping[str, str]) -> str | None:
    return "person" if entry.kind in PEOPLE else names.get(entry.name)


def _id_of(category: str) -> int:
    """Return a positive number of 31 bits that is the same in every process (`hash` is not)."""
    return int.from_bytes(hashlib.sha256(category.encode()).digest()[:4], "big") >> 1
