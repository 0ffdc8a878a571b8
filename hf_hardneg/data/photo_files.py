"""Photos as files: embedded photos are written to the cache, each once, and each file is looked at once.

Rows then hold paths instead of bytes. A photo with five captions is not copied five times, and no later step of
`datasets` copies it again.
"""

import hashlib
import os
import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import datasets
from datasets import Dataset, Features, Value

from ..file_digests import source_digest
from .photo_places import place_of
from .photos import image_problem


PHOTOS_PER_PROCESS = 500  # Fewer photos do not pay for the start of a process.
BATCH = 100  # photos that are in memory at a time
_FOUND = Features({"path": Value("string"), "name": Value("string")})
_LOOKED_AT = Features({"digest": Value("string"), "problem": Value("string")})


class FoundFile(NamedTuple):
    """Where the photo of a row is.

    Attributes:
        path: Its file, absolute, or None if the row has no photo.
        name: What the data set calls the file, or None.
    """

    path: str | None
    name: str | None


class PhotoFile(NamedTuple):
    """What is known of a photo's file.

    Attributes:
        digest: Of its content, None if it cannot be read.
        problem: Why it cannot be trained on, or None.
    """

    digest: str | None
    problem: str | None


def cache_folder(name: str) -> Path:
    """A folder in the cache of `datasets`; it is made if it is not there."""
    folder = Path(datasets.config.HF_DATASETS_CACHE) / "hf_hardneg" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _key(rows: Dataset) -> str:
    """Changes with the rows, and with the code that looks at photos."""
    files = ("photos", "photo_files", "photo_places", "skip_reasons")
    return f"{rows._fingerprint}-{source_digest(*(f'data/{name}.py' for name in files))}"


