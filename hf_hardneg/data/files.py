"""Open what a user names: a file, a saved dataset, a folder of Parquet or images, a Hub id."""

from collections.abc import Mapping, Sequence
from glob import escape
from pathlib import Path
from typing import Any

from datasets import (
    Dataset,
    DatasetDict,
    DownloadManager,
    ReadInstruction,
    concatenate_datasets,
    load_dataset_builder,
    load_from_disk,
)
from datasets.exceptions import DatasetGenerationError
from datasets.packaged_modules.csv.csv import Csv
from datasets.packaged_modules.json.json import Json
from datasets.packaged_modules.parquet.parquet import Parquet
from pyarrow import ArrowException
from pyarrow.dataset import ParquetFragmentScanOptions

from .. import json_files
from ..columns import CAPTION, NEGATIVES
from ..suggestions import did_you_mean
from ..user_errors import naming
from .builders import BUILDERS, FILE_BUILDERS, data_files, folder_builder, hub_builder, naming_both
from .csv_files import count_csv_rows, csv_settings


# What published files call their columns: this project, NegCLIP (title, neg_caption), SugarCrepe (negative_caption),
# Karpathy (sentences, raw), Flickr30k (comment). The first that is there is taken.
CAPTION_COLUMNS = (
    CAPTION,
    "captions",
    "title",
    "text",
    "sentences",
    "raw",
    "positive_caption",
    "true_caption",
    "comment",
)
NEGATIVES_COLUMNS = (NEGATIVES, "neg_caption", "negative_caption", "negative", "negative_captions", "false_caption")

_ADVICE = {
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), " Save the table as CSV."),
    **dict.fromkeys((".zip", ".gz", ".tgz", ".7z", ".rar"), " Unpack the archive, and name what was in it."),
    ".tar": " Unpack the archive. Only a training reads WebDataset's archives as they are: --dataset with streaming.",
}


class UnknownSplitError(ValueError):
    """A data set has not the split that is wanted.

    Args:
        fault: What is wrong, with the splits that there are.
    """

    def __init__(self, fault: str) -> None:
        super().__init__(f"{fault}. A slice is test[:20].")
        self.fault = fault


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
        there = f" It has {', '.join(map(repr, list(data)[:5]))}." if isinstance(data, dict) else ""
        raise ValueError(
            f"{file} must hold a list of objects, an object of objects as SugarCrepe's files do, or COCO's object "
            f"with 'annotations'.{there}"
        )
    return objects


def require_columns(columns: Sequence[str], names: Sequence[str], source: str | Path) -> None:
    """Raise a ValueError that names the nearest column and the ones there are, unless `columns` has all of `names`."""
    for name in names:
        if name not in columns:
            raise ValueError(f"{source} has no column {name!r}, only {list(columns)}.{did_you_mean(name, columns)}")


def find_column(
    wish: str | None, usual: Sequence[str], columns: Sequence[str], source: str | Path, flag: str | None
) -> str:
    """The column to read: `wish`, or the first of the usual names that is there.

    Args:
        wish: What the user named, or None.
        usual: Such as `CAPTION_COLUMNS`.
        columns: Those of the data.
        source: For the error.
        flag: The flag that names the column, for the error; None if there is none.

    Raises:
        ValueError: If the column is not there, or none of the usual ones is.
    """
    if wish is not None:
        require_columns(columns, [wish], source)
        return wish
    for name in usual:
        if name in columns:
            return name
    advice = f"set {flag} NAME" if flag else "rename one"
    raise ValueError(
        f"{source} has the columns {list(columns)}, none of {', '.join(usual)}; {advice}.{_about(source)}"
    )


def _about(source: str | Path) -> str:
    """What may be wrong with a source whose columns are not those that are wanted."""
    path = Path(source).expanduser()
    tables = [str(file) for file in sorted(path.glob("*")) if file.suffix.lower() in BUILDERS]
    if path.is_dir() and tables:
        return f" The folder was opened as a whole; to open a table in it, name the file: {tables[0]}."
    is_csv = path.is_file() and FILE_BUILDERS.get(path.suffix.lower()) == "csv"
    return " The first line of the file must hold the names of its columns." if is_csv else ""


