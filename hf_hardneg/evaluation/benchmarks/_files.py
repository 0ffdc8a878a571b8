"""Find and check the files of benchmarks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, Value
from datasets import Image as ImageFeature

from ...data.files import as_objects, read_json, require_columns
from ...data.image_columns import TEXTS, refuse_urls
from ...data.lazy_images import ImageFile, LazyImage, row_images
from ...data.photo_places import place_of
from ...data.sources import open_source
from ...user_errors import HubBusyError


BOX_COLUMNS = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")
"""Visual Genome's boxes in pixels: left, upper, width and height."""
# A training runs benchmarks, too, and its --image_column is for the training data.
IMAGE_ADVICE = "rename it to image, or name it with --image_column of hf-hardneg evaluate"


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
        columns: Columns that every row must have.

    Returns:
        The rows by the authors' id: the key of an object, or in a list the value of "id". Rows of a list without such
        ids, all different, are numbered from 0 on.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not valid JSON, has another form, or a row lacks a column.
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
    return rows


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


def table_images(table: Dataset, column: str, source: str) -> Sequence[LazyImage | None]:
    """The images of a column, which may also hold encoded images as bytes or as {"bytes", "path"}, or paths.

    Paths are relative to the folder, or to that of the file. None stands for an image that is not there.

    Raises:
        ValueError: If the column holds something else.
    """
    feature = table.features[column]
    if feature in TEXTS:
        refuse_urls(table[column], column, source)
        folder = Path(source) if Path(source).is_dir() else Path(source).parent
        files = [Path(place_of(name, folder)) if name else None for name in table[column]]
        return [ImageFile(file) if file and file.is_file() else None for file in files]
    is_encoded = isinstance(feature, dict) and feature.keys() == {"bytes", "path"} or feature == Value("binary")
    if not isinstance(feature, ImageFeature) and not is_encoded:
        raise ValueError(f"The column {column!r} of {source} holds {feature}, neither images nor their paths.")
    return row_images(table.cast_column(column, ImageFeature()), column)


def crop_box(image: ImageFile, row: Mapping[str, Any]) -> ImageFile:
    """The part of a photo that lies in the row's box (`BOX_COLUMNS`), rounded to pixels as the authors of ARO do."""
    left, upper, width, height = (round(row[name]) for name in BOX_COLUMNS)
    return ImageFile(image.path, (left, upper, left + width, upper + height))
