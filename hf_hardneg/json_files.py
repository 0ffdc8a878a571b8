"""The one way to read JSON from outside: against a declared schema, with errors that name the file and the field."""

from collections.abc import Hashable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json, to_json

from .plain_files import require_file


T = TypeVar("T")

# A file with 600,000 broken rows has one error, that of the first.
Rows = Annotated[list[T], Field(fail_fast=True)]
"""A list, of which only the first broken item is reported."""
Id = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""An integer that Arrow can hold."""
Count = Annotated[int, Field(ge=0, lt=2**63)]
"""An integer that counts something."""
Number = FiniteFloat
"""An integer or a float; no NaN, no infinity."""

BOM = b"\xef\xbb\xbf"
MAX_SHOWN = 40
ADVICE = "mend or fetch the file again"
# What pydantic asks for, in our words. Other kinds of errors keep the words of pydantic.
_EXPECTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "string_type": "a string",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "dataclass_type": "an object",
    "model_type": "an object",
    "none_required": "null",
    "finite_number": "a finite number",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt:,}",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "a string of the form {pattern}",
}


def read_json(file: str | Path, schema: type[T]) -> T:
    """Read a JSON file of the given shape.

    Args:
        file: The file, UTF-8 with or without a byte order mark.
        schema: Its shape: a type, a TypedDict, a dataclass. `object` takes anything.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is empty, no text, no JSON, or of another shape. The message names the field.
    """
    return parse_json(_read_bytes(Path(file)), schema, str(file))


def read_json_lines(file: str | Path, schema: type[T]) -> list[T]:
    """Read a file with one JSON value a line. Empty lines are left out.

    Args:
        file: The file, UTF-8 with or without a byte order mark.
        schema: The shape of each line, as `read_json` takes it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is empty, or a line is no JSON or of another shape. The message names the line.
    """
    return [parse_json(line, schema, where) for where, line in _lines(Path(file))]


def parse_json(text: str | bytes, schema: type[T], where: str, advice: str = ADVICE) -> T:
    """Read JSON of the given shape.

    Args:
        text: The JSON.
        schema: As `read_json` takes it.
        where: What errors call it, such as a file, or a file and its line.
        advice: What to do about an error.

    Raises:
        ValueError: If it is no JSON or of another shape. The message names the field.

    Examples:
        >>> parse_json('{"color": ["red"]}', dict[str, list[str]], "a.json")
        {'color': ['red']}
        >>> parse_json('{"color": [3]}', dict[str, list[str]], "a.json")
        Traceback (most recent call last):
            ...
        ValueError: a.json has color[0] = 3, which must be a string; mend or fetch the file again.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    _require_text(data, where)
    try:
        return _adapter(cast(Hashable, schema)).validate_json(data, strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False)
    if details[0]["type"] == "json_invalid":
        raise ValueError(f"{where} is not valid JSON ({details[0]['ctx']['error']}); {advice}.")
    raise ValueError(f"{where} {_describe(details, from_json(data))}; {advice}.")


def check_shape(data: object, schema: Any, where: str, advice: str = ADVICE) -> None:
    """Raise unless data that were read already, such as YAML, have the given shape.

    Args:
        data: Lists, dictionaries, texts and numbers.
        schema: As `read_json` takes it.
        where: What errors call it, such as a file.
        advice: What to do about an error.

    Raises:
        ValueError: If the shape is another one. The message names the field.
    """
    try:
        _adapter(schema).validate_python(data, strict=True)
    except ValidationError as error:
        raise ValueError(f"{where} {_describe(error.errors(include_url=False), data)}; {advice}.") from None


def require_json_rows(file: str | Path) -> None:
    """Raise unless a file is a table: a list of JSON objects, or one object a line.

    Look at a file so before `datasets.load_dataset("json")` reads it: a file that holds `null` crashes the
    interpreter there, and deep JSON ends in a RecursionError.

    Args:
        file: A .json, .jsonl or .ndjson file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is something else, or has no row. The message names the row.
    """
    file = Path(file)
    data = _read_bytes(file)
    if data.lstrip()[:1] != b"{":
        if not read_json(file, list[dict[str, Any]]):
            raise ValueError(f"{file} holds an empty list; it must hold objects, one for each row.")
        return
    try:
        for where, line in _lines(file):
            parse_json(line, dict[str, Any], where)
    except ValueError as error:
        # One object over several lines is JSON, but no table.
        if file.suffix.lower() != ".json" or not _is_json(data):
            raise
        raise ValueError(f"{file} holds one object; it must hold a list of objects, or one object a line.") from error


def _is_json(data: bytes) -> bool:
    try:
        from_json(data)
    except ValueError:
        return False
    return True


def _read_bytes(file: Path) -> bytes:
    """The content of a file without its byte order mark."""
    require_file(file)
    data = file.read_bytes().removeprefix(BOM)
    if not data.strip():
        raise ValueError(f"{file} is empty; write or fetch it again.")
    return data


def _lines(file: Path) -> Iterator[tuple[str, bytes]]:
    """What errors call each line, and the line."""
    # Not `str.splitlines`: it also splits at characters that may be inside a string.
    for number, line in enumerate(_read_bytes(file).split(b"\n"), 1):
        if line.strip():
            yield f"{file}, line {number},", line


def _require_text(data: bytes, where: str) -> None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{where} is no UTF-8 text (byte {error.start} is {data[error.start]:#04x}); "
            "save it as UTF-8, or fetch it again."
        ) from None


@cache
def _adapter(schema: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(Any, schema))


def _describe(details: Sequence[ErrorDetails], data: Any) -> str:
    """The first error as "has FIELD = VALUE, which must be ..." or "lacks FIELD"."""
    first = details[0]
    path = _path(first["loc"], data)
    if first["type"] == "missing":
        return _lacks(str(first["loc"][-1]), path, first["input"])
    if first["type"] == "union_tag_not_found":
        return _lacks(first["ctx"]["discriminator"].strip("'"), path, first["input"])
    if first["type"] == "union_tag_invalid":
        path = (*path, first["ctx"]["discriminator"].strip("'"))
        return f"has {_dotted(path)} = {first['ctx']['tag']!r}, which must be one of {first['ctx']['expected_tags']}"
    # A value that may be of several types has one error for each of them.
    same = [one for one in details if one["type"] != "missing" and _path(one["loc"], data) == path]
    expected = " or ".join(dict.fromkeys(_expected(one) for one in same))
    shown = to_json(first["input"], inf_nan_mode="constants", fallback=str).decode()
    shown = shown if len(shown) <= MAX_SHOWN else f"{shown[: MAX_SHOWN - 3]}..."
    return f"has {_dotted(path)} = {shown}, which must be {expected}" if path else f"is {shown}; it must be {expected}"


def _lacks(field: str, path: Sequence[str | int], there: Any) -> str:
    place = f" in {_dotted(path)}" if path else ""
    names = ", ".join(list(map(str, there))[:5]) if isinstance(there, dict) else ""
    return f"lacks {field!r}{place}; it has {names or 'nothing'}"


def _expected(one: ErrorDetails) -> str:
    words = _EXPECTED.get(one["type"])
    return words.format(**one.get("ctx", {})) if words else f"right ({one['msg']})"


def _path(loc: Sequence[str | int], data: Any) -> tuple[str | int, ...]:
    """The part of a location that is in the data; pydantic adds the names of a union's members to it."""
    path: list[str | int] = []
    for part in loc:
        if isinstance(data, dict) and part in data:
            data = data[part]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            continue
        path.append(part)
    return tuple(path)


def _dotted(path: Sequence[str | int]) -> str:
    """A path as `annotations[3].image_id`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
