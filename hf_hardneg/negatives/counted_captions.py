"""Which captions a slot model was fitted on, so that no caption is used twice: the digests of their texts."""

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..columns import CAPTION, NEGATIVE_SOURCES
from ..plain_files import require_file


logger = logging.getLogger(__name__)

FILE = "captions.npy"


def digest_captions(captions: Iterable[str | None]) -> np.ndarray:
    """(N,) uint64: a digest of each caption, alike in every process."""
    texts = (hashlib.blake2b((text or "").encode("utf-8", "surrogatepass"), digest_size=8) for text in captions)
    return np.frombuffer(b"".join(text.digest() for text in texts), dtype="<u8")


def save_counted(folder: str | Path, digests: np.ndarray) -> None:
    """Write the digests beside a slot model."""
    np.save(Path(folder) / FILE, np.unique(digests))


def load_counted(folder: str | Path) -> np.ndarray:
    """The digests of the captions that a saved slot model was fitted on, sorted.

    A model of an older version does not say which they are; a warning says what follows.

    Raises:
        ValueError: If the file is broken.
    """
    file = Path(folder) / FILE
    if not os.path.lexists(file):
        logger.warning(
            f"{folder} does not say which captions it was fitted on: those that are given again count twice."
        )
        return np.empty(0, dtype="<u8")
    require_file(file)
    try:
        digests = np.load(file)
    except Exception as error:  # numpy reads headers with Python's parser, whose errors are of many kinds
        raise ValueError(f"{file} cannot be read ({error}); make the slot model again.") from error
    if digests.ndim != 1 or digests.dtype != np.dtype("<u8"):
        raise ValueError(f"{file} holds {digests.ndim} dimensions of {digests.dtype}; make the slot model again.")
    return digests


def without_counted(batch: Mapping[str, Sequence], counted: np.ndarray) -> dict[str, list]:
    """The rows of a batch whose captions are not among those that were counted."""
    new = np.flatnonzero(~np.isin(digest_captions(batch[CAPTION]), counted)).tolist()
    return {name: [batch[name][i] for i in new] for name in NEGATIVE_SOURCES if name in batch}


def new_batches(batches: Iterable[Mapping[str, Sequence]], counted: np.ndarray) -> Iterator[Mapping[str, Sequence]]:
    """The batches without the captions that were counted."""
    for batch in batches:
        yield without_counted(batch, counted) if len(counted) else batch
