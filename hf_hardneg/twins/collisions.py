"""Which captions share a frame: a join by 64-bit hashes, in files, so that memory does not grow with the captions.

Records of a million captions are partitioned by hash into files. One file at a time is sorted, and only records whose
frame comes with two words or more are kept.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from io import FileIO

import numpy as np


BUCKETS = 64
# `key`: of the frame. `draw`: a random number of the photo and the caption, which decides on the order. `row`: of the
# caption. `form`: the concept word, an index of its class. `start` and `end`: words of the caption, where the concept
# word begins and the view ends. `is_cut`: 1 for a beginning.
RECORD = np.dtype(
    [
        ("key", "<u8"),
        ("draw", "<u8"),
        ("row", "<i8"),
        ("form", "<i4"),
        ("start", "<i4"),
        ("end", "<i4"),
        ("is_cut", "<i4"),
    ]
)
# Of one frame, so many captions are compared at most: those of a frequent frame would give millions of pairs.
MEMBERS = 24


def _append(file: FileIO, records: np.ndarray) -> None:
    """Write all records behind those of the file; a file without a buffer may take a part of them at a time."""
    left = memoryview(records.tobytes())
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        raise OSError(
            f"Temporary files could not be written to {tempfile.gettempdir()} ({error.strerror}); make room, or name "
            "another folder in the variable TMPDIR."
        ) from error


def partition(records: Iterable[np.ndarray], files: Sequence[FileIO]) -> None:
    """Append records to the files of their hashes. Equal keys are in one file.

    Args:
        records: Arrays of `RECORD`.
        files: `BUCKETS` files without a buffer.

    Raises:
        OSError: If they cannot be written.
    """
    for part in records:
        bucket = (part["key"] >> np.uint64(58)).astype(np.int64)
        order = np.argsort(bucket, kind="stable")
        bounds = np.searchsorted(bucket[order], np.arange(BUCKETS + 1)).tolist()
        for file, start, end in zip(files, bounds, bounds[1:], strict=False):
            if end > start:
                _append(file, part[order[start:end]])


def _starts(*columns: np.ndarray) -> np.ndarray:
    """(N,) bool: where any of the sorted columns changes."""
    first = np.ones(len(columns[0]), dtype=bool)
    if len(first):
        first[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return first


def _places(first: np.ndarray) -> np.ndarray:
    """(N,) int: the place of each element in its run."""
    at = np.arange(len(first))
    return at - np.maximum.accumulate(np.where(first, at, 0))


def keep_frames(records: np.ndarray, members: int = MEMBERS) -> np.ndarray:
    """The records whose frame comes with two words or more: at most `members` of each frame, spread over its words.

    The order of `records` decides nothing. Of each word, whole captions come before beginnings.

    Args:
        records: (N,) of `RECORD`; all records of their keys.
        members: The most records of a frame.

    Returns:
        (M,) of `RECORD`, sorted by key; the records of a frame in the order in which they are drawn.
    """
    order = np.lexsort(tuple(records[name] for name in ("row", "end", "start", "draw", "is_cut", "form", "key")))
    records = records[order]
    of_word = _starts(records["key"], records["form"])
    of_key = _starts(records["key"])
    group = np.cumsum(of_key) - 1
    words = np.bincount(group, weights=of_word, minlength=0)
    kept = words[group] > 1 if len(records) else of_key
    records, place = records[kept], _places(of_word)[kept]
    # The first of each word, then the second of each word, and so on.
    order = np.lexsort((records["draw"], records["form"], records["is_cut"], place, records["key"]))
    records = records[order]
    return records[_places(_starts(records["key"])) < members]


def colliding(records: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The records of each file after `keep_frames`. The files have no name, so that none is left if we are killed."""
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile(buffering=0)) for _ in range(BUCKETS)]
        partition(records, files)
        for file in files:
            file.seek(0)
            found = keep_frames(np.frombuffer(file.read(), RECORD))
            file.close()
            if len(found):
                yield found


def in_chunks(records: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Parts of about `size` records that do not tear the records of one key apart.

    Args:
        records: Sorted by key.
        size: Reached by all parts but the last.
    """
    bounds = np.flatnonzero(_starts(records["key"])).tolist() + [len(records)]
    start = 0
    for bound in bounds[1:]:
        if bound - start >= size or bound == len(records):
            yield records[start:bound]
            start = bound
