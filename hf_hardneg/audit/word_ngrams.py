"""The reader of word n-grams: a logistic regression on the 1- to 3-grams in which caption and negative differ."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from .encoded_pairs import BEGIN, END, EncodedPairs, Side


ORDERS = (1, 2, 3)
STRENGTH = 1.0
"""The inverse of the regularization, as scikit-learn's C."""


def _keys(side: Side, words: int) -> tuple[np.ndarray, np.ndarray]:
    """The key and the pair of each n-gram of the windows of one side. A key tells the n-gram from all others."""
    keys, rows = [], []
    base = words + 1
    trigrams, of_trigram = side.window.trigrams()
    values, starts = side.window.values, side.window.starts
    row = side.window.rows
    is_last = np.zeros(len(values), bool)
    is_last[starts[1:][side.window.lengths > 0] - 1] = True
    for parts, of_part in (
        (values[:, None], row),
        (np.stack([values[:-1], values[1:]], 1)[~is_last[:-1]], row[:-1][~is_last[:-1]]),
        (trigrams, of_trigram),
    ):
        key = np.zeros(len(parts), np.int64)
        for column in parts.T:
            key = key * base + column + 1
        is_text = ~np.isin(parts, (BEGIN, END)).all(1) & (parts >= 0).all(1)
        keys.append(key[is_text])
        rows.append(of_part[is_text])
    return np.concatenate(keys), np.concatenate(rows)


@dataclass(frozen=True)
class NgramTable:
    """Which column each n-gram has.

    Attributes:
        words: The size of the vocabulary.
        keys: (M,) sorted.
    """

    words: int
    keys: np.ndarray

    @classmethod
    def of(cls, pairs: EncodedPairs, words: int) -> "NgramTable":
        """The n-grams in which at least two pairs differ."""
        keys, signs, rows = _differences(pairs, words)
        known, counts = np.unique(keys, return_counts=True)
        return cls(words, known[counts > 1])

    def differences(self, pairs: EncodedPairs) -> csr_array:
        """(N, M) how much oftener each n-gram stands in the caption than in the negative."""
        keys, signs, rows = _differences(pairs, self.words)
        at = np.minimum(np.searchsorted(self.keys, keys), max(len(self.keys) - 1, 0))
        is_known = self.keys[at] == keys if len(self.keys) else np.zeros(len(keys), bool)
        parts = (signs[is_known], (rows[is_known], at[is_known]))
        return csr_array(parts, shape=(len(pairs), len(self.keys)))

    def names(self, columns: np.ndarray, vocabulary: dict[str, int]) -> list[str]:
        """The n-grams of some columns as text."""
        words = {number: word for word, number in vocabulary.items()} | {BEGIN: "<", END: ">"}
        names = []
        for key in self.keys[columns].tolist():
            parts = []
            while key:
                key, number = divmod(key, self.words + 1)
                parts.append(words.get(number - 1, "?"))
            names.append(" ".join(reversed(parts)))
        return names


def _differences(pairs: EncodedPairs, words: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The key, the count (not 0) and the pair of each n-gram in which a pair differs."""
    old, new = _keys(pairs.old, words), _keys(pairs.new, words)
    keys, rows = np.concatenate([old[0], new[0]]), np.concatenate([old[1], new[1]])
    signs = np.repeat([1.0, -1.0], [len(old[0]), len(new[0])])
    known, column = np.unique(keys, return_inverse=True)
    table = csr_array((signs, (rows, column)), shape=(len(pairs), max(len(known), 1)))
    table.sum_duplicates()
    table.eliminate_zeros()
    found = table.tocoo()
    return known[found.col] if len(known) else found.col.astype(np.int64), found.data, found.row


def fit_weights(differences: csr_array) -> np.ndarray:
    """(M,) weights of a logistic regression that tells captions from negatives.

    Every row is turned over at random, or rather every second one: a row and its opposite say the same.
    """
    from sklearn.linear_model import LogisticRegression

    if not min(differences.shape):
        return np.zeros(differences.shape[1])
    labels = np.arange(differences.shape[0]) % 2
    if len(labels) < 2:
        return np.zeros(differences.shape[1])
    turned = csr_array(differences.multiply((2 * labels - 1)[:, None]))
    reader = LogisticRegression(C=2 * STRENGTH, fit_intercept=False, max_iter=100, tol=1e-3)
    return reader.fit(turned, labels).coef_[0]


def calibrate(margins: np.ndarray) -> float:
    """The factor, 0 or more, that makes margins of held-out pairs log-odds. It is 0 if the margins are no help.

    A reader whose margins point the wrong way on held-out pairs would otherwise be scored below chance, although all
    that it has learned is which words those pairs lack (see docs/audit.md).
    """
    from scipy.optimize import minimize_scalar

    if not len(margins) or margins.mean() <= 0:
        return 0.0
    scale = 1 / max(np.abs(margins).mean(), 1e-12)
    found = minimize_scalar(
        lambda factor: np.logaddexp(0, -factor * scale * margins).mean(), bounds=(0, 50), method="bounded"
    )
    return float(found.x * scale)
