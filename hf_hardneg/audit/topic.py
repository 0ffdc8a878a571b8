"""How well a word goes with the rest of its caption, by what images are described with. Pure.

A document is the set of words of all captions of one image. Counts are kept by fold, so that an image is judged by
the documents of other folds.
"""

from dataclasses import dataclass

import numpy as np

from ..ragged import Ragged
from .encoded_pairs import FIRST_WORD, EncodedPairs
from .folds import FOLDS
from .sorted_counts import find_sorted, shrink


PARTS = FOLDS + 1
"""Counts are kept for each fold, and for the captions that are in no fold."""
SHRINKAGE = 1.0
MAX_WORDS = 20_000  # the most frequent ones; the others are too rare to say anything of what goes with them


@dataclass(frozen=True)
class CoOccurrences:
    """In how many documents two words stand together, by fold.

    Attributes:
        documents: (PARTS,) number of documents.
        single: (PARTS, V) number of documents with each word.
        keys: (P,) sorted int64, first word * V + second word, of the pairs of words that stand in one document.
        together: (PARTS, P) number of documents with both.
    """

    documents: np.ndarray
    single: np.ndarray
    keys: np.ndarray
    together: np.ndarray

    def without(self, fold: int) -> "Documents":
        """The counts of all parts but one fold."""
        others = np.arange(PARTS) != fold
        return Documents(
            float(self.documents[others].sum()), self.single[others].sum(0), self.keys, self.together[others].sum(0)
        )


@dataclass(frozen=True)
class Documents:
    """Counts of documents, as in `CoOccurrences`, of some folds together."""

    number: float
    single: np.ndarray
    keys: np.ndarray
    together: np.ndarray

    def count(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """(N,) the number of documents with both of two words."""
        return find_sorted(self.keys, self.together, first * len(self.single) + second)


def count_documents(documents: Ragged, folds: np.ndarray, words: int) -> CoOccurrences:
    """Count which words stand in documents together.

    Args:
        documents: D lists of words.
        folds: (D,) the fold of each, or FOLDS.
        words: V, the size of the vocabulary.
    """
    from scipy.sparse import csr_array

    single = np.zeros((PARTS, words))
    parts = []
    for fold in range(PARTS):
        chosen = documents.take(np.flatnonzero(folds == fold))
        table = csr_array((np.ones(len(chosen.values)), chosen.values, chosen.starts), shape=(len(chosen), words))
        table.sum_duplicates()
        table.data[:] = 1
        single[fold] = table.sum(0)
        parts.append(table)
    frequent = np.argsort(-single.sum(0), kind="stable")[:MAX_WORDS]
    is_kept = np.zeros(words, bool)
    is_kept[frequent] = single.sum(0)[frequent] > 1
    keys, counts = [], []
    for table in parts:
        kept = csr_array(table.multiply(is_kept[None, :]))
        kept.eliminate_zeros()
        product = (kept.T @ kept).tocoo()
        keys.append(product.row.astype(np.int64) * words + product.col)
        counts.append(product.data)
    known = np.unique(np.concatenate(keys))
    together = np.zeros((PARTS, len(known)), np.int32)
    for fold in range(PARTS):
        together[fold, np.searchsorted(known, keys[fold])] = counts[fold]
    return CoOccurrences(np.bincount(folds, minlength=PARTS), single, known, shrink(together))


@dataclass(frozen=True)
class Company:
    """Each changed word of one side beside each word that stays.

    Attributes:
        row: (M,) the pair of caption and negative.
        word: (M,) the changed word.
        beside: (M,) the word that stays.
    """

    row: np.ndarray
    word: np.ndarray
    beside: np.ndarray


def find_company(changed: Ragged, beside: Ragged) -> Company:
    """All combinations of a changed word and a word that stays, of each of N pairs."""
    rows = changed.rows
    stays = beside.take(rows)
    which = stays.rows
    return Company(rows[which], changed.values[which], stays.values)


def association(company: Company, documents: Documents, shrinkage: float = SHRINKAGE) -> np.ndarray:
    """(M,) log((n + shrinkage) / (expected n + shrinkage)) for the number n of documents that have both words."""
    word, beside = company.word, company.beside
    expected = documents.single[word] * documents.single[beside] / max(documents.number, 1)
    found = np.log((documents.count(word, beside) + shrinkage) / (expected + shrinkage))
    return np.where((word < FIRST_WORD) | (beside < FIRST_WORD), 0, found)


def topic_margins(pairs: EncodedPairs, documents: Documents) -> np.ndarray:
    """How much better the caption's words go with the rest than the negative's do.

    Args:
        pairs: N pairs.
        documents: Counts of other images.

    Returns:
        (N,) sum of the associations of the caption's changed words minus that of the negative's. It is not trained.
    """
    margins = np.zeros(len(pairs))
    for sign, side in ((1, pairs.old), (-1, pairs.new)):
        company = find_company(side.words, pairs.shared)
        margins += sign * np.bincount(company.row, association(company, documents), minlength=len(pairs))
    return margins
