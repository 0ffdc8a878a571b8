"""Photos that have captions only: what their captions name stands in for annotated things."""

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
PEOPLE = ("person", "role")  # kinds of the vocabulary: a man, a surfer


def name_things(captions: Iterable[str], index: LexiconIndex, names: Mapping[str, str]) -> tuple[Instance, ...]:
    """One instance, without a mask, of each category that captions of a photo name.

    A category that any of the captions names twice or in the plural is left out: the photo may show several.

    Args:
        captions: Of one photo.
        index: The vocabulary.
        names: As `names_of_categories` gives them.

    Returns:
        Sorted by category; the id follows from the category's name, box and area are 0: nobody measured them.
    """
    found: set[str] = set()
    several: set[str] = set()
    for analysis in analyze(captions, index):
        nouns = [slot.reading for slot in analysis.slots if slot.reading.entry.concept == "object"]
        named = [(_category_of(noun.entry, names), noun.number) for noun in nouns]
        said = Counter(category for category, _ in named if category)
        several |= {category for category, number in named if category and (number or said[category] > 1)}
        found |= said.keys()
    return tuple(Instance(_id_of(name), name, None, (0.0,) * 4, 0.0, False) for name in sorted(found - several))


def read_named_photos(folder: str | Path, split: str | None = None) -> tuple[list[CocoPhoto], Counter[str]]:
    """As `read_coco_photos`, but from captions alone, with the things that these name in place of annotations.

    Raises:
        FileNotFoundError: If a file is not there.
        ValueError: If a file is broken or no photo has a caption.
    """
    photos, skipped = read_coco_photos(folder, split, with_instances=False)
    index = load_index()
    names = names_of_categories(set(CATEGORIES), index.lexicon)
    named = [photo._replace(instances=name_things([t for _, t in photo.captions], index, names)) for photo in photos]
    return named, skipped


def _category_of(entry: Entry, names: Mapping[str, str]) -> str | None:
    return "person" if entry.kind in PEOPLE else names.get(entry.name)


def _id_of(category: str) -> int:
    """A positive number of 31 bits that is the same in every process."""
    return int.from_bytes(hashlib.sha256(category.encode()).digest()[:4], "big") >> 1
