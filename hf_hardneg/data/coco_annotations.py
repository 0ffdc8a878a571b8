"""The one parser of COCO's annotation files: captions_SPLIT.json and instances_SPLIT.json."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from ..columns import IMAGE_ID
from ..json_files import Id, Number, Rows, read_json
from .same_photo import number_photos, plain_id


CAPTIONS, INSTANCES = "captions", "instances"

Side = Annotated[int, Field(ge=1, le=1_000_000)]
"""Width or height, in pixels."""
FileName = Annotated[str, Field(pattern=r"^[^\x00]+$")]
ImageId = Id | Number | Annotated[str, Field(min_length=1)]
"""COCO's ids are integers. Training also takes the strings and floats of sets that were made after its model."""


class _Photo(TypedDict):
    file_name: FileName
    coco_url: NotRequired[str | None]
    flickr_url: NotRequired[str | None]
    date_captured: NotRequired[str | None]
    license: NotRequired[int | str | None]


class ImageEntry(_Photo):
    """What captions_SPLIT.json says of a photo."""

    id: ImageId


class SizedImageEntry(_Photo):
    """A photo whose annotated masks are drawn."""

    id: Id
    width: Side
    height: Side


class CaptionEntry(TypedDict):
    """One caption of a photo."""

    image_id: ImageId
    caption: NotRequired[str | None]


class CaptionEntryWithId(TypedDict):
    """A caption that a pair can name."""

    id: Id
    image_id: Id
    caption: NotRequired[str | None]


class License(TypedDict):
    """One of the licenses of the photos."""

    id: int | str
    name: NotRequired[str | None]
    url: NotRequired[str | None]


class CaptionsOnly(TypedDict):
    """The part of captions_SPLIT.json that needs no photos."""

    annotations: Rows[CaptionEntry]


class Captions(CaptionsOnly):
    """captions_SPLIT.json."""

    images: Rows[ImageEntry]


class CaptionsOfPairs(TypedDict):
    """captions_SPLIT.json, as pairs are built from it."""

    images: Rows[SizedImageEntry]
    annotations: Rows[CaptionEntryWithId]
    licenses: NotRequired[list[License]]


class Category(TypedDict):
    """A kind of thing."""

    id: Id
    name: str


class InstanceEntry(TypedDict):
    """One annotated thing of a photo."""

    image_id: ImageId
    category_id: Id


class MaskedInstanceEntry(TypedDict):
    """An annotated thing with its mask; `draw_mask` says what is wrong with a mask."""

    id: Id
    image_id: Id
    category_id: Id
    segmentation: NotRequired[Any]
    bbox: tuple[Number, Number, Number, Number]
    area: NotRequired[Number | None]
    iscrowd: NotRequired[Annotated[int, Field(ge=0, le=1)] | bool | None]


class Instances(TypedDict):
    """instances_SPLIT.json."""

    annotations: Rows[InstanceEntry]
    categories: list[Category]


class InstancesOfPairs(TypedDict):
    """instances_SPLIT.json, as pairs are built from it."""

    annotations: Rows[MaskedInstanceEntry]
    categories: list[Category]


_SCHEMAS: dict[str, Any] = {CAPTIONS: Captions, INSTANCES: Instances}


def annotation_file(folder: Path, kind: str, split: str) -> Path:
    """Where a COCO folder has the annotations of a kind, such as annotations/captions_val2017.json."""
    return folder / "annotations" / f"{kind}_{split}.json"


def find_splits(folder: Path, kinds: Sequence[str] = (CAPTIONS,)) -> list[str]:
    """The splits of a COCO folder that have all kinds of annotations, sorted."""
    found = [
        {file.stem.removeprefix(f"{kind}_") for file in folder.glob(f"annotations/{kind}_*.json")} for kind in kinds
    ]
    return sorted(set.intersection(*found))


def find_split(folder: Path, split: str | None, flag: str, kinds: Sequence[str] = (CAPTIONS,)) -> str:
    """The split to read: `split`, or the only one that has all kinds of annotations.

    Args:
        folder: Root of a COCO folder.
        split: Such as "train2017", or None.
        flag: The name of the setting, for the error.
        kinds: The kinds of annotations that are needed.

    Raises:
        FileNotFoundError: If there is no such split, or several and none was named; the message lists them.
    """
    splits = find_splits(folder, kinds)
    if split is None and len(splits) == 1:
        return splits[0]
    if split is None or split not in splits:
        names = " and ".join(f"{kind}_SPLIT.json" for kind in kinds)
        raise FileNotFoundError(
            f"{folder} has {names} under annotations/ for the splits {splits}; set {flag} to one (got {split})."
        )
    return split


def read_annotations(file: Path, kind: str) -> Mapping[str, Any]:
    """The content of an annotation file.

    Raises:
        ValueError: If it is no valid JSON or of another shape; the message names the field.
    """
    return read_json(file, _SCHEMAS[kind])


def captions_by_image(data: Mapping[str, Any]) -> dict[int | str | None, list[Mapping[str, Any]]]:
    """The caption annotations of each image by its `plain_id`, in the order of the file; empty captions are there."""
    captions = defaultdict(list)
    for annotation in data["annotations"]:
        captions[plain_id(annotation["image_id"])].append(annotation)
    return captions


def number_images(captions: Mapping[int | str | None, Any]) -> dict[int | str | None, int]:
    """The image id of each image that `captions_by_image` gives: whole numbers are kept, if all ids are such.

    Number all images of a file, so that all who read it number them alike.

    Examples:
        >>> number_images({139: [], 285: []}), number_images({"b": [], "a": []})
        ({139: 139, 285: 285}, {'b': 0, 'a': 1})
    """
    return dict(zip(captions, number_photos([(IMAGE_ID, one) for one in captions], IMAGE_ID), strict=True))


def read_instances(file: Path, schema: Any = Instances) -> list[tuple[Mapping[str, Any], str]]:
    """The instance annotations of a file, each with the name of its category.

    Args:
        file: instances_SPLIT.json.
        schema: `Instances` or `InstancesOfPairs`.

    Raises:
        ValueError: If the file is broken or annotates a category that it does not list.
    """
    data = read_json(file, schema)
    names = {category["id"]: category["name"] for category in data["categories"]}
    for annotation in data["annotations"]:
        if annotation["category_id"] not in names:
            raise ValueError(
                f"{file} annotates category {annotation['category_id']}, which it does not list; mend it."
            )
    return [(annotation, names[annotation["category_id"]]) for annotation in data["annotations"]]


def read_categories(file: Path) -> dict[int | str | None, set[str]]:
    """The names of the annotated objects of each image by its `plain_id`; empty if there is no instances file.

    Raises:
        ValueError: See `read_instances`.
    """
    categories: dict[int | str | None, set[str]] = defaultdict(set)
    for annotation, name in read_instances(file) if os.path.lexists(file) else ():
        categories[plain_id(annotation["image_id"])].add(name)
    return categories
