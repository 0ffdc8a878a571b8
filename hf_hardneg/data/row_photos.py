"""Which rows of a table show one photo: the one way for training, negatives, given negatives and evaluation."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset

from .image_columns import IMAGE_COLUMNS, PATH_COLUMNS, TEXTS, URL_COLUMNS, find_image_column, undecoded
from .photo_files import path_of, tell_contents
from .same_photo import (
    IMAGE_ID_COLUMNS,
    ROW,
    Key,
    count_contradictions,
    find_keys,
    matching_columns,
    number_photos,
    plain_id,
)


logger = logging.getLogger(__name__)

# A column of names with one of these endings says from which file a row came, not which photo it shows.
_SHARDS = (".tar", ".parquet", ".arrow", ".zip", ".csv", ".tsv", ".json", ".jsonl", ".txt")


class RowPhotos(NamedTuple):
    """The photos of N rows.

    Attributes:
        numbers: An image id for each row, equal for rows of one photo. Whole numbers of a column of ids are kept.
        told: Whether anything tells the photo of a row; otherwise it is taken for a photo of its own.
        has_ids: Whether there is a column of ids.
    """

    numbers: list[int]
    told: list[bool]
    has_ids: bool


def find_row_photos(
    table: Dataset,
    source: str,
    image_column: str | None = None,
    caption_column: str | None = None,
    contents: Sequence[str | None] | None = None,
) -> RowPhotos:
    """Find which rows of a table show one photo, and number the photos.

    Args:
        table: As in `find_photo_keys`, like the others.
        source: What the user named.
        image_column: The column of images; None finds it, if there is one.
        caption_column: A column that names no photo, whatever it is called.
        contents: N texts that are equal for equal bytes, if they are known already.
    """
    keys, columns = _find_keys(table, source, image_column, caption_column, contents)
    numbers = number_photos(keys, columns[0] if columns else None)
    return RowPhotos(numbers, [key[0] != ROW for key in keys], bool(columns))


def find_photo_keys(table: Dataset, source: str, caption_column: str | None = None) -> list[Key]:
    """Find which rows of a table show one photo: the key of each row's photo.

    Rows show the same photo if a column of ids says so (`same_photo.IMAGE_ID_COLUMNS`), else if they have the same
    bytes, else, where there are no bytes, if they have the same file name. Case and underscores of columns do not
    count. The log says what contradicts the ids.

    Args:
        table: All rows of a source, so that all who read it know them alike.
        source: What the user named. Paths are relative to its folder.
        caption_column: A column that names no photo, whatever it is called.
    """
    return _find_keys(table, source, None, caption_column, None)[0]


def _find_keys(
    table: Dataset,
    source: str,
    image_column: str | None,
    caption_column: str | None,
    contents: Sequence[str | None] | None,
) -> tuple[list[Key], list[str]]:
    """The key of each row's photo, and the columns of ids."""
    place = Path(source).expanduser()
    root = place.parent if place.is_file() else place
    features = {name: feature for name, feature in table.features.items() if name != caption_column}
    columns = find_id_columns(features)
    ids = {name: table[name][:] for name in columns}
    if contents is None:
        contents = [None] * len(table)
        image_column = image_column or _image_column(features, source)
        if image_column and not all(any(plain_id(one) is not None for one in of_row) for of_row in _rows(ids, table)):
            contents = tell_contents(undecoded(table, image_column), image_column, root)
    keys = find_keys(ids, _names(table, features, image_column, root), contents)
    _warn(keys, contents, columns, source)
    return keys, columns


def warn_of_single_rows(photos: RowPhotos, table: Dataset, caption_column: str, source: str) -> None:
    """Say it in the log if every row is taken for a photo of its own, unless a row has a list of captions."""
    is_list = table.features[caption_column] not in TEXTS
    if not photos.has_ids and not is_list and len(set(photos.numbers)) == len(photos.numbers):
        logger.warning(
            f"{source} has no column of image ids, such as {', '.join(IMAGE_ID_COLUMNS[:3])}, and no photo comes "
            "twice: every row is taken for a photo of its own."
        )


def find_id_columns(features: Mapping[str, Any]) -> list[str]:
    """The columns that hold image ids, the surest first."""
    return [name for name in matching_columns(IMAGE_ID_COLUMNS, features) if _holds_ids(features[name])]


def _rows(ids: dict[str, Any], table: Dataset) -> list[tuple[Any, ...]]:
    return list(zip(*ids.values(), strict=True)) if ids else [()] * len(table)


def _image_column(features: dict[str, Any], source: str) -> str | None:
    try:
        return find_image_column(None, features, source)
    except ValueError:
        return None


def _holds_ids(feature: Any) -> bool:
    return feature in TEXTS or str(getattr(feature, "dtype", "")).startswith(("int", "uint", "float"))


def _names(table: Dataset, features: dict[str, Any], image_column: str | None, root: Path) -> list[str | None]:
    """What all columns of paths and file names together say of each row's photo; nothing if all rows say the same.

    Karpathy's `filepath` is a folder, and only with `filename` beside it a photo.
    """
    names = [""] * len(table)
    for column in matching_columns((*PATH_COLUMNS, *IMAGE_COLUMNS, *URL_COLUMNS), features):
        if features[column] in TEXTS:
            texts = {cell: (cell or "").strip() for cell in table.unique(column)}
            if not next(filter(None, texts.values()), "").lower().endswith(_SHARDS):
                paths = {cell: path_of(text, root) if text else "" for cell, text in texts.items()}
                names = [name + paths[cell] for name, cell in zip(names, table[column][:], strict=True)]
    alike = len(set(names)) == 1 and features.get(image_column or "") not in TEXTS
    return [None if alike else name or None for name in names]


def _warn(keys: Sequence[Any], contents: Sequence[str | None], columns: Sequence[str], source: str) -> None:
    twice, several = count_contradictions(keys, contents)
    if twice:
        logger.warning(f"{source}: {twice} photos have the bytes of another photo, but not its {columns[0]!r}.")
    if several:
        logger.warning(
            f"{source}: {several} photos have rows of different bytes; by their {columns[0]!r} they are one."
        )
