"""Rows of a Hub id, a table or an image folder: photos with one or more captions each."""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from ..columns import CATEGORIES, OTHER_CAPTIONS
from ..user_errors import naming
from .captions import read_cells
from .files import CAPTION_COLUMNS, find_column, open_dataset
from .image_columns import SUFFIXES, TEXTS, find_image_column, refuse_urls, undecoded
from .image_ids import IMAGE_ID_COLUMNS, IMAGE_PATH_COLUMNS
from .leakage import SOURCE_COLUMNS, count_refused, file_name_tells, refuse_split
from .photo_files import FoundFile, PhotoFile, find_files, look_at_files
from .photo_rows import Photo, clean_captions, rows_from_photos
from .same_photo import count_contradictions, find_keys, matching_columns, number_photos
from .skip_reasons import MISSING


logger = logging.getLogger(__name__)


def load_captioned_images(
    source: str,
    split: str,
    image_column: str | None = None,
    caption_column: str | None = None,
    num_proc: int | None = None,
    challenge: Collection[int] | None = None,
    config: str | None = None,
) -> tuple[Dataset, Counter[str]]:
    """Read photos with one caption or a list of captions in a row.

    Rows show the same photo if a column of ids says so (`image_ids.IMAGE_ID_COLUMNS`), else if they have the same
    file name or the same bytes. Embedded photos are written to the cache once each, and rows hold their paths.

    Args:
        source: A Hub id, a table with embedded images or their paths (CSV, TSV, JSONL, Parquet), an image folder.
        split: Its split.
        image_column: Its name; None finds it.
        caption_column: Its name; None takes the first of `CAPTION_COLUMNS` that is there.
        num_proc: Processes that check the images.
        challenge: For training: COCO ids to leave out (and the split val2017, and rows whose `coco_url` says val2017),
            as far as `leakage.SOURCE_COLUMNS` or COCO's file names tell. None leaves nothing out.
        config: The config of a data set that has several.

    Returns:
        Rows with `columns.ROW_FEATURES`, and how often each reason led to a skip.

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
    ids = _number_rows(table, found, files, source)
    skipped: Counter[str] = Counter()
    if challenge is not None:
        kept, refused = _find_refused(table, [one.name for one in found], challenge, source)
        skipped += refused
        if refused:
            table, found, ids = table.select(kept), [found[i] for i in kept], [ids[i] for i in kept]
    photos = [
        Photo(one.path, image_id, clean_captions(captions, skipped), others, categories)
        for one, image_id, captions, others, categories in zip(
            found,
            ids,
            _texts(table, caption_column, source),
            _told(table, OTHER_CAPTIONS, source),
            _told(table, CATEGORIES, source),
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
    columns = [name for name in SOURCE_COLUMNS if name in table.column_names]
    if challenge and not columns and not any(map(file_name_tells, names)):
        logger.warning(
            f"{source} has none of the columns {', '.join(SOURCE_COLUMNS)}: whether its photos are in the "
            "challenge sets is not known."
        )
    rows = table.select_columns(columns) if columns else [{}] * len(names)
    about = ({**row, "file_name": name} for row, name in zip(rows, names, strict=True))
    return count_refused(about, challenge, source)


def _require_images(found: Sequence[FoundFile], files: Mapping[str, PhotoFile], column: str, source: str) -> None:
    """Raise a ValueError if a column of texts names no file at all."""
    names = [one.name for one in found if one.name]
    absent = names and all(one.path is None or files[one.path].problem == MISSING for one in found)
    if absent and not any(name.lower().endswith(SUFFIXES) for name in names):
        raise ValueError(
            f"Column {column!r} of {source} holds texts such as {names[0]!r}, not images or paths of images "
            "with their ending, such as photos/1.jpg; set --image_column."
        )


def _texts(table: Dataset, column: str, source: str) -> list[list[str]]:
    """The texts of each row's cell; none where there is no such column."""
    if column not in table.column_names:
        return [[]] * len(table)
    return list(read_cells(table[column], column, source))


def _told(table: Dataset, column: str, source: str) -> list[list[str]]:
    """The texts of a column that only says more of the photo."""
    return [[text for text in texts if text.strip()] for texts in _texts(table, column, source)]


def _number_rows(table: Dataset, found: Sequence[FoundFile], files: Mapping[str, PhotoFile], source: str) -> list[int]:
    """The image id of each row; says in the log what was taken for an id, and what contradicts it."""
    contents = [files[one.path].digest if one.path else None for one in found]
    columns = [
        name for name in matching_columns(IMAGE_ID_COLUMNS, table.column_names) if _holds_ids(table.features[name])
    ]
    keys = find_keys({name: table[name][:] for name in columns}, _file_names(table), contents)
    twice, several = count_contradictions(keys, contents)
    if twice:
        logger.warning(f"{source}: {twice} photos have the bytes of another photo, but not its {columns[0]!r}.")
    if several:
        logger.warning(
            f"{source}: {several} photos have rows of different bytes; by their id or file name they are one."
        )
    if not columns and any(contents) and len(set(keys)) == len(keys):
        logger.warning(
            f"{source} has no column of image ids, such as {', '.join(IMAGE_ID_COLUMNS[:3])}, and no photo comes "
            "twice: every row is taken for a photo of its own."
        )
    return number_photos(keys, columns[0] if columns else None)


def _holds_ids(feature: Any) -> bool:
    return feature in TEXTS or str(getattr(feature, "dtype", "")).startswith(("int", "uint", "float"))


def _file_names(table: Dataset) -> Sequence[str | None]:
    """What a column beside the images says of their files; nothing if all have one name."""
    for name in matching_columns(IMAGE_PATH_COLUMNS, table.column_names):
        if table.features[name] in TEXTS and len(table.unique(name)) > 1:
            return table[name][:]
    return [None] * len(table)
