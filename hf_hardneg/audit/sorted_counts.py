"""Counts of many keys, small in memory and quick to look up in bulk. Pure."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Counts:
    """Sorted keys with a number for each; a key that is not there has 0.

    Attributes:
        keys: (K,) int64, sorted, each once.
        numbers: (K,) how often each was counted, in the smallest type that holds them.
    """

    keys: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, keys: np.ndarray) -> "Counts":
        """Count keys."""
        different, numbers = np.unique(keys, return_counts=True)
        return cls(different, shrink(numbers))

    def find(self, keys: np.ndarray) -> np.ndarray:
        """The number of each key, as float."""
        return find_sorted(self.keys, self.numbers, keys)


def shrink(numbers: np.ndarray) -> np.ndarray:
    """Whole numbers of 0 or more in the smallest type that holds them."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))


def find_sorted(keys: np.ndarray, numbers: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The number of each wanted key as float, 0 for one that is not among the sorted keys."""
    if not len(keys):
        return np.zeros(len(wanted))
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, numbers[at], 0).astype(float)
