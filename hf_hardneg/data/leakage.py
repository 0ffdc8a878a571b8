"""Photos that models are judged on are not trained on: which these are, by COCO's image ids."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..suggestions import did_you_mean
from .same_photo import plain_id
from .sources import open_source


VAL2017 = "val2017"
IN_CHALLENGE_SET = "the photo is in a challenge set"
IN_VAL2017 = "the photo is of COCO val2017, which challenge sets are made from"
# What may say which photo of COCO a row shows, the surest first ("cocoid" is Karpathy's name for it).
ID_COLUMNS = ("cocoid", "coco_id", "image_id")
SOURCE_COLUMNS = ("coco_details", "coco_url", *ID_COLUMNS)
ALLOW = "or allow it with --allow_challenge_images true"


def coco_id(value: Any) -> int | None:
    """COCO's image id from what data sets call an image: the number itself, or a name that ends in it.

    Examples:
        >>> coco_id(139), coco_id(139.0), coco_id("COCO_val2014_000000391895.jpg"), coco_id("a dog")
        (139, 139, 391895, None)
    """
    plain = plain_id(value)
    if isinstance(plain, int):
        return plain
    found = re.search(r"(\d+)(\.\w+)?$", plain) if isinstance(value, str) and plain else None
    return int(found[1]) if found else None


def file_name_tells(name: str | None) -> bool:
    """Whether a file is called as COCO calls its photos, so that its name says the id.

    Examples:
        >>> file_name_tells("train2017/000000000139.jpg"), file_name_tells("cat_139.jpg")
        (True, False)
    """
    return re.search(r"(^|[/_])\d{12}\.\w+$", name or "") is not None


def ids_of_pairs(rows: Iterable[Mapping[str, Any]]) -> set[int]:
    """COCO ids of the photos that pairs show: those edited, and those of which a cut-out was taken.

    Args:
        rows: Any of InpaintCOCO's `coco_details` and `inpaint_details`, and `image_id`; no images.
    """
    found = set()
    for row in rows:
        found.add((row.get("coco_details") or {}).get("id"))
        found.add((row.get("inpaint_details") or {}).get("source_image_id"))
        found.add(row.get("image_id"))
    return {one for one in found if isinstance(one, int)}


def read_challenge_ids(source: str, split: str = "test") -> set[int]:
    """COCO ids of the photos of a challenge set.

    Args:
        source: Hub id or folder with InpaintCOCO's columns, as `sources.open_source` takes it.
        split: Its split if the source names none.

    Raises:
        ValueError: If it has neither `coco_details.id` nor `image_id`, so that nothing could be refused.
    """
    dataset = open_source(source, split)
    names = [name for name in ("coco_details", "inpaint_details", "image_id") if name in dataset.column_names]
    ids = ids_of_pairs(dataset.select_columns(names)) if names else set()
    if not ids:
        raise ValueError(
            f"{source} says no COCO image id: of coco_details.id and image_id it has neither, only "
            f"{dataset.column_names}.{did_you_mean('coco_details', dataset.column_names)}"
        )
    return ids


def refuse_split(split: str, source: Any) -> None:
    """Raise a ValueError if a split is, by its name, what challenge sets are made from."""
    if VAL2017 in re.split(r"\[.*?\]|\+", split):
        raise ValueError(
            f"{split} of {source} is not trained on, because InpaintCOCO and other challenge sets are made from COCO "
            f"val2017: set --dataset_split to another, such as train2017, {ALLOW}."
        )


def why_refused(row: Mapping[str, Any], challenge: Collection[int]) -> str | None:
    """The reason not to train on a photo, or None.

    Args:
        row: Any of `SOURCE_COLUMNS`, as a data set has them, and `file_name`, what it calls the photo's file.
        challenge: COCO ids that are refused.

    Examples:
        >>> why_refused({"image_id": 139}, {139})
        'the photo is in a challenge set'
    """
    details = row.get("coco_details")
    details = details if isinstance(details, Mapping) else {}
    name = row.get("file_name")
    ids = (details.get("id"), *(row.get(column) for column in ID_COLUMNS), name if file_name_tells(name) else None)
    known = next((one for one in ids if plain_id(one) is not None), None)
    if coco_id(known) in challenge:
        return IN_CHALLENGE_SET
    places = (row.get("coco_url"), details.get("coco_url"), name)
    return IN_VAL2017 if any(f"/{VAL2017}/" in f"/{place}" for place in places if isinstance(place, str)) else None


def count_refused(
    rows: Iterable[Mapping[str, Any]], challenge: Collection[int], source: Any
) -> tuple[list[int], Counter[str]]:
    """Which rows, by their number, may be trained on, and how many may not, by reason.

    Raises:
        ValueError: If none may.
    """
    reasons = [why_refused(row, challenge) for row in rows]
    refused = Counter(reason for reason in reasons if reason)
    if reasons and all(reasons):
        raise ValueError(f"All {len(reasons)} photos of {source} are refused: {dict(refused)}. Take others, {ALLOW}.")
    return [i for i, reason in enumerate(reasons) if reason is None], refused
