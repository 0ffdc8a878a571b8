"""Find and check the files of benchmarks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from ...data.files import as_objects, open_dataset, read_json, require_columns
from ...data.lazy_images import ImageFile


BOX_COLUMNS = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")
"""Visual Genome's boxes in pixels: left, upper, width and height."""


def first_existing(folder: str | Path, *names: str) -> Path:
    """The first of several files or folders that exists in a folder.

    Raises:
        FileNotFoundError: If none exists.
    """
    for name in names:
        if (Path(folder) / name).exists():
            return Path(folder) / name
    raise FileNotFoundError(f"{folder} has none of these: {', '.join(names)}.")


def read_rows(file: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Read a JSON list of rows, or a JSON object from id to row.

    Args:
        file: The JSON file.
        columns: Columns that every row must have.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not valid JSON, has another form, or a row lacks a column.
    """
    if not file.is_file():
        raise FileNotFoundError(f"There is no {file}.")
    rows = as_objects(read_json(file), file)
    for i, row in enumerate(rows):
        missing = [name for name in columns if name not in row]
        if missing:
            raise ValueError(
                f"Row {i} of {file} lacks {', '.join(missing)}; it has {', '.join(sorted(row))}. Download it again."
            )
    return rows


def open_table(source: str, split: str, columns: Sequence[str]) -> Dataset:
    """Open a split of a dataset on the Hub or in a local folder.

    Args:
        source: A Hub id or a folder.
        split: The name of the split.
        columns: Columns that it must have.

    Raises:
        FileNotFoundError: If it cannot be opened.
        ValueError: If it has no such split, or lacks a column.
    """
    try:
        dataset = open_dataset(source, split)
    except (OSError, ImportError) as error:
        raise FileNotFoundError(
            f"{source} is neither a local dataset nor one on the Hub that can be opened ({error})."
        ) from error
    require_columns(dataset.column_names, columns, source)
    return dataset


def crop_box(image: ImageFile, row: Mapping[str, Any]) -> ImageFile:
    """The part of a photo that lies in the row's box (`BOX_COLUMNS`), rounded to pixels as the authors of ARO do."""
    left, upper, width, height = (round(row[name]) for name in BOX_COLUMNS)
    return ImageFile(image.path, (left, upper, left + width, upper + height))