def _processes(number: int, num_proc: int | None) -> int | None:
    wanted = min(num_proc or 1, 1 + number // PHOTOS_PER_PROCESS)
    return wanted if wanted > 1 else None


def content_digest(content: bytes) -> str:
    """32 hexadecimal digits, equal for equal bytes."""
    return hashlib.sha256(content).hexdigest()[:32]


def _look_at(paths: Sequence[str], sizes: Sequence[int]) -> dict[str, list[str | None]]:
    found: dict[str, list[str | None]] = {"digest": [], "problem": []}
    for path, size in zip(paths, sizes, strict=True):
        try:
            content = Path(path).read_bytes() if size > 0 else b""
        except OSError:  # `image_problem` says why
            content = b""
        found["digest"].append(content_digest(content) if content else None)
        found["problem"].append(image_problem({"bytes": content, "path": path}))
    return found


def size_and_time(path: str) -> tuple[int, int]:
    """A file's size in bytes and when it was changed, in nanoseconds; a size of -1 if it is not there."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # a null byte in a path is a ValueError
        return -1, 0
    return status.st_size, status.st_mtime_ns


def look_at_files(paths: Sequence[str], num_proc: int | None) -> dict[str, PhotoFile]:
    """Look at each file once; a later run takes the result from the cache, unless a file has changed.

    Args:
        paths: Files, which need not be there, and may be named several times.
        num_proc: Processes that open them.
    """
    distinct = list(dict.fromkeys(paths))
    if not distinct:
        return {}
    sizes, times = zip(*map(size_and_time, distinct), strict=True)
    files = Dataset.from_dict({"path": distinct, "size": sizes, "time": times})
    checked = files.map(
        _look_at,
        input_columns=["path", "size"],
        batched=True,
        batch_size=BATCH,
        remove_columns=files.column_names,
        features=_LOOKED_AT,
        num_proc=_processes(len(distinct), num_proc),
        cache_file_name=str(cache_folder("checks") / f"{_key(files)}.arrow"),
        desc="Checking images",
    )
    return dict(zip(distinct, map(PhotoFile, checked["digest"][:], checked["problem"][:]), strict=True))


def _write_once(content: bytes, folder: Path) -> str:
    """Write a photo to the file of its digest, if it is not there yet."""
    digest = content_digest(content)
    file = folder / digest[:2] / digest
    if not file.is_file():
        file.parent.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as part:
            part.write(content)
        os.replace(part.name, file)  # another process sees the whole file or none
    return str(file)


def _content_and_name(image: Any) -> tuple[bytes | None, str | None]:
    """The bytes of a photo as a table has it, and what the table calls its file."""
    content, name = image, None
    if isinstance(image, Mapping):
        content, name = image.get("bytes"), image.get("path")
    elif isinstance(image, str):
        content, name = None, image
    return content, name and name.strip().removeprefix("file://")


def path_of(name: str, root: str | Path) -> str:
    """The absolute path of what a table calls a photo's file, or the URL that it is."""
    name = name.strip().removeprefix("file://")
    return name if is_url(name) else place_of(name, root)


def _find_file(image: Any, root: Path, folder: Path) -> FoundFile:
    content, name = _content_and_name(image)
    if content:
        return FoundFile(_write_once(content, folder), name)
    return FoundFile(path_of(name, root), name) if name else FoundFile(None, None)


def tell_contents(images: Dataset, column: str, root: Path) -> list[str | None]:
    """A text for each row, equal for equal bytes; None where there is no photo. No photo is decoded.

    Args:
        images: Rows with undecoded images, as `find_files` takes them.
        column: The column of images.
        root: The folder that paths are relative to.
    """
    embedded, paths = [], []
    for image in (one for batch in images.select_columns([column]).iter(BATCH) for one in batch[column]):
        content, name = _content_and_name(image)
        embedded.append(content_digest(content) if content else None)
        paths.append(path_of(name, root) if name and not content else None)
    sizes = {path: size_and_time(path)[0] for path in dict.fromkeys(paths) if path}
    alike = Counter(sizes.values())
    told: dict[str | None, str | None] = {None: None}
    for path, size in sizes.items():
        alone = alike[size] == 1 and not any(embedded)  # most files have a size of their own, and are not read
        told[path] = None if size <= 0 else path if alone else _digest_of_file(path)
    return [digest or told[path] for digest, path in zip(embedded, paths, strict=True)]


def _digest_of_file(path: str) -> str | None:
    try:
        return content_digest(Path(path).read_bytes())
    except OSError:
        return None


def _find_files(images: Sequence[Any], root: str, folder: str) -> dict[str, list[str | None]]:
    found = [_find_file(image, Path(root), Path(folder)) for image in images]
    return {"path": [one.path for one in found], "name": [one.name for one in found]}


def is_url(name: str) -> bool:
    """Whether a name is a URL and no path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", name) is not None


def find_files(images: Dataset, column: str, root: Path, num_proc: int | None) -> list[FoundFile]:
    """Find the file of each row's photo; embedded photos are written to the cache.

    Args:
        images: Rows with undecoded images: paths, bytes, or {"bytes": ..., "path": ...}.
        column: The column of images.
        root: The folder that paths are relative to.
        num_proc: Processes that write embedded photos.
    """
    folder, base = cache_folder("photos"), os.path.abspath(root)
    images = images.select_columns([column])
    settings = {
        "function": _find_files,
        "input_columns": [column],
        "batched": True,
        "batch_size": BATCH,
        "fn_kwargs": {"root": base, "folder": str(folder)},
        "remove_columns": [column],
        "features": _FOUND,
        "num_proc": _processes(len(images), num_proc),
        "cache_file_name": str(cache_folder("files") / f"{_key(images)}-{content_digest(base.encode())[:8]}.arrow"),
        "desc": "Finding images",
    }
    found = images.map(**settings)
    if any(path and path.startswith(f"{folder}{os.sep}") and not os.path.isfile(path) for path in found["path"]):
        found = images.map(**settings, load_from_cache_file=False)  # someone has emptied the folder
    return list(map(FoundFile, found["path"][:], found["name"][:]))
