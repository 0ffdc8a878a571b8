"""Lists of integers of different lengths as two arrays, so that numpy handles all of them at once. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike


@dataclass(frozen=True)
class Ragged:
    """N lists of integers, one after the other: list i is `values[starts[i] : starts[i + 1]]`.

    Attributes:
        values: All integers.
        starts: (N + 1,) where each list starts; the last number is where all end.
    """

    values: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]], dtype: DTypeLike = np.int64) -> "Ragged":
        """From lists, as integers of a type."""
        lengths = np.fromiter(map(len, lists), np.int64, len(lists))
        values = np.fromiter((value for one in lists for value in one), dtype, int(lengths.sum()))
        return cls.of_lengths(values, lengths)

    @classmethod
    def of_lengths(cls, values: np.ndarray, lengths: np.ndarray) -> "Ragged":
        """From all integers and (N,) the length of each list."""
        return cls(values, np.append(0, np.cumsum(lengths)))

    @classmethod
    def join(cls, parts: Sequence["Ragged"]) -> "Ragged":
        """All lists of the parts, in order."""
        lengths = np.concatenate([part.lengths for part in parts])
        return cls.of_lengths(np.concatenate([part.values for part in parts]), lengths)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """(N,) how long each list is."""
        return np.diff(self.starts)

    @property
    def rows(self) -> np.ndarray:
        """The list in which each value stands."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def take(self, rows: np.ndarray) -> "Ragged":
        """Some of the lists."""
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths)
        at = np.arange(lengths.sum()) + np.repeat(self.starts[rows] - (ends - lengths), lengths)
        return Ragged(self.values[at], np.append(0, ends))

    def trigrams(self) -> tuple[np.ndarray, np.ndarray]:
        """(T, 3) the three values of each trigram, and (T,) the list that it is of."""
        counts = np.maximum(self.lengths - 2, 0)
        ends = np.cumsum(counts)
        at = np.arange(counts.sum()) + np.repeat(self.starts[:-1] - (ends - counts), counts)
        return self.values[at[:, None] + np.arange(3)], np.repeat(np.arange(len(self)), counts)
