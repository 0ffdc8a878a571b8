"""Photos that models are judged on are not trained on: which these are, by COCO's image ids."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from .image_columns import IMAGE_COLUMNS, PATH_COLUMNS, URL_COLUMNS
from .same_photo import matching_columns, plain_id
from .sources import open_source


VAL2017 = "val2017"
IN_CHALLENGE_SET = "the photo is in a challenge set"
IN_VAL2017 = "the photo is of COCO val2017, which challenge sets are made from"
# What may say which photo of COCO a row shows, however it is spelled ("cocoid" is Karpathy's name for it).
ID_COLUMNS = ("cocoid", "coco_id", "image_id")
SOURCE_COLUMNS = ("coco_details", "coco_url", *ID_COLUMNS)
DETAILS, URL = ("coco_details", "inpaint_details"), "coco_url"
PLACE_COLUMNS = (URL, *PATH_COLUMNS, *IMAGE_COLUMNS, *URL_COLUMNS)  # whose names say an id if COCO gave them
_PLAIN = ("int", "uint", "float", "string", "large_string")
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


def source_columns(features: Mapping[str, Any]) -> list[str]:
    """The columns that may say which photo of COCO a row shows; no column of images, which would be decoded."""
    found = matching_columns((*DETAILS, *ID_COLUMNS, *PLACE_COLUMNS), features)
    kinds = {name: features[name] for name in found}
    return [
        name
        for name, kind in kinds.items()
        if (isinstance(kind, Mapping) and "bytes" not in kind) or str(getattr(kind, "dtype", "")).startswith(_PLAIN)
    ]


@lru_cache
def _kinds_of_columns(columns: tuple[str, ...]) -> tuple[list[str], list[str], list[str]]:
    """The columns of details, of ids and of places; a set has the same in each row."""
    details, ids, places = (matching_columns(usual, columns) for usual in (DETAILS, ID_COLUMNS, PLACE_COLUMNS))
    return details, ids, places


def _signs(row: Mapping[str, Any]) -> tuple[set[int], list[str]]:
    """All COCO ids that a row says by its ids and by names of COCO's, and all URLs and paths that it says."""
    of_details, of_ids, of_places = _kinds_of_columns(tuple(row))
    details = [row[name] for name in of_details if isinstance(row[name], Mapping)]
    values = [one.get(name) for one in details for name in ("id", "source_image_id")]
    cells = [row[name] for name in of_places]
    paths = [one.get("path") if isinstance(one, Mapping) else one for one in cells]
    places = [one for one in (*paths, *(one.get(URL) for one in details)) if isinstance(one, str)]
    values += [row[name] for name in of_ids] + [one for one in places if file_name_tells(one)]
    return {one for one in map(coco_id, values) if one is not None}, places


def ids_of_pairs(rows: Iterable[Mapping[str, Any]]) -> set[int]:
    """COCO ids of the photos that pairs show: those edited, and those of which a cut-out was taken.

    Args:
        rows: Any of `source_columns`, such as InpaintCOCO's `coco_details` and `inpaint_details`; no images.
    """
    return set().union(*(_signs(row)[0] for row in rows))


def tells_source(row: Mapping[str, Any]) -> bool:
    """Whether a row says of which photo of COCO it is, or where its photo comes from."""
    return bool(_signs(row)[0] or any(row[name] for name in matching_columns([URL], row)))


def read_challenge_ids(source: str, split: str = "test") -> set[int]:
    """COCO ids of the photos of a challenge set.

    Args:
        source: Hub id or folder with InpaintCOCO's columns, as `sources.open_source` takes it.
        split: Its split if the source names none.

    Raises:
        ValueError: If it says none, so that nothing could be refused.
    """
    dataset = open_source(source, split)
    names = source_columns(dataset.features)
    ids = ids_of_pairs(dataset.select_columns(names)) if names else set()
    if not ids:
        there = f"its {', '.join(names)} hold none" if names else f"it has only {dataset.column_names}"
        raise ValueError(
            f"{source} says no COCO image id: {there}. A challenge set says it in coco_details.id, image_id "
            "or cocoid, as a number."
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
        row: Whatever a data set says of the photo; see `source_columns`. Of several ids, each counts.
        challenge: COCO ids that are refused.

    Examples:
        >>> why_refused({"image_id": 139}, {139})
        'the photo is in a challenge set'
    """
    ids, places = _signs(row)
    if any(one in challenge for one in ids):
        return IN_CHALLENGE_SET
    return IN_VAL2017 if any(f"/{VAL2017}/" in f"/{place}" for place in places) else None


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
