"""Scores of items, which the bootstrap turns into means with intervals."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Outcome:
    """One score of each of N items.

    Attributes:
        values: In [0, 1], or a difference in [-1, 1], (N,); with S training seeds on the same items (S, N).
        groups: The concept or subset of each item, (N,).
        clusters: (N,) int, equal for items that show the same photo. The bootstrap draws them together.
        chance: The expected mean of random scores, in [0, 1], or None if it is not known.
        is_partition: Whether each item is in one group only. Otherwise no mean over the groups is given.

    Examples:
        >>> Outcome(np.array([1.0, 0.0]), np.array(["color", "size"]), np.array([0, 1])).values.mean().item()
        0.5
    """

    values: np.ndarray
    groups: np.ndarray
    clusters: np.ndarray
    chance: float | None = None
    is_partition: bool = True
