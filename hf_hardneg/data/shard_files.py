"""The shards that a user names: files one by one, by a pattern, or by their folder."""

import os
import re
import tarfile
from glob import glob
from pathlib import Path

from ..revisions import split_revision
from .builders import BUILDERS, FILE_BUILDERS, names_configs


STREAM_BUILDERS = {".tar": "webdataset", **BUILDERS}


def expand_braces(pattern: str) -> list[str]:
    """The names that a WebDataset pattern stands for.

    Examples:
        >>> expand_braces("shards/{008..010}.tar")
        ['shards/008.tar', 'shards/009.tar', 'shards/010.tar']
        >>> expand_braces("{a,b}.tar")
        ['a.tar', 'b.tar']
    """
    found = re.search(r"\{(?:(\d+)\.\.(\d+)|([^{}]*,[^{}]*))\}", pattern)
    if not found:
        return [pattern]
    first, last, names = found.groups()
    choices = names.split(",") if names else [f"{i:0{len(first)}}" for i in range(int(first), int(last) + 1)]
    return [name for one in choices for name in expand_braces(pattern[: found.start()] + one + pattern[found.end() :])]


def _shards_in(folder: Path, split: str | None) -> list[str]:
    """The tar, JSON or CSV files of a folder; those of the split, if names say so."""
    visible = [file for file in sorted(folder.glob("*")) if not file.name.startswith(".")]
    files = [file for file in visible if file.suffix.lower() in STREAM_BUILDERS]
    files = [file for file in files if file.suffix.lower() != ".parquet" and file.stem.lower() != "metadata"]
    of_split = [str(file) for file in files if file.name.startswith(split or "train")]
    if split and files and not of_split:
        raise ValueError(f"No file in {folder.absolute()} has a name that begins with the split {split!r}.")
    return of_split or list(map(str, files))


def find_shards(source: str, split: str | None, config: str | None) -> list[str]:
    """The files that the user named one by one, by a pattern or by their folder; [] for what `datasets` opens.

    Raises:
        FileNotFoundError: If a named file is not there.
        ValueError: If no file of a folder is of the split.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return [] if config is not None or names_configs(folder) else _shards_in(folder, split)
    if Path(split_revision(source)[0]).suffix.lower() not in (*STREAM_BUILDERS, *FILE_BUILDERS):
        return []
    names = expand_braces(source)
    if "://" not in source:
        names = [file for name in names for file in (sorted(glob(name)) or [name])]
        missing = [name for name in names if not Path(name).is_file()]
        if missing:
            raise FileNotFoundError(f"There is no file {Path(missing[0]).absolute()}, which {source!r} names.")
    return names


def is_empty(file: str) -> bool:
    """Whether a local shard has no content at all; `datasets` cannot read such a file."""
    if "://" in file:
        return False
    if not file.endswith(".tar"):
        return not os.path.getsize(file)
    with tarfile.open(file) as archive:
        return archive.next() is None
