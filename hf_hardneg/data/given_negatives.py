"""Negatives that somebody already has, joined to the captions of a run."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from ..columns import NEGATIVE_CONCEPTS, NEGATIVE_FEATURES, NEGATIVES
from .caption_cells import read_cells
from .files import CAPTION_COLUMNS, NEGATIVES_COLUMNS, find_column
from .row_photos import find_row_photos
from .skip_reasons import NEGATIVE_EMPTY, NEGATIVE_IS_CAPTION, describe_reasons
from .sources import open_source


UNKNOWN_CONCEPT = "unknown"
BY_IMAGE, BY_CAPTION = "image id and caption", "caption"
_LABEL = re.compile(r"\s*([-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|true|false|yes|no|nan)\s*", re.IGNORECASE)

Negative = tuple[str, str]
"""The text of a negative and its concept."""
Key = tuple[int | None, str]
"""The image id and the caption; None for an image id that is not used."""


@dataclass(frozen=True)
class GivenNegatives:
    """Captions with negatives, from any source.

    Attributes:
        source: What the user named.
        of_image: The negatives of each image id and caption, none where it is known to have none.
        of_caption: The negatives of each caption, of whatever image.
        left_out: How many negatives cannot be used, by reason.
    """

    source: str
    of_image: Mapping[Key, Sequence[Negative]]
    of_caption: Mapping[Key, Sequence[Negative]]
    left_out: Counter[str]

    def find(self, ids: Sequence[int], captions: Sequence[str]) -> list[Sequence[Negative]]:
        """The negatives of N rows: those of image id and caption if the source has both, else those of the caption."""
        found = []
        for image_id, caption in zip(ids, map(str.strip, captions), strict=True):
            of_photo = self.of_image.get((image_id, caption))
            found.append(self.of_caption.get((None, caption), ()) if of_photo is None else of_photo)
        return found


@dataclass(frozen=True)
class Join:
    """How rows met the given negatives.

    Attributes:
        rows: One list of negatives for each row.
        by: `BY_IMAGE`, `BY_CAPTION`, or how many were joined by which.
        matched: How many rows have negatives.
        unmatched_captions: How many captions with negatives are of no row.
        most: The most negatives that a row has.
    """

    rows: list[Sequence[Negative]]
    by: str
    matched: int
    unmatched_captions: int
    most: int


def find_negatives_column(rows: Mapping[str, Iterable[Any]], columns: Sequence[str]) -> tuple[str | None, list[str]]:
    """The first of `NEGATIVES_COLUMNS` that may hold texts, or None; and those that hold labels instead.

    Args:
        rows: The values of each column.
        columns: The columns that there are.
    """
    usual = [name for name in NEGATIVES_COLUMNS if name in columns]
    labels = [name for name in usual if hold_labels(rows[name])]
    return next((name for name in usual if name not in labels), None), labels


def hold_labels(values: Iterable[Any]) -> bool:
    """Whether values are numbers, yes or no, also where they are written as texts: these are no captions.

    Examples:
        >>> hold_labels([True, None]), hold_labels(["0", "1.5", ""]), hold_labels([["a cat"], ["7"]])
        (True, True, False)
    """
    some = False
    for value in values:
        for one in value if isinstance(value, list) else [value]:
            if one is None or one == "":
                continue
            some = True
            if not isinstance(one, int | float) and not (isinstance(one, str) and _LABEL.fullmatch(one)):
                return False
    return some


def read_given_negatives(
    source: str,
    caption_column: str | None = None,
    split: str = "train",
    config: str | None = None,
    image_column: str | None = None,
) -> GivenNegatives:
    """Read captions and their negatives from any file, dataset folder or Hub id.

    No flag names the columns, the split or the configuration of such a source. The columns are found by their usual
    names (`CAPTION_COLUMNS`, `NEGATIVES_COLUMNS`). `negative_concepts` is used if each negative has one; otherwise the
    concept is `UNKNOWN_CONCEPT`. Rows of one caption are joined.

    Args:
        source: What `sources.open_source` opens.
        caption_column: Its name; None takes a usual one.
        split: Of a folder or Hub id, if the source names none.
        config: The name of the configuration, if the source names none.
        image_column: As the training is told; None finds it, if there is one.

    Raises:
        FileNotFoundError: If the source is not there.
        ValueError: If it is broken, lacks a column, or has no negative that can be used.
    """
    rows = open_source(source, split, config)
    names = rows.column_names
    caption_name = find_column(caption_column, CAPTION_COLUMNS, names, source, flag=None)
    texts_column, labels = find_negatives_column(rows, names)
    negatives_name = texts_column or next(iter(labels), None)  # Reading labels ends in a sentence that says so.
    if negatives_name is None:
        raise ValueError(f"{source} has the columns {names}, none of {', '.join(NEGATIVES_COLUMNS)}; rename one.")
    captions = list(read_cells(rows[caption_name], caption_name, source))
    cells = ([] if cell is None or cell == "" else cell for cell in rows[negatives_name])
    negatives = read_cells(cells, negatives_name, source)
    concepts = rows[NEGATIVE_CONCEPTS] if NEGATIVE_CONCEPTS in names else [None] * len(rows)
    photos = find_row_photos(rows, source, image_column, caption_name)
    ids = [number if told else None for number, told in zip(photos.numbers, photos.told, strict=True)]
    left_out: Counter[str] = Counter()
    of_image: dict[Key, dict[str, str]] = {}
    of_caption: dict[Key, dict[str, str]] = {}
    for image_id, of_row, texts, kinds in zip(ids, captions, negatives, concepts, strict=True):
        named = name_concepts(texts, kinds)
        for caption in map(str.strip, of_row):
            usable = usable_negatives(caption, named, lambda reason: left_out.update([reason]))
            of_caption.setdefault((None, caption), {}).update(usable)
            of_image.setdefault((image_id, caption), {}).update(usable)
    if not any(of_caption.values()):
        raise ValueError(
            f"{source} has no negative in {negatives_name!r} that can be used: {describe_reasons(left_out)}."
        )
    of_photo = {key: list(found.items()) for key, found in of_image.items() if key[0] is not None}
    return GivenNegatives(source, of_photo, _as_lists(of_caption), left_out)


def name_concepts(texts: Sequence[str], concepts: Any) -> list[Negative]:
    """The negatives of a row with their concepts, or with `UNKNOWN_CONCEPT` if there is not one for each."""
    one_each = isinstance(concepts, list) and len(concepts) == len(texts) and all(concepts)
    return list(zip(texts, map(str, concepts) if one_each else [UNKNOWN_CONCEPT] * len(texts), strict=True))


def usable_negatives(caption: str, negatives: Sequence[Negative], skip: Callable[[str], None]) -> dict[str, str]:
    """The concept of each negative that differs from its caption; `skip` is called with the reason for the others."""
    usable = {}
    for text, concept in negatives:
        if not text.strip():
            skip(NEGATIVE_EMPTY)
        elif text.strip() == caption:
            skip(NEGATIVE_IS_CAPTION)
        else:
            usable[text] = concept
    return usable


def _as_lists(found: Mapping[Key, Mapping[str, str]]) -> dict[Key, list[Negative]]:
    return {key: list(negatives.items()) for key, negatives in found.items() if negatives}


def join_negatives(given: GivenNegatives, ids: Sequence[int], captions: Sequence[str]) -> Join:
    """Find the negatives of N rows.

    A row gets the negatives of its image id and caption. Image ids of two sources may be numbered differently. So a
    row whose image id and caption the source does not have gets the negatives of its caption, of whatever image.

    Raises:
        ValueError: If no row has negatives; the message shows a caption of each source.
    """
    texts = [caption.strip() for caption in captions]
    by_caption: list[Key] = [(None, text) for text in texts]
    by_image: list[Key] = list(zip(ids, texts, strict=True))
    if not any(key in given.of_caption for key in by_caption):
        theirs = next(iter(given.of_caption))[1]
        raise ValueError(
            f"None of {len(texts):,} captions is among the {len(given.of_caption):,} of {given.source}. The texts "
            f"must be equal; a caption of the data is {texts[0]!r}, and one of the negatives is of {theirs!r}."
        )
    rows = given.find(ids, captions)
    matched = sum(map(bool, rows))
    of_images = sum(bool(given.of_image.get(key)) for key in by_image)
    unmatched = len(given.of_caption.keys() - set(by_caption))
    return Join(rows, _describe_join(of_images, matched - of_images), matched, unmatched, max(map(len, rows)))


def _describe_join(of_images: int, of_captions: int) -> str:
    if of_images and of_captions:
        return f"{BY_IMAGE} ({of_images:,}) or by {BY_CAPTION} alone ({of_captions:,})"
    return BY_IMAGE if of_images else BY_CAPTION


def add_given_negatives(rows: Dataset, negatives: Sequence[Sequence[Negative]], most: int) -> Dataset:
    """Add the columns `negatives` and `negative_concepts` with the first `most` negatives of each row."""
    for name, part in ((NEGATIVES, 0), (NEGATIVE_CONCEPTS, 1)):
        values = [[negative[part] for negative in of_row[:most]] for of_row in negatives]
        rows = rows.add_column(name, values, feature=NEGATIVE_FEATURES[name])
    return rows
