"""Open what a user names: a JSON file, a Hub id, a saved dataset, a folder of Parquet or images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, load_dataset, load_from_disk

from .. import json_files
from ..columns import CAPTION, NEGATIVES
from ..revisions import split_revision
from ..suggestions import did_you_mean
from ..user_errors import naming


# What published files call their columns: this project, NegCLIP (title, neg_caption), SugarCrepe (negative_caption),
# Flickr (sentences, raw). The first that is there is taken.
CAPTION_COLUMNS = (CAPTION, "captions", "title", "text", "sentences", "raw", "positive_caption", "true_caption")
NEGATIVES_COLUMNS = (NEGATIVES, "neg_caption", "negative_caption", "negative", "negative_captions", "false_caption")


def read_json(file: Path) -> Any:
    """What a JSON file holds.

    Raises:
        ValueError: If it is not valid JSON.
    """
    return json_files.read_json(file, object)


def as_objects(data: Any, file: Path) -> list[dict[str, Any]]:
    """The objects of a JSON file: of a list, or of an object from id to object as SugarCrepe publishes it.

    Raises:
        ValueError: If it is neither.

    Examples:
        >>> as_objects({"0": {"caption": "A red car."}}, Path("swap_att.json"))
        [{'caption': 'A red car.'}]
    """
    objects = list(data.values()) if isinstance(data, dict) else data
    if not isinstance(objects, list) or not all(isinstance(one, dict) for one in objects):
        raise ValueError(f"{file} must hold a list of objects, or an object of objects as SugarCrepe's files do.")
    return objects


def require_columns(columns: Sequence[str], names: Sequence[str], source: str | Path) -> None:
    """Raise a ValueError that names the nearest column and the ones there are, unless `columns` has all of `names`."""
    for name in names:
        if name not in columns:
            raise ValueError(f"{source} has no column {name!r}, only {list(columns)}.{did_you_mean(name, columns)}")


def find_column(wish: str | None, usual: Sequence[str], columns: Sequence[str], source: str | Path, flag: str) -> str:
    """The column to read: `wish`, or the first of the usual names that is there.

    Args:
        wish: What the user named, or None.
        usual: Such as `CAPTION_COLUMNS`.
        columns: Those of the data.
        source: For the error.
        flag: The flag that names the column, for the error.

    Raises:
        ValueError: If the column is not there, or none of the usual ones is.
    """
    if wish is not None:
        require_columns(columns, [wish], source)
        return wish
    for name in usual:
        if name in columns:
            return name
    raise ValueError(f"{source} has the columns {list(columns)}, none of {', '.join(usual)}; set {flag} NAME.")


def open_dataset(source: str, split: str, **settings: Any) -> Dataset:
    """One split of a Hub id, a `save_to_disk` folder, or a local folder of Parquet, JSON or images.

    Args:
        source: Id, ID@REVISION, or folder.
        split: Its name.
        settings: Of `load_dataset`; nothing to a `save_to_disk` folder.

    Raises:
        ValueError: If the split is not there; the message lists those that are.
    """
    if not source.strip():
        raise ValueError("The name of the dataset is empty; give a folder, a file or a Hub id.")
    if (Path(source) / "dataset_info.json").is_file() or (Path(source) / "dataset_dict.json").is_file():
        with naming(source):
            dataset = load_from_disk(source)
    else:
        name, revision = split_revision(source)
        with naming(source):
            dataset = load_dataset(name, revision=revision, **settings)
    if isinstance(dataset, DatasetDict):
        if split not in dataset:
            raise ValueError(f"{source} has the splits {sorted(dataset)}, not {split!r}.")
        dataset = dataset[split]
    return dataset
