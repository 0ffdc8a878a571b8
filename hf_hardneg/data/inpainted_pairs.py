"""Anybody's inpainted pairs: the original InpaintCOCO, an export, or a set that lacks some of its columns."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset, Features, Image, Value

from ..columns import IMAGE_ID, PAIR_FEATURES
from .files import require_columns
from .leakage import coco_id
from .photos import image_problem
from .skip_reasons import EMPTY, describe_reasons
from .sources import open_source


def drop_broken_pairs(pairs: Dataset) -> tuple[Dataset, Counter[str]]:
    """Leave out inpainted pairs with an image that cannot be read or an empty caption, counting why."""
    skipped: Counter[str] = Counter()
    columns = ("coco_image", "inpaint_image")
    raw = pairs
    for name in columns:
        raw = raw.cast_column(name, Image(decode=False))
    kept = []
    for i, pair in enumerate(raw):
        problem = next(filter(None, (image_problem(pair[name]) for name in columns)), None)
        if not problem and not all((pair[name] or "").strip() for name in ("coco_caption", "inpaint_caption")):
            problem = EMPTY
        if problem:
            skipped[f"pairs: {problem}"] += 1
        else:
            kept.append(i)
    if not kept:
        raise ValueError(f"None of {len(pairs)} pairs can be used: {describe_reasons(skipped)}.")
    return pairs.select(kept), skipped


NEEDED = ("coco_caption", "coco_image", "inpaint_caption", "inpaint_image")
READ_FEATURES = Features({**PAIR_FEATURES, IMAGE_ID: Value("int64")})


def image_id_of(row: Mapping[str, Any]) -> int | None:
    """COCO's id of a pair's photo, from `coco_details` or a column of its own, or None.

    Examples:
        >>> image_id_of({"coco_details": {"id": "139"}}), image_id_of({"coco_details": None}), image_id_of({})
        (139, None, None)
    """
    found = coco_id((row.get("coco_details") or {}).get("id"))
    return coco_id(row.get(IMAGE_ID)) if found is None else found


def open_pairs(source: str, split: str = "test") -> Dataset:
    """The set as it is, with all its columns.

    Args:
        source: Hub id or folder; see `data.sources.open_source`.
        split: If the source names none. The original has "test" only.

    Raises:
        ValueError: If the split or one of `NEEDED` is not there; the message lists what is.
    """
    dataset = open_source(source, split)
    require_columns(dataset.column_names, NEEDED, source)
    return dataset


def image_ids(dataset: Dataset) -> Sequence[int | None]:
    """`image_id_of` of every row; reads no image."""
    names = [name for name in ("coco_details", IMAGE_ID) if name in dataset.column_names]
    return [image_id_of(row) for row in dataset.select_columns(names)] if names else [None] * len(dataset)


def read_inpainted_pairs(source: str, split: str = "test") -> Dataset:
    """Pairs with `columns.PAIR_FEATURES` and `image_id`; what the set does not have is null.

    Sub-fields of `coco_details` other than the id are not looked at, so that it does not matter which there are.

    Args:
        source: Hub id or folder, for instance "phiyodr/InpaintCOCO".
        split: The original has "test" only.

    Raises:
        ValueError: If the split or one of `NEEDED` is not there; the message lists what is.
    """
    dataset = open_pairs(source, split)
    ids = image_ids(dataset)
    dataset = dataset.select_columns([name for name in PAIR_FEATURES if name in dataset.column_names])
    for name, feature in PAIR_FEATURES.items():
        if name not in dataset.column_names:
            dataset = dataset.add_column(name, [None] * len(dataset), feature=feature)
    dataset = dataset.add_column(IMAGE_ID, ids, feature=READ_FEATURES[IMAGE_ID])
    for name, feature in READ_FEATURES.items():
        dataset = _cast_column(dataset, name, feature)
    return dataset.select_columns(list(READ_FEATURES))


def _cast_column(dataset: Dataset, name: str, feature: Any) -> Dataset:
    """One column of another type; `Dataset.cast` would copy every image to cast a text."""
    if dataset.features[name] == feature:
        return dataset
    if isinstance(feature, Image):
        return dataset.cast_column(name, feature)
    return dataset.remove_columns(name).add_column(name, dataset[name][:], feature=feature)
