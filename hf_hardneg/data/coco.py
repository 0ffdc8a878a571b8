"""Training rows of a folder in COCO's format."""

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from ..user_errors import naming
from .coco_annotations import (
    CAPTIONS,
    INSTANCES,
    annotation_file,
    captions_by_image,
    find_split,
    number_images,
    read_annotations,
    read_categories,
)
from .leakage import count_refused, refuse_split
from .photo_files import look_at_files
from .photo_places import coco_folders, photo_finder
from .photo_rows import Photo, clean_captions, rows_from_photos
from .same_photo import plain_id
from .skip_reasons import NO_IMAGE


def is_coco_folder(folder: str | Path) -> bool:
    """Whether `folder` holds COCO's official layout, annotations/captions_*.json."""
    return any(Path(folder).glob("annotations/captions_*.json"))


def load_coco(
    folder: str | Path,
    split: str | None = None,
    num_proc: int | None = None,
    challenge: Collection[int] | None = None,
) -> tuple[Dataset, Counter[str]]:
    """Read annotations/captions_SPLIT.json, its photos and, if there, annotations/instances_SPLIT.json.

    Photos are looked for in SPLIT/, in images/SPLIT/, and where their file names lead from there.

    Args:
        folder: Root of a COCO-format data set.
        split: For instance "train2017"; may be left out where there is only one.
        num_proc: Processes that check the images.
        challenge: For training: COCO ids to leave out; then COCO's val2017 is left out, too, by the name of the split
            or by `coco_url`. None leaves nothing out.

    Returns:
        Rows with `columns.ROW_FEATURES`, and how often each reason led to a skip (of an image, annotation or caption).

    Raises:
        FileNotFoundError: If the captions file of the split is not there; the message lists those that are.
        ValueError: If a file is not what it should be, nothing usable is left, or the split is not to be trained on.
    """
    folder = Path(folder)
    split = find_split(folder, split, "dataset_split")
    if challenge is not None:
        refuse_split(split, folder)
    file = annotation_file(folder, CAPTIONS, split)
    data = read_annotations(file, CAPTIONS)
    skipped: Counter[str] = Counter()
    images = {plain_id(image["id"]): image for image in data["images"]}
    captions = captions_by_image(data)
    numbers = number_images(captions)
    skipped[NO_IMAGE] += sum(len(texts) for image_id, texts in captions.items() if image_id not in images)
    found = read_categories(annotation_file(folder, INSTANCES, split))
    categories = {image_id: sorted(names) for image_id, names in found.items()}
    ids = [image_id for image_id in images if image_id in captions]
    if challenge is not None:
        names = ("coco_url", "file_name")
        about = ({"image_id": one, **{name: images[one].get(name) for name in names}} for one in ids)
        kept, refused = count_refused(about, challenge, folder)
        ids = [ids[i] for i in kept]
        skipped += refused
    find = photo_finder(coco_folders(folder, split))
    paths = [os.path.abspath(find(images[image_id]["file_name"])) for image_id in ids]
    photos = [
        Photo(path, numbers[image_id], _texts(captions[image_id], skipped), categories=categories.get(image_id, ()))
        for path, image_id in zip(paths, ids, strict=True)
    ]
    with naming(file):
        return rows_from_photos(photos, look_at_files(paths, num_proc), skipped), +skipped


def _texts(annotations: Sequence[Mapping[str, Any]], skipped: Counter[str]) -> list[str]:
    return clean_captions([annotation.get("caption") for annotation in annotations], skipped)
