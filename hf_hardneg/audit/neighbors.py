"""How well words go with those a few places before or after them, whatever stands between. Pure."""

from dataclasses import dataclass

import numpy as np

from ..ragged import Ragged
from .encoded_pairs import FIRST_WORD, NEARBY, EncodedPairs, Side
from .sorted_counts import Counts
from .topic import Company, find_company


SHRINKAGES = (0.1, 1.0)


@dataclass(frozen=True)
class Neighbors:
    """How often one word stands up to `NEARBY` places before another.

    Attributes:
        single: (V,) how often each word was counted.
        before: By the key first word * V + second word.
    """

    single: np.ndarray
    before: Counts

    @classmethod
    def count(cls, captions: Ragged, words: int) -> "Neighbors":
        """Count captions of a vocabulary of V = `words` words."""
        values, rows = captions.values, captions.rows
        keys = [np.empty(0, np.int64)]
        for distance in range(1, NEARBY + 1):
            is_one = rows[:-distance] == rows[distance:]
            keys.append(values[:-distance][is_one] * words + values[distance:][is_one])
        return cls(np.bincount(values, minlength=words).astype(float), Counts.of(np.concatenate(keys)))

    def association(self, first: np.ndarray, second: np.ndarray, shrinkage: float) -> np.ndarray:
        """(M,) log((n + shrinkage) / (expected n + shrinkage)) for the number n of times that both stand so."""
        expected = NEARBY * self.single[first] * self.single[second] / max(self.single.sum(), 1)
        number = self.before.find(first * len(self.single) + second)
        found = np.log((number + shrinkage) / (expected + shrinkage))
        return np.where((first < FIRST_WORD) | (second < FIRST_WORD), 0, found)

    def score(self, side: Side, pairs: EncodedPairs, is_content: np.ndarray) -> dict[str, np.ndarray]:
        """(N,) for each number that says how well the changed stretch of one side goes with the words around it."""
        size = len(pairs)
        before, after = (find_company(side.stretch(), words) for words in (pairs.before, pairs.after))
        scores = {}
        for shrinkage in SHRINKAGES:
            of_side = {
                "before": (before, self.association(before.beside, before.word, shrinkage)),
                "after": (after, self.association(after.word, after.beside, shrinkage)),
            }
            both = (_total(company, values, size) for company, values in of_side.values())
            scores[f"neighbors {shrinkage}"] = np.sum(list(both), axis=0)
            for name, (company, values) in of_side.items():
                of_content = np.where(is_content[company.beside], values, 0)
                scores[f"content {name} {shrinkage}"] = _total(company, of_content, size)
        return scores


def _total(company: Company, values: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(company.row, values, minlength=size)
