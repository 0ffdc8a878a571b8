"""How benchmarks find and check the files that they read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from ...data.files import open_dataset, read_json, require_columns


def first_existing(folder: str | Path, *names: str) -> Path:
    """The first of the files or folders `names` in `folder`.

    Raises:
        FileNotFoundError: If none is there.
    """
    for name in names:
        if (Path(folder) / name).exists():
            return Path(folder) / name
    raise FileNotFoundError(f"{folder} holds none of {', '.join(names)}.")


def read_rows(file: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of a JSON list of objects, or of an object from id to row, that all have `columns`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not valid JSON, of another form, or a row lacks a column.
    """
    if not file.is_file():
        raise FileNotFoundError(f"There is no {file}.")
    data = read_json(file)
    rows = list(data.values()) if isinstance(data, dict) else data
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{file} must hold a list of objects or an object of objects; fetch the authors' file again.")
    for i, row in enumerate(rows):
        missing = [name for name in columns if name not in row]
        if missing:
            raise ValueError(f"Row {i} of {file} has {sorted(row)}, not {', '.join(missing)}; fetch the file again.")
    return rows


def open_table(source: str, split: str, columns: Sequence[str]) -> Dataset:
    """A split of a Hub id or local data set, with `columns`.

    Raises:
        FileNotFoundError: If it cannot be opened.
        ValueError: If the split or a column is not there.
    """
    try:
        dataset = open_dataset(source, split)
    except (OSError, ImportError) as error:
        raise FileNotFoundError(f"{source} cannot be opened, neither here nor on the Hub ({error}).") from error
    require_columns(dataset.column_names, columns, source)
    return dataset
