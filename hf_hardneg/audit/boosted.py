"""The strongest reader: gradient boosting on the numbers of a pair, and on what other pairs say of its words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .encoded_pairs import EncodedPairs
from .folds import FOLDS


SETTINGS = {
    "max_iter": 150,
    "learning_rate": 0.06,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 40,
    "l2_regularization": 1.0,
    "early_stopping": False,
    "random_state": 0,
}
"""Of `HistGradientBoostingClassifier`; docs/audit.md says how they were chosen."""


@dataclass(frozen=True)
class WordRoles:
    """How often each word was put in and taken out, by fold.

    Attributes:
        taken_out: (FOLDS, V) in how many pairs only the caption has the word.
        put_in: (FOLDS, V) in how many pairs only the negative has it.
    """

    taken_out: np.ndarray
    put_in: np.ndarray

    @classmethod
    def count(cls, pairs: EncodedPairs, folds: np.ndarray, words: int) -> "WordRoles":
        """Count the words of N pairs of (N,) folds."""
        found = np.zeros((2, FOLDS, words))
        for fold in range(FOLDS):
            chosen = pairs.take(np.flatnonzero(folds == fold))
            for i, side in enumerate((chosen.old, chosen.new)):
                found[i, fold] = np.bincount(side.words.values, minlength=words)
        return cls(*found)

    def log_odds(self, left_out: Sequence[int]) -> np.ndarray:
        """(V,) the log-odds that each word is the caption's, without some folds."""
        kept = [fold for fold in range(FOLDS) if fold not in left_out]
        return np.log((self.taken_out[kept].sum(0) + 1) / (self.put_in[kept].sum(0) + 1))


def role_margins(pairs: EncodedPairs, log_odds: np.ndarray) -> np.ndarray:
    """(N,) the log-odds of the words of each caption minus those of its negative."""
    size = len(pairs)
    parts = [
        np.bincount(side.words.rows, log_odds[side.words.values], minlength=size) for side in (pairs.old, pairs.new)
    ]
    return parts[0] - parts[1]


def fit_boosting(features: np.ndarray, learned: int) -> Any:
    """Fit gradient boosting on pairs.

    Args:
        features: (N, F) of the caption minus of the negative.
        learned: How many of the last columns come from other pairs. These can only speak for what those pairs say,
            never for its opposite: in negatives that are balanced to the last one, a word that other folds have more
            often as a negative is more often the caption here, and that tells nothing of new captions.

    Returns:
        The model; None if there are too few pairs.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    if len(features) < 2:
        return None
    directions = [0] * (features.shape[1] - learned) + [1] * learned
    model = HistGradientBoostingClassifier(**SETTINGS, monotonic_cst=directions)
    return model.fit(np.vstack([features, -features]), np.repeat([1, 0], len(features)))


def boosted_margins(model: Any, features: np.ndarray) -> np.ndarray:
    """(N,) log-odds that the caption is the caption; the negative's are the opposite."""
    if model is None or not len(features):
        return np.zeros(len(features))
    return (model.decision_function(features) - model.decision_function(-features)) / 2
