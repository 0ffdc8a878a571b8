"""Training rows of Karpathy's split files, dataset_coco.json, dataset_flickr8k.json and dataset_flickr30k.json.

The splits are those of Karpathy and Fei-Fei 2015, https://arxiv.org/abs/1412.2306.
"""

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset

from ..json_files import Rows, read_json
from ..user_errors import naming
from .captions import read_cells
from .leakage import count_refused
from .photo_files import look_at_files
from .photo_places import photo_finder
from .photo_rows import Photo, clean_captions, rows_from_photos
from .same_photo import find_keys, number_photos


TRAIN = ("train", "restval")  # restval is what COCO's val2014 has left; it has always been trained on
PHOTO_FOLDERS = ("", "images", "flickr30k-images", "flickr30k_images", "Flicker8k_Dataset", "Flickr8k_Dataset")
FILES = ("dataset_coco.json", "dataset_flickr8k.json", "dataset_flickr30k.json")


@dataclass
class _Entry:
    filename: str
    split: str
    sentences: list[dict[str, Any]]
    filepath: str = ""
    cocoid: int | None = None
    imgid: int | None = None


@dataclass
class _File:
    images: Rows[_Entry]


def karpathy_file(source: str | Path) -> Path | None:
    """The split file: `source` itself, or one in its folder; None if there is none."""
    path = Path(source).expanduser()
    files = [path] if path.is_file() else [path / name for name in FILES if (path / name).is_file()]
    return files[0] if len(files) == 1 and files[0].name in FILES else None


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
    entries = read_json(file, _File).images
    wanted = TRAIN if split in (None, "train") else (split,)
    images = [one for one in entries if one.split in wanted]
    if not images:
        raise ValueError(f"{file} has the splits {sorted({str(one.split) for one in entries})}, not {split!r}.")
    skipped: Counter[str] = Counter()
    if challenge is not None:
        about = ({"cocoid": one.cocoid, "file_name": one.filename} for one in images)
        kept, refused = count_refused(about, challenge, file)
        images = [images[i] for i in kept]
        skipped += refused
    paths = _find_photos(images, file.parent)
    ids = {name: [getattr(one, name) for one in images] for name in ("cocoid", "imgid")}
    numbers = number_photos(find_keys(ids, [one.filename for one in images], [None] * len(images)), _kept(ids))
    texts = read_cells((one.sentences for one in images), "sentences", file)
    photos = [
        Photo(path, number, clean_captions(captions, skipped))
        for path, number, captions in zip(paths, numbers, texts, strict=True)
    ]
    with naming(file):
        return rows_from_photos(photos, look_at_files(paths, num_proc), skipped), +skipped


def _kept(ids: Mapping[str, Sequence[Any]]) -> str:
    return "cocoid" if any(value is not None for value in ids["cocoid"]) else "imgid"


def _find_photos(images: Sequence[_Entry], folder: Path) -> list[str]:
    find = photo_finder([folder / name for name in PHOTO_FOLDERS])
    names = (str(Path(one.filepath) / one.filename) for one in images)
    return [os.path.abspath(find(name)) for name in names]
