"""Rows of a Hub id, a table or an image folder: photos with one or more captions each."""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from datasets import Dataset

from ..columns import CATEGORIES, IMAGE, OTHER_CAPTIONS, PAIR_ID
from ..user_errors import naming
from .caption_cells import read_cells
from .files import CAPTION_COLUMNS, find_column, open_dataset
from .image_columns import SUFFIXES, find_image_column, refuse_urls, undecoded
from .leakage import SOURCE_COLUMNS, count_refused, refuse_split, source_columns, tells_source
from .photo_files import FoundFile, PhotoFile, find_files, look_at_files
from .photo_rows import Photo, clean_captions, rows_from_photos
from .row_photos import find_row_photos, warn_of_single_rows
from .same_photo import plain_id
from .skip_reasons import MISSING, UNREADABLE


logger = logging.getLogger(__name__)


def load_captioned_images(
    source: str,
    split: str,
    image_column: str | None = None,
    caption_column: str | None = None,
    num_proc: int | None = None,
    challenge: Collection[int] | None = None,
    config: str | None = None,
    keep_pairs: bool = False,
) -> tuple[Dataset, Counter[str]]:
    """Read photos with one caption or a list of captions in a row.

    `row_photos.find_row_photos` tells which rows show the same photo. Embedded photos are written to the cache once
    each, and rows hold their paths.

    Args:
        source: A Hub id, a table with embedded images or their paths (CSV, TSV, JSONL, Parquet), an image folder.
        split: Its split.
        image_column: Its name; None finds it.
        caption_column: Its name; None takes the first of `CAPTION_COLUMNS` that is there.
        num_proc: Processes that check the images.
        challenge: For training: COCO ids to leave out (and the split val2017, and rows whose `coco_url` says val2017),
            as far as `leakage.SOURCE_COLUMNS` or COCO's file names tell. None leaves nothing out.
        config: The config of a data set that has several.
        keep_pairs: Whether a column `pair_id` is kept; each of its values becomes a number.

    Returns:
        Rows with `columns.ROW_FEATURES`, also with `pair_id` if pairs are kept and there are some; and how often each
        reason led to a skip.

    Raises:
        ValueError: If a column is not there or of the wrong type, or nothing usable is left.
    """
    if challenge is not None:
        refuse_split(split, source)
    dataset = open_dataset(source, split, config)
    image_column = find_image_column(image_column, dataset.features, source)
    caption_column = find_column(caption_column, CAPTION_COLUMNS, dataset.column_names, source, "--caption_column")
    if caption_column == image_column:
        raise ValueError(f"Column {image_column!r} of {source} holds the captions, not images; set --image_column.")
    found = _find_files(dataset, image_column, source, num_proc)
    table = dataset.remove_columns(image_column)
    files = look_at_files([one.path for one in found if one.path], num_proc)
    _require_images(found, files, image_column, source)
    contents = [files[one.path].digest if one.path else None for one in found]
    row_photos = find_row_photos(dataset, source, image_column, caption_column, contents)
    if any(contents):  # otherwise the error below says that no photo was found
        warn_of_single_rows(row_photos, dataset, caption_column, source)
    ids = row_photos.numbers
    skipped: Counter[str] = Counter()
    if challenge is not None:
        kept, refused = _find_refused(table, [one.name for one in found], challenge, source)
        skipped += refused
        if refused:
            table, found, ids = table.select(kept), [found[i] for i in kept], [ids[i] for i in kept]
    photos = [
        Photo(one.path, image_id, clean_captions(captions, skipped), others, categories, pair_id)
        for one, image_id, captions, others, categories, pair_id in zip(
            found,
            ids,
            _texts(table, caption_column, source),
            _told(table, OTHER_CAPTIONS, source),
            _told(table, CATEGORIES, source),
            _pair_ids(table) if keep_pairs else [None] * len(table),
            strict=True,
        )
    ]
    with naming(f"Column {image_column!r} of {source}"):
        return rows_from_photos(photos, files, skipped), +skipped


def _find_files(dataset: Dataset, column: str, source: str, num_proc: int | None) -> list[FoundFile]:
    """The file of each row's photo; paths are relative to the folder of a table, or to a folder that was named."""
    place = Path(source).expanduser()
    found = find_files(undecoded(dataset, column), column, place.parent if place.is_file() else place, num_proc)
    refuse_urls([one.name for one in found], column, source)
    return found


def _find_refused(
    table: Dataset, names: Sequence[str | None], challenge: Collection[int], source: str
) -> tuple[list[int], Counter[str]]:
    """The rows that may be trained on, and how many may not, by reason."""
    columns = source_columns(table.features)
    rows = table.select_columns(columns) if columns else [{}] * len(names)
    about = [{IMAGE: {"path": name}, **row} for row, name in zip(rows, names, strict=True)]
    if challenge and not any(map(tells_source, about)):
        logger.warning(
            f"{source} has none of the columns {', '.join(SOURCE_COLUMNS)}: whether its photos are in the "
            "challenge sets is not known."
        )
    return count_refused(about, challenge, source)


def _require_images(found: Sequence[FoundFile], files: Mapping[str, PhotoFile], column: str, source: str) -> None:
    """Raise a ValueError if a column of texts names no file at all, or a column of bytes holds no photo."""
    problems = {MISSING if one.path is None else files[one.path].problem for one in found}
    names = [one.name for one in found if one.name]
    if names and problems == {MISSING} and not any(name.lower().endswith(SUFFIXES) for name in names):
        raise ValueError(
            f"Column {column!r} of {source} holds texts such as {names[0]!r}, not images or paths of images "
            "with their ending, such as photos/1.jpg; set --image_column."
        )
    if problems <= {MISSING, UNREADABLE} and UNREADABLE in problems:
        raise ValueError(
            f"No usable row is left of {len(found)}: column {column!r} of {source} holds no image that can be read. "
            "If the images are in another column, set --image_column."
        )


def _texts(table: Dataset, column: str, source: str) -> list[list[str]]:
    """The texts of each row's cell; none where there is no such column."""
    if column not in table.column_names:
        return [[]] * len(table)
    return list(read_cells(table[column], column, source))


def _pair_ids(table: Dataset) -> list[int | None]:
    """A number for each value of the column `pair_id`; None where there is none."""
    values = list(map(plain_id, table[PAIR_ID])) if PAIR_ID in table.column_names else [None] * len(table)
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values)) if value is not None}
    return [None if value is None else numbers[value] for value in values]


def _told(table: Dataset, column: str, source: str) -> list[list[str]]:
    """The texts of a column that only says more of the photo."""
    return [[text for text in texts if text.strip()] for texts in _texts(table, column, source)]
