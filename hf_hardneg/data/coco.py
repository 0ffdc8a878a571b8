"""Training rows of a folder in COCO's format."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from ..columns import CATEGORIES, IMAGE, IMAGE_ID
from .coco_annotations import (
    CAPTIONS,
    INSTANCES,
    annotation_file,
    captions_by_image,
    find_split,
    read_annotations,
    read_categories,
)
from .leakage import count_refused, refuse_split
from .photos import PHOTO_FEATURES, clean_captions, rows_from_photos
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
    """Read annotations/captions_SPLIT.json, the photos in SPLIT/ and, if there, annotations/instances_SPLIT.json.

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
    data = read_annotations(annotation_file(folder, CAPTIONS, split), CAPTIONS)
    skipped: Counter[str] = Counter()
    captions = captions_by_image(data)
    files = {image["id"]: folder / split / image["file_name"] for image in data["images"]}
    skipped[NO_IMAGE] += sum(len(texts) for image_id, texts in captions.items() if image_id not in files)
    categories = read_categories(annotation_file(folder, INSTANCES, split))
    ids = [image_id for image_id in files if image_id in captions]
    if challenge is not None:
        urls = {image["id"]: image.get("coco_url") for image in data["images"]}
        about = ({"image_id": image_id, "coco_url": urls[image_id]} for image_id in ids)
        kept, refused = count_refused(about, challenge, folder)
        ids = [ids[i] for i in kept]
        skipped += refused
    photos = Dataset.from_dict(
        {
            IMAGE: [{"path": str(files[image_id]), "bytes": None} for image_id in ids],
            IMAGE_ID: ids,
            "captions": [_texts(captions[image_id], skipped) for image_id in ids],
            CATEGORIES: [sorted(categories.get(image_id, ())) for image_id in ids],
        },
        features=PHOTO_FEATURES,
    )
    return rows_from_photos(photos, skipped, num_proc), +skipped


def _texts(annotations: Sequence[Mapping[str, Any]], skipped: Counter[str]) -> list[str]:
    return clean_captions([annotation.get("caption") for annotation in annotations], skipped)
