"""Find the builder of `datasets` that reads a folder or a Hub id, with settings that leave the data as written."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
from datasets import get_dataset_config_names, load_dataset_builder
from datasets.naming import camelcase_to_snakecase
from datasets.packaged_modules.cache.cache import Cache
from datasets.packaged_modules.csv.csv import Csv
from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder
from datasets.packaged_modules.parquet.parquet import Parquet
from huggingface_hub import DatasetCard

from ..revisions import split_revision
from ..suggestions import nearest_path
from ..user_errors import HubBusyError, busy_hub
from .csv_files import csv_settings
from .folder_metadata import MetadataAsWritten


BUILDERS = {".jsonl": "json", ".ndjson": "json", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}
# A single file may also be a table in a .txt, as Flickr8k's captions.txt; in a folder, it is most likely none.
FILE_BUILDERS = {**BUILDERS, ".txt": "csv"}
_HUB_ID = re.compile(r"[A-Za-z0-9_-][\w.-]*(/[\w.-]+)?")


class UnknownConfigError(ValueError):
    """A data set has several configurations, or not the one that is wanted.

    Args:
        fault: What is wrong.
        names: The configurations that there are.
    """

    def __init__(self, fault: str, names: list[str]) -> None:
        super().__init__(f"{fault}; choose one of {names} with --dataset_config NAME.")
        self.fault, self.names = fault, names


def folder_builder(folder: Path, config: str | None, columns: list[str] | None = None) -> Any:
    """The builder of a folder of tables or images.

    Raises:
        ValueError: If `datasets` cannot open the path, or the configuration is not there.
    """
    if set("[]*?") & set(str(folder.absolute())):
        raise ValueError(f"{folder.absolute()} has one of [ ] * ? in its path, which datasets cannot open; rename it.")
    if folder.name in ("", ".."):  # `datasets` calls the data after the folder
        folder = folder.resolve()
    return find_builder(str(folder), None, config, columns)


def hub_builder(source: str, path: Path, config: str | None, columns: list[str] | None = None) -> Any:
    """The builder of a Hub id; what looks like a local path is not asked for on the Hub.

    Args:
        source: The Hub id, or ID@REVISION.
        path: What the source would be as a local path.
        config: The configuration, where there are several.
        columns: Of Parquet, read no others.

    Raises:
        FileNotFoundError: If there is neither a folder nor a data set.
        ValueError: If the source is a URL, or as `find_builder`.
    """
    name, revision = split_revision(source)
    if "://" in source:
        raise ValueError(f"{source} is a URL; download the file, and give its path.")
    if not _HUB_ID.fullmatch(name) or Path(name).suffix.lower() in FILE_BUILDERS:
        raise FileNotFoundError(f"There is no file or folder {path.absolute()}.{nearest_path(path)}")
    with naming_both(source, path):
        return find_builder(name, revision, config, columns)


@contextmanager
def naming_both(source: str, path: Path) -> Iterator[None]:
    """Say that a name is neither a folder nor a data set of the Hub."""
    try:
        yield
    except (FileNotFoundError, ConnectionError) as error:
        busy = busy_hub(error)
        if busy:
            raise HubBusyError(f"{source} could not be read. {busy}") from error
        where = f"There is no folder {path.absolute()}, and the Hub gave no dataset {source}"
        raise type(error)(f"{where}: {str(error).rstrip('.')}.{nearest_path(path)}") from error


def names_configs(folder: Path) -> bool:
    """Whether the card of a folder says which files make a configuration or a split."""
    card = folder / "README.md"
    return card.is_file() and bool(DatasetCard.load(card, ignore_metadata_errors=True).data.get("configs"))


def _cache_of(folder: Path) -> Path:
    """Where the rows of a folder whose card names configurations are kept.

    `datasets` keeps them under the name of the folder alone. Another folder of that name, or new files in this one,
    would get the old rows.
    """
    digest = hashlib.sha256(str(folder.absolute()).encode("utf-8", "surrogateescape"))
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        digest.update(f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}".encode("utf-8", "surrogateescape"))
    return Path(datasets.config.HF_DATASETS_CACHE) / "hf_hardneg" / "folders" / digest.hexdigest()[:16]


def find_builder(name: str, revision: str | None, config: str | None, columns: list[str] | None = None) -> Any:
    """The builder of a folder or a Hub id. It reads CSV as it is written: no NA is guessed, and strings stay strings.

    Args:
        name: A folder or a Hub id.
        revision: Of the Hub id.
        config: The configuration, where there are several.
        columns: Of Parquet, read no others.

    Raises:
        ValueError: If the configuration is not there, or CSV files differ.
    """
    try:
        builder = _find_config(name, revision, config)
    except ValueError as error:
        kept = _kept_reading(name, config) if "Couldn't find cache" in str(error) else None
        if kept is None:
            raise
        return kept
    if isinstance(builder, Parquet) and columns:
        return _find_config(name, revision, config, columns=columns)
    if isinstance(builder, Csv):
        settings = list(map(csv_settings, data_files(builder)))
        if any(one != settings[0] for one in settings):
            raise ValueError(f"The CSV files of {name} have different columns or separators; name one of them.")
        return _find_config(name, revision, config, **settings[0])
    if isinstance(builder, ImageFolder) and any(file.endswith("metadata.csv") for file in data_files(builder)):
        # The names are those that it has anyway; being named, they give the cache of this reading a name of its own.
        builder = _find_config(name, revision, config, metadata_filenames=list(builder.METADATA_FILENAMES))
        builder.__class__ = MetadataAsWritten
    return builder


def _kept_reading(name: str, config: str | None) -> Cache | None:
    """The rows of an earlier call with settings of ours: without the Hub, `datasets` looks only for those without."""
    *owner, plain_name = name.split("/")
    folder = Path(datasets.config.HF_DATASETS_CACHE) / "___".join([*owner, camelcase_to_snakecase(plain_name)])
    infos = list(folder.glob(f"{config or 'default'}-*/*/*/dataset_info.json"))
    if not infos:
        return None
    *_, config_name, version, digest, _ = max(infos, key=lambda file: file.stat().st_mtime).parts
    return Cache(repo_id=name, dataset_name=plain_name, config_name=config_name, version=version, hash=digest)


def data_files(builder: Any) -> list[str]:
    """The files, local or of the Hub, that a builder reads."""
    return [str(file) for files in (builder.config.data_files or {}).values() for file in files]


def _find_config(name: str, revision: str | None, config: str | None, **settings: Any) -> Any:
    """The builder of a configuration; an error lists the configurations that there are."""
    if names_configs(Path(name)):
        settings["cache_dir"] = str(_cache_of(Path(name)))
    try:
        return load_dataset_builder(name, config, revision=revision, **settings)
    except ValueError as error:
        names = get_dataset_config_names(name, revision=revision)
        if len(names) < 2 and config is None:
            raise
        what = "several configurations" if config is None else f"no configuration {config!r}"
        source = f"{name}@{revision}" if revision else name
        raise UnknownConfigError(f"{source} has {what}", sorted(names)) from error
