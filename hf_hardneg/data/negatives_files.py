"""Anybody's file of captions and negatives: TSV, CSV, JSON (SugarCrepe's too), JSONL, Parquet or a dataset folder."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..columns import NEGATIVE_CONCEPTS
from .caption_cells import read_cells
from .files import CAPTION_COLUMNS, NEGATIVES_COLUMNS, find_column, open_dataset
from .photo_places import place_of
from .row_photos import find_photo_keys
from .same_photo import ROW, Key
from .skip_reasons import EMPTY


class CaptionNegatives(NamedTuple):
    """Captions with their negatives, and what else a file says of them.

    Attributes:
        captions: N captions.
        negatives: N lists of negatives.
        image_ids: N ids, equal for captions of one image; None if the file tells no image of any row.
        concepts: N lists with the concept of each negative; None if the file does not name one for each.
        skipped: What was skipped, by reason.
    """

    captions: list[str]
    negatives: list[list[str]]
    image_ids: list[str] | None
    concepts: list[list[str]] | None
    skipped: Counter[str]


def read_negatives(
    source: str | Path,
    caption_column: str | None = None,
    negatives_column: str | None = None,
    split: str = "train",
    config: str | None = None,
) -> CaptionNegatives:
    """Read captions, the negatives of each, and which image and concept each is of.

    A row with several captions gives as many pairs. Empty negatives are kept: they are a defect to be counted. A null
    means that there is no negative. `row_photos` tells the images.

    Args:
        source: What `files.open_dataset` opens.
        caption_column: Its name; None takes the first of `CAPTION_COLUMNS` that is there.
        negatives_column: A negative or a list of them in each row; None takes one of `NEGATIVES_COLUMNS`.
        split: Of a folder or Hub id.
        config: The name of the configuration, where a folder or a Hub id has several.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another format, broken, or lacks a column; the message says which it has.
    """
    dataset = open_dataset(str(source), split, config)
    names = dataset.column_names
    caption_name = find_column(caption_column, CAPTION_COLUMNS, names, source, "--caption_column")
    negatives_name = find_column(negatives_column, NEGATIVES_COLUMNS, names, source, "--negatives_column")
    texts = list(read_cells(dataset[caption_name], caption_name, source))
    cells = ([] if cell is None else cell for cell in dataset[negatives_name])
    changed = list(read_cells(cells, negatives_name, source))
    concepts = _read_concepts(dataset[NEGATIVE_CONCEPTS][:] if NEGATIVE_CONCEPTS in names else None, changed)
    keys = find_photo_keys(dataset, str(source), caption_column=caption_name)
    kept, skipped = [], Counter[str]()
    for row, of_row in enumerate(texts):
        for caption in of_row:
            if caption.strip():
                kept.append((row, caption))
            else:
                skipped[EMPTY] += 1
    is_told = any(key[0] != ROW for key in keys)
    return CaptionNegatives(
        [caption for _, caption in kept],
        [changed[row] for row, _ in kept],
        [_name_photo(keys[row], source) for row, _ in kept] if is_told else None,
        None if concepts is None else [concepts[row] for row, _ in kept],
        +skipped,
    )


def _name_photo(key: Key, source: str | Path) -> str:
    """A photo's key as text, alike wherever the file is: what decides its fold must not depend on the machine."""
    folder = place_of(str(Path(source).parent), ".")
    return " ".join(map(str, key)).replace(f"{folder}/", "")


def _read_concepts(
    cells: Sequence[Sequence[str] | None] | None, negatives: Sequence[Sequence[str]]
) -> list[list[str]] | None:
    """The concepts of each row, or None if there is not one for each negative."""
    if cells is None:
        return None
    concepts = [[str(concept) for concept in cell] if isinstance(cell, list) else [] for cell in cells]
    return concepts if list(map(len, concepts)) == list(map(len, negatives)) and any(concepts) else None


def read_caption_negatives(
    source: str | Path,
    caption_column: str | None = None,
    negatives_column: str | None = None,
    split: str = "train",
    config: str | None = None,
) -> tuple[list[str], list[list[str]], Counter[str]]:
    """Read captions and the negatives of each: `read_negatives` without images and concepts.

    Args:
        source: What `files.open_dataset` opens.
        caption_column: As in `read_negatives`.
        negatives_column: As in `read_negatives`.
        split: Of a folder or Hub id.
        config: The name of the configuration, where a folder or a Hub id has several.

    Returns:
        N captions, N lists of negatives, and what was skipped by reason.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another format, broken, or lacks a column; the message says which it has.
    """
    found = read_negatives(source, caption_column, negatives_column, split, config)
    return found.captions, found.negatives, found.skipped
