"""Find and check the files of benchmarks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from datasets import Image as ImageFeature

from ...data.files import as_objects, read_json, require_columns
from ...data.image_columns import TEXTS, refuse_urls
from ...data.lazy_images import ImageFile, RowImage, row_images
from ...data.photo_files import path_of
from ...data.sources import open_source
from ...user_errors import HubBusyError


BOX_COLUMNS = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")
"""Visual Genome's boxes in pixels: left, upper, width and height."""
# A training runs benchmarks, too, and its --image_column is for the training data.
IMAGE_ADVICE = "rename it to image, or name it with --image_column of hf-hardneg evaluate"
NO_TEXTS = ("id", "attributes", *BOX_COLUMNS)
"""What may be in a column that a benchmark needs, other than texts."""


def first_existing(folder: str | Path, *names: str) -> Path:
    """The first of several files or folders that exists in a folder.

    Raises:
        FileNotFoundError: If none exists.
    """
    for name in names:
        if (Path(folder) / name).exists():
            return Path(folder) / name
    raise FileNotFoundError(f"{folder} has none of these: {', '.join(names)}.")


def read_rows(file: Path, columns: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read a JSON list of rows, or a JSON object from id to row.

    Args:
        file: The JSON file.
        columns: Columns that every row must have: strings, but for those of `NO_TEXTS`.

    Returns:
        The rows by the authors' id: the key of an object, or in a list the value of "id". Rows of a list without such
        ids, all different, are numbered from 0 on.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not valid JSON, has another form, or a row lacks a column or holds no string in it.
    """
    if not file.is_file():
        raise FileNotFoundError(f"There is no {file}.")
    data = read_json(file)
    objects = as_objects(data, file)
    ids = list(data) if isinstance(data, dict) else [str(row.get("id", i)) for i, row in enumerate(objects)]
    if len(set(ids)) < len(ids):
        ids = [str(i) for i in range(len(objects))]
    rows = dict(zip(ids, objects, strict=True))
    for name, row in rows.items():
        missing = [column for column in columns if column not in row]
        if missing:
            raise ValueError(
                f"Row {name} of {file} lacks {', '.join(missing)}; it has {', '.join(sorted(row))}. Download it again."
            )
        _check_row(row, columns, f"Row {name} of {file}")
    return rows


def _check_row(row: Mapping[str, Any], columns: Sequence[str], where: str) -> None:
    """Raise a ValueError unless the cells of a row are what they must be."""
    for column in columns:
        value = row[column]
        if value is None and "caption" in column:
            continue  # an item without a text is left out and counted
        if column not in NO_TEXTS and not isinstance(value, str):
            raise ValueError(f"{where} has {column} = {value!r}, which must be a string. Download it again.")
        if column in BOX_COLUMNS and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f"{where} has {column} = {value!r}, which must be a number. Download it again.")


def is_dataset_folder(folder: Path) -> bool:
    """Whether a folder holds a dataset: Parquet, tar shards, images with metadata, or what `save_to_disk` writes."""
    names = ("dataset_info.json", "dataset_dict.json")
    patterns = ("**/*.parquet", "**/*.tar", "**/metadata.csv", "**/metadata.jsonl")
    return any((folder / name).is_file() for name in names) or any(any(folder.glob(one)) for one in patterns)


def open_table(source: str, split: str, columns: Sequence[str] = ()) -> Dataset:
    """Open a split of a dataset on the Hub or in a local folder.

    Args:
        source: A Hub id, ID@REVISION, a folder or a file, or one of these with ":CONFIG".
        split: The name of the split.
        columns: Columns that it must have.

    Raises:
        FileNotFoundError: If it cannot be opened.
        ValueError: If it has no such split, or lacks a column.
    """
    try:
        dataset = open_source(f"{source}:{split}", split)
    except HubBusyError:
        raise
    except (OSError, ImportError) as error:
        raise FileNotFoundError(
            f"{source} is neither a local dataset nor one on the Hub that can be opened ({error})."
        ) from error
    require_columns(dataset.column_names, columns, source)
    return dataset


def row_ids(table: Dataset) -> list[str]:
    """The authors' id of each row, or without a column "id" its number."""
    return [str(one) for one in (table["id"] if "id" in table.column_names else range(len(table)))]


def table_images(table: Dataset, column: str, source: str) -> list[ImageFile | RowImage | None]:
    """The images of a column of encoded images or of paths, which start at the folder of the table.

    Args:
        table: N rows.
        column: From `find_image_column`.
        source: What the user named.

    Returns:
        N images; None where a row has none, or its file is not there.

    Raises:
        ValueError: If images are on the web.
    """
    names = _image_paths(table, column)
    if names is not None:
        refuse_urls(names, column, source)
        place = Path(source).expanduser()
        return [_image_file(name, place.parent if place.is_file() else place) for name in names]
    return list(row_images(table.cast_column(column, ImageFeature()), column))


def _image_paths(table: Dataset, column: str) -> list[str | None] | None:
    """The paths in a column of texts, or of structs without bytes; None if it holds encoded images."""
    feature = table.features[column]
    if feature in TEXTS:
        return table[column][:]
    if isinstance(feature, Mapping) and not any(value and value.get("bytes") for value in table[column]):
        return [value and value.get("path") for value in table[column]]
    return None


def _image_file(name: str | None, folder: Path) -> ImageFile | None:
    path = Path(path_of(name, folder)) if name and name.strip() else None
    return ImageFile(path) if path and path.is_file() else None


def crop_box(image: ImageFile, row: Mapping[str, Any]) -> ImageFile:
    """The part of a photo that lies in the row's box (`BOX_COLUMNS`), rounded to pixels as the authors of ARO do."""
    left, upper, width, height = (round(row[name]) for name in BOX_COLUMNS)
    return ImageFile(image.path, (left, upper, left + width, upper + height))
