"""Negatives that somebody already has, joined to the captions of a run."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from ..columns import NEGATIVE_CONCEPTS, NEGATIVE_FEATURES, NEGATIVES
from .captions import read_cells
from .files import CAPTION_COLUMNS, NEGATIVES_COLUMNS, find_column, open_dataset
from .image_ids import find_id_column, number_images
from .skip_reasons import NEGATIVE_EMPTY, NEGATIVE_IS_CAPTION, describe_reasons


UNKNOWN_CONCEPT = "unknown"
BY_IMAGE, BY_CAPTION = "image id and caption", "caption"

Negative = tuple[str, str]
"""The text of a negative and its concept."""
Key = tuple[int | None, str]
"""The image id and the caption; None for an image id that is not used."""


@dataclass(frozen=True)
class GivenNegatives:
    """Captions with negatives, from any source.

    Attributes:
        source: What the user named.
        of_image: The negatives of each image id and caption; empty if the source has no image ids.
        of_caption: The negatives of each caption, of whatever image.
        left_out: How many negatives cannot be used, by reason.
    """

    source: str
    of_image: Mapping[Key, Sequence[Negative]]
    of_caption: Mapping[Key, Sequence[Negative]]
    left_out: Counter[str]


@dataclass(frozen=True)
class Join:
    """How rows met the given negatives.

    Attributes:
        rows: One list of negatives for each row.
        by: `BY_IMAGE` or `BY_CAPTION`.
        matched: How many rows have negatives.
        unmatched_captions: How many captions with negatives are of no row.
        most: The most negatives that a row has.
    """

    rows: list[Sequence[Negative]]
    by: str
    matched: int
    unmatched_captions: int
    most: int


def find_negatives_column(columns: Sequence[str]) -> str | None:
    """The first of `NEGATIVES_COLUMNS` that is there, or None."""
    return next((name for name in NEGATIVES_COLUMNS if name in columns), None)


def read_given_negatives(
    source: str,
    caption_column: str | None = None,
    split: str = "train",
    config: str | None = None,
) -> GivenNegatives:
    """Read captions and their negatives from any file, dataset folder or Hub id.

    The columns are found by their usual names (`CAPTION_COLUMNS`, `NEGATIVES_COLUMNS`). `negative_concepts` is used if
    each negative has one; otherwise the concept is `UNKNOWN_CONCEPT`. Rows of one caption are joined.

    Args:
        source: What `files.open_dataset` opens.
        caption_column: Its name; None takes a usual one.
        split: Of a folder or Hub id.
        config: The name of the configuration, where there are several.

    Raises:
        FileNotFoundError: If the source is not there.
        ValueError: If it is broken, lacks a column, or has no negative that can be used.
    """
    rows = open_dataset(source, split, config)
    names = rows.column_names
    caption_name = find_column(caption_column, CAPTION_COLUMNS, names, source, "--caption_column")
    negatives_name = find_negatives_column(names)
    if negatives_name is None:
        raise ValueError(f"{source} has the columns {names}, none of {', '.join(NEGATIVES_COLUMNS)}; rename one.")
    captions = list(read_cells(rows[caption_name], caption_name, source))
    cells = ([] if cell is None or cell == "" else cell for cell in rows[negatives_name])
    negatives = read_cells(cells, negatives_name, source)
    concepts = rows[NEGATIVE_CONCEPTS] if NEGATIVE_CONCEPTS in names else [None] * len(rows)
    id_column = find_id_column(rows)
    ids = number_images(rows[id_column][:]) if id_column else [None] * len(rows)
    left_out: Counter[str] = Counter()
    of_image: dict[Key, dict[str, str]] = {}
    of_caption: dict[Key, dict[str, str]] = {}
    for image_id, of_row, texts, kinds in zip(ids, captions, negatives, concepts, strict=True):
        named = name_concepts(texts, kinds)
        for caption in map(str.strip, of_row):
            usable = usable_negatives(caption, named, lambda reason: left_out.update([reason]))
            of_caption.setdefault((None, caption), {}).update(usable)
            if image_id is not None:
                of_image.setdefault((image_id, caption), {}).update(usable)
    if not any(of_caption.values()):
        raise ValueError(
            f"{source} has no negative in {negatives_name!r} that can be used: {describe_reasons(left_out)}."
        )
    return GivenNegatives(source, _as_lists(of_image), _as_lists(of_caption), left_out)


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


@dataclass(frozen=True)
class GivenTable:
    """Given negatives by what tells the captions of two sources apart: the caption, and if it serves the image id.

    Attributes:
        by: `BY_IMAGE` or `BY_CAPTION`.
        negatives: Those of each key.
    """

    by: str
    negatives: Mapping[Key, Sequence[Negative]]

    def keys(self, ids: Sequence[int], captions: Sequence[str]) -> list[Key]:
        """The keys of N captions."""
        known = ids if self.by == BY_IMAGE else [None] * len(ids)
        return list(zip(known, map(str.strip, captions), strict=True))

    def find(self, ids: Sequence[int], captions: Sequence[str]) -> list[Sequence[Negative]]:
        """The negatives of N captions."""
        return [self.negatives.get(key, ()) for key in self.keys(ids, captions)]


def choose_table(given: GivenNegatives, ids: Sequence[int], captions: Sequence[str]) -> GivenTable:
    """Choose how N captions meet the given negatives.

    Image ids of two sources may be numbered differently. So they are used if at least half as many captions find
    negatives by image id and caption as by the caption alone.

    Raises:
        ValueError: If no caption has negatives; the message shows a caption of each source.
    """
    by_image, by_caption = GivenTable(BY_IMAGE, given.of_image), GivenTable(BY_CAPTION, given.of_caption)
    of_image, of_caption = (sum(map(bool, table.find(ids, captions))) for table in (by_image, by_caption))
    if not of_caption:
        theirs = next(iter(given.of_caption))[1]
        raise ValueError(
            f"None of {len(captions):,} captions is among the {len(given.of_caption):,} of {given.source}. The texts "
            f"must be equal; a caption of the data is {captions[0].strip()!r}, and one of the negatives is of "
            f"{theirs!r}."
        )
    return by_image if 2 * of_image >= of_caption else by_caption


def join_negatives(given: GivenNegatives, ids: Sequence[int], captions: Sequence[str]) -> Join:
    """Find the negatives of N rows, as `choose_table` decides.

    Raises:
        ValueError: If no row has negatives; the message shows a caption of each source.
    """
    table = choose_table(given, ids, captions)
    rows = table.find(ids, captions)
    unmatched = len(table.negatives.keys() - set(table.keys(ids, captions)))
    return Join(rows, table.by, sum(map(bool, rows)), unmatched, max(map(len, rows)))


def add_given_negatives(rows: Dataset, negatives: Sequence[Sequence[Negative]], most: int) -> Dataset:
    """Add the columns `negatives` and `negative_concepts` with the first `most` negatives of each row."""
    for name, part in ((NEGATIVES, 0), (NEGATIVE_CONCEPTS, 1)):
        values = [[negative[part] for negative in of_row[:most]] for of_row in negatives]
        rows = rows.add_column(name, values, feature=NEGATIVE_FEATURES[name])
    return rows
