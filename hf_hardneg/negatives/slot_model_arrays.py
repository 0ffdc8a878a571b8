"""Read the arrays of a saved slot model, which may be cut short or of something else."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..plain_files import require_file


_DTYPES = {
    "key": np.uint64,
    "place": np.int32,
    "often": np.integer,
    "totals": np.int64,
    "tried": np.int64,
    "passed": np.int64,
}


def read_arrays(file: Path, sizes: Sequence[int]) -> dict[str, np.ndarray]:
    """Read slot_model.npz.

    Args:
        file: The file.
        sizes: The number of forms of each class.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is cut short, or of something else. No pickle is opened.
    """
    require_file(file)
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _DTYPES}
    except KeyError as error:
        raise ValueError(f"{file} lacks the array {error}") from error
    except Exception as error:  # numpy reads headers with Python's parser, whose errors are of many kinds
        raise ValueError(f"{file} is cut short or no file of a slot model ({error})") from error
    for name, dtype in _DTYPES.items():
        array = arrays[name]
        if array.ndim != 1 or not np.issubdtype(array.dtype, dtype):
            raise ValueError(f"{file}: {name} is {array.dtype} of shape {array.shape}, not {dtype.__name__} of (N,)")
    _check_sizes(file, arrays, sizes)
    return arrays


def _check_sizes(file: Path, arrays: Mapping[str, np.ndarray], sizes: Sequence[int]) -> None:
    squares = sum(size * size for size in sizes)
    for name, size in {
        "place": len(arrays["key"]),
        "often": len(arrays["key"]),
        "totals": sum(sizes),
        "tried": squares,
        "passed": squares,
    }.items():
        if len(arrays[name]) != size:
            raise ValueError(f"{file}: {name} holds {len(arrays[name])} counts, not {size}")
    for name in ("place", "often", "totals", "tried", "passed"):
        if len(arrays[name]) and arrays[name].min() < 0:
            raise ValueError(f"{file}: {name} holds {arrays[name].min()}; counts are 0 or more")
    if len(arrays["place"]) and arrays["place"].max() >= max(sizes):
        raise ValueError(f"{file}: place holds {arrays['place'].max()}; the largest class has {max(sizes)} forms")
    if np.any(arrays["key"][1:] < arrays["key"][:-1]):
        raise ValueError(f"{file}: key is not sorted")
