"""Rows of a Hub id, a Parquet file or an image folder: photos with one or more captions each."""

import logging
from collections import Counter
from collections.abc import Collection
from typing import Any

from datasets import Dataset, Image

from ..columns import CAPTION, CATEGORIES, IMAGE, IMAGE_ID
from .files import open_dataset, require_columns
from .leakage import SOURCE_COLUMNS, count_refused, refuse_split
from .photos import PHOTO_FEATURES, clean_captions, rows_from_photos


logger = logging.getLogger(__name__)


def load_captioned_images(
    source: str,
    split: str,
    image_column: str = IMAGE,
    caption_column: str = CAPTION,
    num_proc: int | None = None,
    challenge: Collection[int] | None = None,
) -> tuple[Dataset, Counter[str]]:
    """Read a Hub id, Parquet or image folder with one caption or a list of captions per image.

    A column `image_id` tells which rows show the same image: integers are kept, other values numbered in the order in
    which they come. Without it every row is an image of its own. Where a data set embeds its images and has several
    captions for each, the cache holds each image once per caption. `challenge` is for training: COCO ids to leave out
    (and the split val2017, and rows whose `coco_url` says val2017), as far as `challenge.SOURCE_COLUMNS` tell.

    Returns:
        Rows with `columns.ROW_FEATURES`, and how often each reason led to a skip.

    Raises:
        ValueError: If a column is not there or of the wrong type, or nothing usable is left.
    """
    dataset = open_dataset(source, split)
    require_columns(dataset.column_names, [image_column, caption_column], source)
    if not isinstance(dataset.features[image_column], Image):
        kind = dataset.features[image_column]
        raise ValueError(f"Column {image_column!r} of {source} holds {kind}, not images; set image_column.")
    dataset = dataset.cast_column(image_column, Image(decode=False))
    skipped: Counter[str] = Counter()
    if challenge is not None:
        refuse_split(split, source)
        dataset, refused = _drop_challenge_photos(dataset, challenge, source)
        skipped += refused
    texts = dataset[caption_column][:]
    if any(text is not None and not isinstance(text, str | list) for text in texts):
        raise ValueError(f"Column {caption_column!r} of {source} must hold a string or a list of strings per image.")
    captions = [clean_captions(text if isinstance(text, list) else [text], skipped) for text in texts]
    ids, first_rows, captions = _group_by_image(dataset, captions, source)
    photos = dataset.select_columns(image_column).select(first_rows)
    if image_column != IMAGE:
        photos = photos.rename_column(image_column, IMAGE)
    for name, column in ((IMAGE_ID, ids), ("captions", captions), (CATEGORIES, [[]] * len(ids))):
        photos = photos.add_column(name, column, feature=PHOTO_FEATURES[name])
    return rows_from_photos(photos, skipped, num_proc), +skipped


def _drop_challenge_photos(dataset: Dataset, challenge: Collection[int], source: str) -> tuple[Dataset, Counter[str]]:
    names = [name for name in SOURCE_COLUMNS if name in dataset.column_names]
    if not names:
        if challenge:
            logger.warning(
                f"{source} has none of the columns {', '.join(SOURCE_COLUMNS)}: whether its photos are in the "
                "challenge sets is not known."
            )
        return dataset, Counter()
    kept, refused = count_refused(dataset.select_columns(names), challenge, source)
    return (dataset.select(kept) if refused else dataset), refused


def _group_by_image(
    dataset: Dataset, captions: list[list[str]], source: str
) -> tuple[list[int], list[int], list[list[str]]]:
    """(image ids, the first row of each image, all its captions) from the column `image_id`, if there is one."""
    if IMAGE_ID not in dataset.column_names:
        return list(range(len(dataset))), list(range(len(dataset))), captions
    keys = dataset[IMAGE_ID][:]
    if None in keys:
        raise ValueError(f"Column {IMAGE_ID!r} of {source} is empty in {keys.count(None)} rows; fill or drop it.")
    first_rows: dict[Any, int] = {}
    grouped: dict[Any, list[str]] = {}
    for i, key in enumerate(keys):
        first_rows.setdefault(key, i)
        grouped.setdefault(key, []).extend(captions[i])
    ids = list(first_rows) if all(isinstance(key, int) for key in first_rows) else list(range(len(first_rows)))
    return ids, list(first_rows.values()), list(grouped.values())
