"""How likely a change is by the words beside it: trigrams in both directions, smoothed as Witten and Bell did. Pure.

The probability of a word after a context is (n + types * lower order) / (total + types), where types is the number of
different words that were seen after the context (Witten and Bell 1991, https://doi.org/10.1109/18.87000). The lowest
order is even. Counts come from captions of other folds than the pairs that are read.
"""

from dataclasses import dataclass

import numpy as np

from ..ragged import Ragged
from .encoded_pairs import BEGIN, END, REACH, EncodedPairs, Side
from .sorted_counts import Counts


@dataclass(frozen=True)
class OneDirection:
    """Counts of words after a context of two, one and no words. Backward, the context stands after the word.

    Attributes:
        words: V, the size of the vocabulary.
        trigrams: By the key of context and word.
        bigrams: The same for one word of context.
        unigrams: (V,).
        contexts: The totals of each context of two words, and in how many kinds of words it ends.
        single_contexts: The same of one word.
    """

    words: int
    trigrams: Counts
    bigrams: Counts
    unigrams: np.ndarray
    contexts: tuple[Counts, Counts]
    single_contexts: tuple[Counts, Counts]

    @classmethod
    def count(cls, trigrams: np.ndarray, words: int) -> "OneDirection":
        """Count (T, 3) trigrams: two words of context and a word."""
        far, near, word = trigrams.T.astype(np.int64)
        pairs, triples = near * words + word, (far * words + near) * words + word
        of_two, of_three = Counts.of(pairs), Counts.of(triples)
        return cls(
            words, of_three, of_two, np.bincount(word, minlength=words).astype(float),
            (Counts.of(far * words + near), Counts.of(of_three.keys // words)),
            (Counts.of(near), Counts.of(of_two.keys // words)),
        )  # fmt: skip

    def log_probabilities(self, trigrams: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(T,) natural logarithms of the probability of each last word after no, one and two words of context."""
        far, near, word = trigrams.T.astype(np.int64)
        of_one = (self.unigrams[word] + 1) / (self.unigrams.sum() + self.words)
        total, types = (counts.find(near) for counts in self.single_contexts)
        of_two = _mix(self.bigrams.find(near * self.words + word), total, types, of_one)
        context = far * self.words + near
        total, types = (counts.find(context) for counts in self.contexts)
        of_three = _mix(self.trigrams.find(context * self.words + word), total, types, of_two)
        return np.log(of_one), np.log(of_two), np.log(of_three)


def _mix(count: np.ndarray, total: np.ndarray, types: np.ndarray, lower: np.ndarray) -> np.ndarray:
    return np.where(total > 0, (count + types * lower) / np.maximum(total + types, 1), lower)


@dataclass(frozen=True)
class BothDirections:
    """Trigrams of captions, read forward and backward."""

    forward: OneDirection
    backward: OneDirection

    @classmethod
    def count(cls, captions: Ragged, words: int) -> "BothDirections":
        """Count captions, lists of words without marks of beginning and end."""
        trigrams, _ = pad(captions).trigrams()
        is_start, is_end = trigrams[:, 2] == BEGIN, trigrams[:, 0] == END
        return cls(
            OneDirection.count(trigrams[~is_start], words), OneDirection.count(trigrams[~is_end][:, ::-1], words)
        )

    def score(self, side: Side, size: int) -> dict[str, np.ndarray]:
        """(size,) for each number that says how likely the changed stretch of one side is."""
        trigrams, rows = side.window.trigrams()
        scores: dict[str, np.ndarray] = {}
        for name, model, order in (("forward", self.forward, 1), ("backward", self.backward, -1)):
            turned = trigrams[:, ::order]
            one, two, three = model.log_probabilities(turned)
            scores[f"{name} trigrams"] = np.bincount(rows, three, minlength=size)
            scores[f"{name} bigrams"] = np.bincount(rows, two, minlength=size)
            scores[f"{name} gain"] = np.bincount(rows, three - one, minlength=size)
            lowest = np.zeros(size)
            np.minimum.at(lowest, rows, three - one)
            scores[f"{name} lowest"] = lowest
        return scores


def pad(captions: Ragged) -> Ragged:
    """Captions with `REACH` marks of beginning and end around each."""
    lengths = captions.lengths + 2 * REACH
    starts = np.concatenate([[0], np.cumsum(lengths)])
    values = np.full(starts[-1], END, np.int64)
    for i in range(REACH):
        values[starts[:-1] + i] = BEGIN
    at = np.arange(len(captions.values)) + np.repeat(2 * REACH * np.arange(len(captions)) + REACH, captions.lengths)
    values[at] = captions.values
    return Ragged(values, starts)


def trigram_features(pairs: EncodedPairs, counts: BothDirections) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each number, (N,) that of the caption and (N,) that of the negative."""
    old, new = counts.score(pairs.old, len(pairs)), counts.score(pairs.new, len(pairs))
    return {name: (old[name], new[name]) for name in old}
