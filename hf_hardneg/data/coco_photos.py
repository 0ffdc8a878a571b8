"""Photos of a COCO-format folder with their captions and annotated instances, read as they are needed."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image

from ..json_files import read_json
from .coco_annotations import (
    CAPTIONS,
    INSTANCES,
    CaptionsOfPairs,
    InstancesOfPairs,
    annotation_file,
    captions_by_image,
    find_split,
    read_instances,
)
from .photo_places import coco_folders, photo_finder
from .photos import UnusableImage, read_photo, upright_rgb
from .skip_reasons import NO_IMAGE


SOURCE_FIELDS = ("coco_url", "flickr_url", "date_captured", "image_license")


class Instance(NamedTuple):
    """One annotated thing: COCO's `segmentation` (polygons or run lengths) in pixels of the annotated photo.

    A thing that only a caption names has None, for a mask model to draw it.
    """

    id: int
    category: str
    segmentation: Any
    bbox: tuple[float, float, float, float]
    area: float
    is_crowd: bool


class CocoPhoto(NamedTuple):
    """One photo of the folder.

    Attributes:
        image_id: COCO's id.
        file: Where it is.
        size: Annotated (width, height) in pixels.
        captions: (id, text) of each.
        instances: The annotated things.
        source: `SOURCE_FIELDS` as far as the file says them: where it is from and under which license.
    """

    image_id: int
    file: Path
    size: tuple[int, int]
    captions: tuple[tuple[int, str], ...]
    instances: tuple[Instance, ...]
    source: Mapping[str, str] = {}


def _read_instances(file: Path) -> dict[int, list[Instance]]:
    instances = defaultdict(list)
    for one, category in read_instances(file, InstancesOfPairs):
        if one.get("segmentation"):
            x, y, width, height = map(float, one["bbox"])
            area, is_crowd = float(one.get("area") or width * height), bool(one.get("iscrowd"))
            box = (x, y, width, height)
            instances[one["image_id"]].append(Instance(one["id"], category, one["segmentation"], box, area, is_crowd))
    return instances


def _source_of(image: Mapping[str, Any], licenses: Mapping[Any, Mapping[str, Any]]) -> dict[str, str]:
    known = licenses.get(image.get("license"), {})
    named = {**image, "image_license": known.get("name") or known.get("url")}
    return {field: str(named[field]) for field in SOURCE_FIELDS if named.get(field)}


def read_coco_photos(
    folder: str | Path, split: str | None = None, *, with_instances: bool = True
) -> tuple[list[CocoPhoto], Counter[str]]:
    """Read the annotations of a COCO-format folder; photos themselves are opened by `load_photo`.

    Args:
        folder: Holds annotations/captions_SPLIT.json, annotations/instances_SPLIT.json and SPLIT/ with the photos.
        split: For instance "val2017"; may be left out where there is only one.
        with_instances: Without them, instances_SPLIT.json is not opened, and photos need captions only.

    Returns:
        The photos that have captions and instances, by image id, and how often each reason led to a skip.

    Raises:
        FileNotFoundError: If a file is not there; the message lists the splits that are.
        ValueError: If a file is broken or no photo has what it needs.
    """
    folder = Path(folder)
    split = find_split(folder, split, "--split", (CAPTIONS, INSTANCES) if with_instances else (CAPTIONS,))
    data = read_json(annotation_file(folder, CAPTIONS, split), CaptionsOfPairs)
    instances = _read_instances(annotation_file(folder, INSTANCES, split)) if with_instances else {}
    captions = {
        image_id: tuple(
            (one["id"], one["caption"].strip()) for one in annotations if (one.get("caption") or "").strip()
        )
        for image_id, annotations in captions_by_image(data).items()
    }
    listed = {image["id"]: image for image in data["images"]}
    licenses = {one["id"]: one for one in data.get("licenses") or []}
    skipped = Counter({NO_IMAGE: sum(image_id not in listed for image_id, texts in captions.items() if texts)})
    find = photo_finder(coco_folders(folder, split))
    photos = [
        CocoPhoto(
            image_id,
            find(image["file_name"]),
            (image["width"], image["height"]),
            captions[image_id],
            tuple(instances.get(image_id, ())),
            _source_of(image, licenses),
        )
        for image_id, image in sorted(listed.items())
        if captions.get(image_id) and (instances.get(image_id) or not with_instances)
    ]
    if not photos:
        needed = "both a caption and an instance mask; both are" if with_instances else "a caption, which is"
        raise ValueError(f"No photo of {folder} has {needed} needed.")
    return photos, +skipped


def load_photo(file: Path) -> tuple[np.ndarray, int] | str:
    """The photo as upright RGB, (H, W, 3) of 0 to 255, and its EXIF orientation (1 to 8), or why there is none.

    Gray, palette and CMYK photos become RGB; a photo that is missing, truncated, tiny or huge gives a reason.
    """
    try:
        return read_photo(file, _pixels_and_orientation)
    except UnusableImage as problem:
        return str(problem)


def _pixels_and_orientation(photo: Image.Image) -> tuple[np.ndarray, int]:
    orientation = photo.getexif().get(ExifTags.Base.Orientation, 1)
    return np.array(upright_rgb(photo)), orientation if orientation in range(1, 9) else 1
