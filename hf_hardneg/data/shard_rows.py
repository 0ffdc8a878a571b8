"""The rows of CSV and JSON shards, read one by one while a model trains, under the same rules as whole tables.

`datasets` streams CSV by the rules of pandas: "NA" is a missing cell and "007" is 7. It reads JSON with the types of
the first rows, which later shards need not have.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
from datasets import IterableDataset

from ..json_files import BOM, parse_json
from .csv_files import csv_rows, text_features
from .files import as_objects


def _csv_rows(files: Sequence[str], names: Sequence[str]) -> Iterator[dict[str, str]]:
    for file in files:
        rows = csv_rows(file)
        _require_names(next(rows), names, file)
        for cells in rows:
            yield dict(zip(names, cells, strict=True))


def _require_names(found: Sequence[str], names: Sequence[str], file: str) -> None:
    if list(found) != list(names):
        raise ValueError(f"{file} has the columns {list(found)}, and the shards before it {list(names)}.")


def _open_bytes(file: str) -> BinaryIO:
    return fsspec.open(file, "rb").open() if "://" in file else Path(file).open("rb")


def _json_rows(files: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One object a line; a file that begins with a list, or that is one object over several lines, is read whole."""
    for file in files:
        with _open_bytes(file) as lines:
            full = (line.removeprefix(BOM).strip() for line in lines if line.removeprefix(BOM).strip())
            first, second = next(full, b""), next(full, b"")
            by_lines = first.endswith(b"}") and (second.startswith(b"{") or not file.lower().endswith(".json"))
            lines.seek(0)
            if first.startswith(b"[") or (file.lower().endswith(".json") and not by_lines):
                yield from as_objects(parse_json(lines.read().removeprefix(BOM), object, file), Path(file))
                continue
            for number, line in enumerate(lines, 1):
                text = line.removeprefix(BOM) if number == 1 else line
                if text.strip():
                    yield parse_json(text, dict[str, Any], f"{file}, line {number},")


def open_csv_shards(files: Sequence[str]) -> IterableDataset:
    """Stream CSV files with a header of the same names in each; all cells are strings.

    Raises:
        ValueError: If a header cannot be read, or those of files on this machine differ.
    """
    names = next(csv_rows(files[0]))
    for file in files[1:]:
        if "://" not in file:
            _require_names(next(csv_rows(file)), names, file)
    columns = text_features(names)
    return _stream(_csv_rows, {"files": list(files), "names": tuple(names)}, columns)


def open_json_shards(files: Sequence[str]) -> IterableDataset:
    """Stream JSON files: an object a line, a list of objects, or an object of objects."""
    return _stream(_json_rows, {"files": list(files)}, None)


def _stream(rows: Callable[..., Iterator[dict[str, Any]]], arguments: dict[str, Any], columns: Any) -> IterableDataset:
    # `datasets` deals out the items of the one list among the readers.
    return IterableDataset.from_generator(rows, gen_kwargs=arguments, features=columns)
