"""Which rows show the same photo, and the number that each photo gets."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .image_ids import as_integer


Key = tuple[str, Any]
"""What a photo is known by, such as ("image_id", 7)."""


def plain_id(value: Any) -> int | str | None:
    """An image's id as the number or text that it is; None if there is none.

    Examples:
        >>> plain_id(139), plain_id(139.0), plain_id("139"), plain_id("000139"), plain_id(" a ")
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
    return int(text) if re.fullmatch(r"0|-?[1-9][0-9]{0,18}", text) else text or None


def matching_columns(usual: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The columns that have a usual name, the most usual first. Case and underscores do not count.

    Examples:
        >>> matching_columns(IMAGE_ID_COLUMNS, ["caption", "cocoid", "imageId"])
        ['imageId', 'cocoid']
    """
    plain = {name.lower().replace("_", ""): name for name in reversed(columns)}
    found = [plain.get(name.replace("_", "")) for name in usual]
    return list(dict.fromkeys(name for name in found if name))


def find_keys(
    ids: Mapping[str, Sequence[Any]], names: Sequence[str | None], contents: Sequence[str | None]
) -> list[Key]:
    """A key for each of N rows, equal where rows show one photo.

    A row with an id is known by it, the first of `ids` that it has. A row without one joins the rows that have the
    same bytes, or the same file name. A row that has none of these is a photo of its own.

    Args:
        ids: Columns of N ids, the surest first.
        names: N file names.
        contents: N digests of the photos.
    """
    keys: list[Key | None] = [None] * len(contents)
    for column, values in reversed(list(ids.items())):
        for i, value in enumerate(map(plain_id, values)):
            keys[i] = keys[i] if value is None else (column, value)
    of_content: dict[str, Key] = {}
    for key, content in zip(keys, contents, strict=True):
        if key is not None and content is not None:
            of_content.setdefault(content, key)
    joined = _join_names(names, contents)
    return [
        key or of_content.get(content or "") or other or ("row", i)
        for i, (key, content, other) in enumerate(zip(keys, contents, joined, strict=True))
    ]


def _join_names(names: Sequence[str | None], contents: Sequence[str | None]) -> list[Key | None]:
    """A key for each row, equal for rows that a name or a content joins, directly or by way of other rows."""
    parent: dict[Key, Key] = {}

    def root(label: Key) -> Key:
        while parent.setdefault(label, label) != label:
            parent[label] = label = parent[parent[label]]
        return label

    labels = [
        [(kind, value) for kind, value in (("name", name), ("content", content)) if value]
        for name, content in zip(names, contents, strict=True)
    ]
    for of_row in labels:
        for label in of_row[1:]:
            parent[root(of_row[0])] = root(label)
    return [root(of_row[0]) if of_row else None for of_row in labels]


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
    known = {key: as_integer(key[1]) for key in distinct if key[0] == kept}
    ids = {key: number for key, number in known.items() if number is not None and abs(number) < 2**62}
    if len(set(ids.values())) < len(known):  # one is no number, or "7" and "007" are two photos
        ids = {}
    first = max([-1, *ids.values()]) + 1
    numbers = {**{key: first + i for i, key in enumerate(key for key in distinct if key not in ids)}, **ids}
    return [numbers[key] for key in keys]


def count_contradictions(keys: Sequence[Key], contents: Sequence[str | None]) -> tuple[int, int]:
    """How many photos have the bytes of another one, and how many have rows of different bytes."""
    pairs = {(key, content) for key, content in zip(keys, contents, strict=True) if content}
    of_content = Counter(content for _, content in pairs)
    of_key = Counter(key for key, _ in pairs)
    return sum(count - 1 for count in of_content.values()), sum(count > 1 for count in of_key.values())
