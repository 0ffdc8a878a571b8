"""What a slot model knows of one class of words: coefficients of hashed features, one set for each fold. Pure."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..ragged import Ragged
from .slot_features import FOLDS


if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class ClassWeights(NamedTuple):
    """What the model knows of one class: V forms, P features, K folds.

    Attributes:
        keys: (P,) uint32, the hashed features, sorted.
        coefficients: (K, P, V) float16.
        intercepts: (K, V) float32.
    """

    keys: np.ndarray
    coefficients: np.ndarray
    intercepts: np.ndarray

    def matrix(self, features: Ragged, block: np.ndarray | None = None) -> "csr_matrix":
        """Bags as a sparse matrix: (N, P), or (N, K P) where `block` (N,) says which P columns a bag uses."""
        from scipy.sparse import csr_matrix

        size, number = len(features), len(self.keys)
        place = np.searchsorted(self.keys, features.values)
        known = place < number
        known[known] = self.keys[place[known]] == features.values[known]
        column = place if block is None else place + np.repeat(block * number, features.lengths)
        starts = np.append(0, np.cumsum(known))[features.starts]
        width = number * (1 if block is None else FOLDS)
        ones = np.ones(int(known.sum()), np.float32)
        return csr_matrix((ones, column[known], starts), shape=(size, width))

    def scores(self, features: Ragged, fold: np.ndarray) -> np.ndarray:
        """(N, V): log-probabilities but for a constant, each by the model of the image's fold."""
        flat = self.coefficients.reshape(-1, self.coefficients.shape[-1]).astype(np.float32)
        return self.matrix(features, fold) @ flat + self.intercepts[fold]
