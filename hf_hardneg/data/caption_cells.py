"""The captions of one cell of a table: a string, a list of strings, or objects that say them."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..columns import CAPTION


TEXT_FIELDS = ("raw", CAPTION, "text", "sentence")  # where an object says a caption; "raw" is Karpathy's


def _spelled_list(text: str) -> list[str] | None:
    """The texts of a list that a CSV cell spells as Python or JSON code; None if it spells none."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        values = ast.literal_eval(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return values if isinstance(values, list) and all(isinstance(value, str) for value in values) else None


def caption_texts(value: Any) -> list[str]:
    """The captions of one cell.

    Args:
        value: A string, an object that says the caption in one of `TEXT_FIELDS`, a list of these, null, or a string
            that spells a list of strings.

    Returns:
        The captions as they are written. A null becomes an empty string, so that it can be counted.

    Raises:
        ValueError: If it is a number, a list of lists, or an object without a caption; the message says which.

    Examples:
        >>> caption_texts("a cat"), caption_texts([{"raw": "a cat", "sentid": 3}, None]), caption_texts('["a", "b"]')
        (['a cat'], ['a cat', ''], ['a', 'b'])
    """
    if isinstance(value, list | tuple):
        return [text for one in value for text in _texts_of_one(one)]
    spelled = _spelled_list(value.strip()) if isinstance(value, str) else None
    return _texts_of_one(value) if spelled is None else spelled


def _texts_of_one(value: Any) -> list[str]:
    """The captions of a cell or of an element of its list; an object of lists is how Arrow keeps lists of objects."""
    if value is None or isinstance(value, str):
        return [value or ""]
    if isinstance(value, Mapping):
        for name in TEXT_FIELDS:
            if name in value:
                inner = value[name]
                if inner is None or isinstance(inner, str):
                    return [inner or ""]
                if isinstance(inner, list) and all(text is None or isinstance(text, str) for text in inner):
                    return [text or "" for text in inner]
        raise ValueError(f"an object with {sorted(value)}, and no caption in one of {', '.join(TEXT_FIELDS)}")
    kind = "a list of lists" if isinstance(value, list | tuple) else f"{type(value).__name__} {str(value)[:40]}"
    raise ValueError(f"{kind}, where a caption is a string")


def read_cells(values: Iterable[Any], column: str, source: str | Path) -> Iterator[list[str]]:
    """`caption_texts` of every cell of a column.

    Raises:
        ValueError: Names the source, the column and the row of the first cell that holds no captions.
    """
    for i, value in enumerate(values):
        try:
            yield caption_texts(value)
        except ValueError as error:
            raise ValueError(f"Column {column!r} of {source} holds in row {i} {error}.") from error