def open_dataset(source: str, split: str, config: str | None = None) -> Dataset:
    """One split of whatever a user names.

    Args:
        source: A .csv, .tsv, .txt, .json, .jsonl, .ndjson or .parquet file, a `save_to_disk` folder, a local folder of
            Parquet, JSON or images, a Hub id, or ID@REVISION.
        split: Its name, or a slice such as "test[:20]". A file and a single saved dataset have one split, which any
            name names.
        config: The name of the configuration, where a folder or a Hub id has several.

    Returns:
        The rows, at least one. All columns of CSV and TSV files are strings, as written.

    Raises:
        FileNotFoundError: If a local path is not there, or neither a folder nor the Hub has that name.
        ValueError: If the split or the configuration is not there (the message lists those that are), or the source
            is broken or empty.
    """
    if not source.strip():
        raise ValueError("The name of the data is empty; give a file, a folder or a Hub id.")
    path = Path(source).expanduser()
    with naming(source):
        try:
            if path.is_file():
                refuse_config(source, config)
                found = _open_file(path)
            elif path.is_dir():
                found = _open_folder(path, config)
            else:
                found = _open_hub(source, path, config)
        except (DatasetGenerationError, ArrowException, StopIteration) as error:
            why = error.__cause__ or error
            raise ValueError(f"{source} cannot be read ({why}); check how it was written.") from error
    rows = _select_split(found, split, source)
    if not len(rows):
        raise ValueError(f"{source} holds no row in {split!r}.")
    return rows


def _open_file(file: Path) -> Dataset:
    """The rows of one file, by its ending."""
    ending = file.suffix.lower()
    if ending not in FILE_BUILDERS:
        raise ValueError(
            f"{file} ends in {ending!r}; known are {', '.join(FILE_BUILDERS)}, dataset folders and Hub ids."
            f"{_ADVICE.get(ending, '')}"
        )
    if not file.stat().st_size:
        raise ValueError(f"{file} is empty; check how it was written.")
    kind = FILE_BUILDERS[ending]
    if ending == ".json" and not _holds_rows(file):
        objects = as_objects(read_json(file), file)
        names = dict.fromkeys(name for one in objects for name in one)
        return Dataset.from_dict({name: [one.get(name) for one in objects] for name in names})
    settings, number = (csv_settings(file), count_csv_rows(file)) if kind == "csv" else ({}, None)
    rows = _load(load_dataset_builder(kind, data_files=escape(str(file.absolute())), **settings), file)["train"]
    if number is not None and len(rows) != number:
        raise ValueError(f"{file} has {number} rows, and {len(rows)} were read; check its quotes.")
    return rows


def _holds_rows(file: Path) -> bool:
    """Whether a .json file holds a list, or an object in each of several lines as a .jsonl file does."""
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        first, second = (next((line.strip() for line in lines if line.strip()), "") for _ in range(2))
    return first.startswith("[") or (first.endswith("}") and second.startswith("{"))


def _open_folder(folder: Path, config: str | None) -> DatasetDict | Dataset:
    if is_saved_dataset(folder):
        refuse_config(str(folder), config)
        return load_from_disk(str(folder))
    builder = folder_builder(folder, config)
    if isinstance(builder, Csv):
        for file in data_files(builder):
            count_csv_rows(file)
    return _load(builder, folder)


def is_saved_dataset(folder: Path) -> bool:
    """Whether `save_to_disk` wrote a folder."""
    return any((folder / name).is_file() for name in ("dataset_info.json", "dataset_dict.json"))


def refuse_config(source: str, config: str | None) -> None:
    """Raise a ValueError if a configuration is named of what has none."""
    if config is not None:
        raise ValueError(
            f"{source} has no configurations, and --dataset_config names {config!r}: leave out --dataset_config."
        )


def _open_hub(source: str, path: Path, config: str | None) -> DatasetDict:
    builder = hub_builder(source, path, config)
    with naming_both(source, path):
        if isinstance(builder, Csv):
            files = data_files(builder)
            for file, copy in zip(files, DownloadManager().download(files), strict=True):
                count_csv_rows(copy, file)
        return _load(builder, source)


def _load(builder: Any, source: str | Path) -> DatasetDict:
    """Run a builder; Parquet is read by row groups, since a whole file of photos may not fit into the memory."""
    if isinstance(builder, Parquet):
        builder.config.fragment_scan_options = ParquetFragmentScanOptions(pre_buffer=False)
    if isinstance(builder, Json):
        for file in filter(Path.is_file, map(Path, data_files(builder))):
            json_files.require_json_rows(file)
    builder.download_and_prepare()
    if not any(split.num_examples for split in builder.info.splits.values()):
        raise ValueError(f"{source} holds no row.")
    return builder.as_dataset()


def _select_split(found: Dataset | Mapping[str, Dataset], split: str, source: str) -> Dataset:
    """A split by its name or a slice; a single split goes by any name."""
    if isinstance(found, Dataset):
        _, bracket, end = split.partition("[")
        found, split = {"all": found}, f"all{bracket}{end}"
    if split in found:
        return found[split]
    try:
        parts = ReadInstruction.from_spec(split).to_absolute({name: len(rows) for name, rows in found.items()})
    except ValueError as error:
        raise UnknownSplitError(f"{source} has the splits {sorted(found)}, not {split!r}") from error
    return concatenate_datasets([found[part.splitname].select(range(part.from_, part.to)) for part in parts])
