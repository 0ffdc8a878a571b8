"""Which ids of photos come from the source. Readers number photos without an id, and such numbers mean nothing."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ..columns import IMAGE_ID
from ..json_files import read_json
from .captions import is_coco_file
from .coco import is_coco_folder
from .coco_annotations import CAPTIONS, CaptionsOnly, annotation_file, captions_by_image, find_split
from .files import open_dataset
from .karpathy import id_name, karpathy_file, read_karpathy, splits_of
from .leakage import ID_COLUMNS
from .row_photos import find_id_columns
from .same_photo import keep_ids, matching_columns, plain_id


class SourceIds(NamedTuple):
    """What a source says of its photos' ids.

    Attributes:
        has_ids: Whether any photo has an id, a number or a text.
        coco: The image ids of rows that are the source's own, under a name that the training takes for COCO's.
    """

    has_ids: bool
    coco: frozenset[int]


def read_source_ids(
    source: str, split: str | None = None, caption_column: str | None = None, config: str | None = None
) -> SourceIds:
    """Read the ids of photos, as `photo_sources.load_photos` and `captions.read_captions` take them for image ids.

    Args:
        source: As these take it.
        split: The same.
        caption_column: A column that holds no ids, whatever it is called.
        config: As these take it.

    Raises:
        FileNotFoundError: If a file or a split is not there.
        ValueError: If the data cannot be used.
    """
    file, split_file = Path(source).expanduser(), karpathy_file(source)
    if is_coco_folder(source):
        file = annotation_file(Path(source), CAPTIONS, find_split(Path(source), split, "dataset_split"))
    if split_file is not None:
        images = read_karpathy(split_file, splits_of(split))
        name = id_name(images)
        return _source_ids(name, (getattr(one, name) for one in images if getattr(one, name) is not None))
    if is_coco_folder(source) or is_coco_file(file):
        return _source_ids(IMAGE_ID, captions_by_image(read_json(file, CaptionsOnly)))
    table = open_dataset(source, split or "train", config)
    names = find_id_columns({name: kind for name, kind in table.features.items() if name != caption_column})
    found = [[one for one in map(plain_id, table.unique(name)) if one is not None] for name in names]
    first = _source_ids(names[0], found[0]) if names else SourceIds(False, frozenset())
    return first._replace(has_ids=any(found))


def _source_ids(name: str, values: Iterable[Any]) -> SourceIds:
    """Of the ids of the column that numbers the photos."""
    ids = dict.fromkeys((name, value) for value in values)
    coco = keep_ids(ids).values() if matching_columns(ID_COLUMNS, [name]) else ()
    return SourceIds(any(value is not None for _, value in ids), frozenset(coco))
