"""Cosines of the images and texts of items, so that equal embeddings get equal scores."""

from collections.abc import Iterable
from typing import Any

import numpy as np


def number_keys(keys: Iterable[Any]) -> np.ndarray:
    """Number keys from 0 on, in the order in which they first come; equal keys get equal numbers.

    Examples:
        >>> number_keys("aba").tolist()
        [0, 1, 0]
    """
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def number_rows(rows: np.ndarray) -> np.ndarray:
    """Number the rows of a matrix (N, D) from 0 on; equal rows get equal numbers, (N,).

    Examples:
        >>> number_rows(np.array([[1.0, 2.0], [0.0, 0.0], [1.0, 2.0]])).tolist()
        [0, 1, 0]
    """
    return number_keys(row.tobytes() for row in np.ascontiguousarray(rows))


def has_identical(numbers: np.ndarray, belongs: np.ndarray, present: np.ndarray | None = None) -> np.ndarray:
    """Whether each of N items has a wrong candidate that is identical with a right one, (N,) bool.

    Args:
        numbers: Of the candidates of each item, (N, m); equal for identical ones.
        belongs: Which candidates are right for which queries, (n, m).
        present: Which candidates each item has, (N, m) bool; all by default.

    Examples:
        >>> has_identical(np.array([[3, 4], [3, 3]]), np.array([[True, False]])).tolist()
        [False, True]
    """
    same = numbers[:, :, None] == numbers[:, None]
    if present is not None:
        same &= present[:, :, None] & present[:, None]
    rivals = (belongs[:, :, None] & ~belongs[:, None]).any(axis=0)  # (m, m): right and wrong for one query
    return (same & rivals).any(axis=(1, 2))


def score_items(
    first: np.ndarray, second: np.ndarray, first_index: np.ndarray, second_index: np.ndarray, block: int = 4096
) -> np.ndarray:
    """Cosines of the embeddings of each item, (N, n, m) in float32. Equal embeddings of an item get equal scores.

    Args:
        first: Unit-norm embeddings, (I, D).
        second: Unit-norm embeddings, (T, D).
        first_index: Rows of `first` for each item, (N, n).
        second_index: Rows of `second` for each item, (N, m).
        block: How many rows of `first` are computed at a time.

    Examples:
        >>> unit = np.eye(2)
        >>> score_items(unit, unit, np.array([[0]]), np.array([[0, 1]])).tolist()
        [[[1.0, 0.0]]]
    """
    scores = np.empty((*first_index.shape, second_index.shape[1]), dtype=np.float32)
    step = max(1, block // first_index.shape[1])
    for start in range(0, len(scores), step):
        part = slice(start, start + step)
        pair = first[first_index[part]], second[second_index[part]]
        scores[part] = np.einsum("nid,njd->nij", *pair, dtype=np.float64)
    # Rounding may depend on the place in the matrix, so equal embeddings take the score of the first of them.
    scores = np.take_along_axis(scores, _first_equal(number_rows(second)[second_index])[:, None], axis=2)
    return np.take_along_axis(scores, _first_equal(number_rows(first)[first_index])[:, :, None], axis=1)


def _first_equal(numbers: np.ndarray) -> np.ndarray:
    """For each of the numbers (N, m) the first place in its row with an equal number, (N, m)."""
    return (numbers[:, :, None] == numbers[:, None]).argmax(axis=2)
