"""Karpathy's split files, dataset_coco.json, dataset_flickr8k.json and dataset_flickr30k.json, and rows of them.

The splits are those of Karpathy and Fei-Fei 2015, https://arxiv.org/abs/1412.2306.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset

from ..json_files import Rows, read_json
from ..user_errors import naming
from .caption_cells import read_cells
from .leakage import count_refused
from .photo_files import look_at_files
from .photo_places import photo_finder
from .photo_rows import Photo, clean_captions, rows_from_photos
from .same_photo import find_keys, number_photos


TRAIN = ("train", "restval")  # restval is what COCO's val2014 has left; it has always been trained on
PHOTO_FOLDERS = ("", "images", "flickr30k-images", "flickr30k_images", "Flicker8k_Dataset", "Flickr8k_Dataset")
FILES = ("dataset_coco.json", "dataset_flickr8k.json", "dataset_flickr30k.json")


@dataclass
class KarpathyImage:
    """An image of a split file, with its sentences as objects."""

    filename: str
    split: str
    sentences: list[dict[str, Any]]
    filepath: str = ""
    cocoid: int | None = None
    imgid: int | None = None


@dataclass
class _File:
    images: Rows[KarpathyImage]


def karpathy_file(source: str | Path) -> Path | None:
    """The split file: `source` itself, or one in its folder; None if there is none."""
    path = Path(source).expanduser()
    files = [path] if path.is_file() else [path / name for name in FILES if (path / name).is_file()]
    return files[0] if len(files) == 1 and files[0].name in FILES else None


def read_karpathy(file: Path, splits: Sequence[str]) -> list[KarpathyImage]:
    """The images of some splits of a split file, at least one.

    Raises:
        ValueError: If the file is broken or has none of the splits; the message lists those that it has.
    """
    entries = read_json(file, _File).images
    images = [one for one in entries if one.split in splits]
    if not images:
        raise ValueError(f"{file} has the splits {sorted({one.split for one in entries})}, not {splits[0]!r}.")
    return images


def splits_of(name: str | None) -> Sequence[str]:
    """The splits that a user means: COCO's restval is part of "train", the default."""
    return TRAIN if name in (None, "train") else (str(name),)


def sentences_of(images: Sequence[KarpathyImage], file: Path) -> Iterator[list[str]]:
    """The captions of each image as they are written.

    Raises:
        ValueError: If a sentence has no text; the message names the row.
    """
    return read_cells((one.sentences for one in images), "sentences", file)


def number_entries(images: Sequence[KarpathyImage]) -> list[int]:
    """The image id of each entry: its `cocoid`, or in a file without any its `imgid`, or else a number by file name.

    Number all entries of the splits, so that all who read them number them alike.
    """
    ids = {name: [getattr(one, name) for one in images] for name in ("cocoid", "imgid")}
    return number_photos(find_keys(ids, [one.filename for one in images], [None] * len(images)), id_name(images))


def id_name(images: Sequence[KarpathyImage]) -> str:
    """Which id numbers the entries: "cocoid", or "imgid" in a file without any."""
    return "cocoid" if any(one.cocoid is not None for one in images) else "imgid"


def load_karpathy(
    file: Path, split: str | None = None, num_proc: int | None = None, challenge: Collection[int] | None = None
) -> tuple[Dataset, Counter[str]]:
    """Read one of Karpathy's split files, with its photos beside it.

    Args:
        file: Such as dataset_flickr8k.json.
        split: "train" (the default; COCO's restval is part of it), "val" or "test".
        num_proc: Processes that check the images.
        challenge: For training: COCO ids to leave out. None leaves nothing out.

    Returns:
        Rows with `columns.ROW_FEATURES`, and how often each reason led to a skip.

    Raises:
        ValueError: If the file is broken, has no such split, or nothing usable is left.
    """
    images = read_karpathy(file, splits_of(split))
    numbers = number_entries(images)
    skipped: Counter[str] = Counter()
    if challenge is not None:
        about = ({"cocoid": one.cocoid, "file_name": one.filename} for one in images)
        kept, refused = count_refused(about, challenge, file)
        images, numbers = [images[i] for i in kept], [numbers[i] for i in kept]
        skipped += refused
    paths = _find_photos(images, file.parent)
    texts = sentences_of(images, file)
    photos = [
        Photo(path, number, clean_captions(captions, skipped))
        for path, number, captions in zip(paths, numbers, texts, strict=True)
    ]
    with naming(file):
        return rows_from_photos(photos, look_at_files(paths, num_proc), skipped), +skipped


def _find_photos(images: Sequence[KarpathyImage], folder: Path) -> list[str]:
    find = photo_finder([folder / name for name in PHOTO_FOLDERS])
    names = (str(Path(one.filepath) / one.filename) for one in images)
    return [os.path.abspath(find(name)) for name in names]
