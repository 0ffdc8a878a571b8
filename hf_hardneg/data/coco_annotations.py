"""The one parser of COCO's annotation files: captions_SPLIT.json and instances_SPLIT.json."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .files import read_json


CAPTIONS, INSTANCES = "captions", "instances"
NEEDED = {CAPTIONS: {"images", "annotations"}, INSTANCES: {"annotations", "categories"}}


def annotation_file(folder: Path, kind: str, split: str) -> Path:
    """Where a COCO folder has the annotations of a kind, such as annotations/captions_val2017.json."""
    return folder / "annotations" / f"{kind}_{split}.json"


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
    found = [
        {file.stem.removeprefix(f"{kind}_") for file in folder.glob(f"annotations/{kind}_*.json")} for kind in kinds
    ]
    splits = sorted(set.intersection(*found))
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
        ValueError: If it is no valid JSON or lacks what such a file has.
    """
    data = read_json(file)
    needed = NEEDED[kind]
    if not isinstance(data, dict) or not needed <= data.keys():
        found = sorted(data)[:5] if isinstance(data, dict) else type(data).__name__
        raise ValueError(f"{file} holds {found}; COCO's holds {' and '.join(sorted(needed, reverse=True))}.")
    return data


def captions_by_image(data: Mapping[str, Any]) -> dict[int, list[Mapping[str, Any]]]:
    """The caption annotations of each image by its id, in the order of the file; empty captions are among them."""
    captions = defaultdict(list)
    for annotation in data["annotations"]:
        captions[annotation["image_id"]].append(annotation)
    return captions


def read_instances(file: Path) -> list[tuple[Mapping[str, Any], str]]:
    """The instance annotations of a file, each with the name of its category.

    Raises:
        ValueError: If the file is broken or annotates a category that it does not list.
    """
    data = read_annotations(file, INSTANCES)
    names = {category["id"]: category["name"] for category in data["categories"]}
    for annotation in data["annotations"]:
        if annotation["category_id"] not in names:
            raise ValueError(
                f"{file} annotates category {annotation['category_id']}, which it does not list; mend it."
            )
    return [(annotation, names[annotation["category_id"]]) for annotation in data["annotations"]]


def read_categories(file: Path) -> dict[int, set[str]]:
    """The names of the annotated objects of each image by its id; empty if there is no instances file.

    Raises:
        ValueError: See `read_instances`.
    """
    categories: dict[int, set[str]] = defaultdict(set)
    for annotation, name in read_instances(file) if file.is_file() else ():
        categories[annotation["image_id"]].add(name)
    return categories
