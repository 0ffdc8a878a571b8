"""Which rows show the same photo, and the number that each photo gets."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..columns import IMAGE_ID


# What published sets call an image, the surest first: this project, Karpathy, and others.
IMAGE_ID_COLUMNS = (IMAGE_ID, "cocoid", "coco_id", "imgid", "img_id", "photo_id")
ROW = "row"
"""The first part of the key of a row that nothing tells from a photo of its own."""
Key = tuple[str, Any]
"""What a photo is known by, such as ("image_id", 7)."""


def as_integer(value: Any) -> int | None:
    """A whole number, also one that is written as 139.0 or "139"; None for all else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    return None


def plain_id(value: Any) -> int | str | None:
    """An image's id as the number or text that it is; None if there is none.

    Examples:
        >>> plain_id(139), plain_id("139"), plain_id("139.0"), plain_id("000139"), plain_id(" a ")
        (139, 139, 139, '000139', 'a')
        >>> plain_id(float("nan")), plain_id(""), plain_id(None)
        (None, None, None)
    """
    if isinstance(value, float):
        if math.isnan(value):
            return None
        value = int(value) if value.is_integer() else str(value)
    if isinstance(value, int):
        return int(value)
    text = "" if value is None else str(value).strip()
    number = re.fullmatch(r"(0|-?[1-9][0-9]{0,18})(\.0)?", text)  # a table with gaps writes 139 as 139.0
    return int(number[1]) if number else text or None


def matching_columns(usual: Sequence[str], columns: Iterable[str]) -> list[str]:
    """The columns that have a usual name, the most usual first. Case and underscores do not count.

    Examples:
        >>> matching_columns(IMAGE_ID_COLUMNS, ["caption", "cocoid", "imageId"])
        ['imageId', 'cocoid']
    """
    plain = {name: name.lower().replace("_", "") for name in columns}
    wanted = dict.fromkeys(name.replace("_", "") for name in usual)
    return [name for one in wanted for name, called in plain.items() if called == one]


def find_keys(
    ids: Mapping[str, Sequence[Any]], names: Sequence[str | None], contents: Sequence[str | None]
) -> list[Key]:
    """A key for each of N rows, equal where rows show one photo.

    A row with an id is known by it, the first of `ids` that it has. A row without one joins the rows of the same
    bytes. A row whose bytes are not known joins those of the same name. A row that has none of these is a photo of
    its own.

    Args:
        ids: Columns of N ids, the surest first.
        names: N file names.
        contents: N texts that are equal for equal bytes.

    Examples:
        >>> find_keys({}, ["1.jpg", "1.jpg", "2.jpg", "2.jpg"], ["f", "e", None, None])
        [('content', 'f'), ('content', 'e'), ('name', '2.jpg'), ('name', '2.jpg')]
    """
    keys: list[Key | None] = [None] * len(contents)
    for column, values in reversed(list(ids.items())):
        for i, value in enumerate(map(plain_id, values)):
            keys[i] = keys[i] if value is None else (column, value)
    for kind, signs in (("content", contents), ("name", names)):
        known: dict[str, Key] = {}
        for key, sign in zip(keys, signs, strict=True):
            if key is not None and sign:
                known.setdefault(sign, key)
        for i, sign in enumerate(signs):
            if keys[i] is None and sign:
                keys[i] = known.setdefault(sign, (kind, sign))
    return [key or (ROW, i) for i, key in enumerate(keys)]


def keep_ids(keys: Iterable[Key]) -> dict[Key, int]:
    """The numbers of photos by their ids: the ids themselves, or none if one of them is no number that Arrow can hold.

    Args:
        keys: Distinct ones of one column.

    Examples:
        >>> keep_ids([("image_id", 7), ("image_id", 9)]), keep_ids([("image_id", "u"), ("image_id", 7)])
        ({('image_id', 7): 7, ('image_id', 9): 9}, {})
    """
    known = {key: as_integer(key[1]) for key in keys}
    ids = {key: number for key, number in known.items() if number is not None and abs(number) < 2**62}
    return ids if len(set(ids.values())) == len(known) else {}  # "7" and "007" are two photos


def number_photos(keys: Sequence[Key], kept: str | None) -> list[int]:
    """The image id of each row: equal for equal keys.

    Args:
        keys: As `find_keys` gives them.
        kept: The column whose ids are kept, if all of them are whole numbers that Arrow can hold. Other keys get the
            numbers after them, in the order in which they come.

    Examples:
        >>> number_photos([("image_id", 7), ("image_id", 7), ("content", "f"), ("image_id", 9)], "image_id")
        [7, 7, 10, 9]
        >>> number_photos([("image_id", "u"), ("image_id", 7)], "image_id")
        [0, 1]
    """
    distinct = list(dict.fromkeys(keys))
    ids = keep_ids(key for key in distinct if key[0] == kept)
    first = max([-1, *ids.values()]) + 1
    numbers = {**{key: first + i for i, key in enumerate(key for key in distinct if key not in ids)}, **ids}
    return [numbers[key] for key in keys]


def count_contradictions(keys: Sequence[Key], contents: Sequence[str | None]) -> tuple[int, int]:
    """How many photos have the bytes of another one, and how many have rows of different bytes."""
    pairs = {(key, content) for key, content in zip(keys, contents, strict=True) if content}
    of_content = Counter(content for _, content in pairs)
    of_key = Counter(key for key, _ in pairs)
    return sum(count - 1 for count in of_content.values()), sum(count > 1 for count in of_key.values())


def batch_image_ids(batch: Mapping[str, Sequence], size: int) -> Sequence[Any]:
    """The image ids of a batch of B = `size` rows. Without that column they are all "": numbers would depend on order.

    Examples:
        >>> batch_image_ids({"image_id": [7]}, 1), batch_image_ids({}, 2)
        ([7], ['', ''])
    """
    return batch[IMAGE_ID] if IMAGE_ID in batch else [""] * size
