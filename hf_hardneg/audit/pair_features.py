"""The numbers of a pair that the boosted reader learns from: each is of the caption minus that of the negative. Pure.

None of them knows which pairs a reader was trained on: they come from the texts and from captions of other folds.
"""

from dataclasses import dataclass

import numpy as np

from .encoded_pairs import EncodedPairs, Side
from .neighbors import Neighbors
from .topic import Company, Documents, association, find_company
from .trigrams import BothDirections, trigram_features


IMAGE_SHRINKAGES = (0.1, 1.0, 5.0)
CAPTION_SHRINKAGES = (0.1, 1.0)
FUNCTION_WORDS = 60
"""The most frequent words of captions, which say nothing of the topic."""


@dataclass(frozen=True)
class CorpusCounts:
    """What the captions of other folds say.

    Attributes:
        images: Which words go together in the captions of an image.
        captions: Which words go together in a caption.
        trigrams: Which words follow each other.
        neighbors: Which words stand near each other.
        places: (V, D) words in a space of topics.
    """

    images: Documents
    captions: Documents
    trigrams: BothDirections
    neighbors: Neighbors
    places: np.ndarray

    def is_content(self) -> np.ndarray:
        """(V,) whether each word is none of the most frequent ones."""
        is_content = np.ones(len(self.images.single), bool)
        is_content[np.argsort(-self.images.single, kind="stable")[:FUNCTION_WORDS]] = False
        return is_content


def _summaries(company: Company, values: np.ndarray, size: int) -> dict[str, np.ndarray]:
    """Sum, mean, largest above and smallest below 0 of the values of each pair, (size,) each."""
    total = np.bincount(company.row, values, minlength=size)
    number = np.bincount(company.row, minlength=size)
    largest, smallest = np.zeros(size), np.zeros(size)
    np.maximum.at(largest, company.row, values)
    np.minimum.at(smallest, company.row, values)
    return {"sum": total, "mean": total / np.maximum(number, 1), "largest": largest, "smallest": smallest}


def _side_features(
    side: Side, pairs: EncodedPairs, counts: CorpusCounts, is_content: np.ndarray
) -> dict[str, np.ndarray]:
    size = len(pairs)
    company = find_company(side.words, pairs.shared)
    content = is_content[company.beside]
    found = {}
    for name, documents, shrinkages in (
        ("image", counts.images, IMAGE_SHRINKAGES),
        ("caption", counts.captions, CAPTION_SHRINKAGES),
    ):
        for shrinkage in shrinkages:
            values = association(company, documents, shrinkage)
            for kind, summary in _summaries(company, values, size).items():
                found[f"{name} {shrinkage} {kind}"] = summary
            of_content = _summaries(company, np.where(content, values, 0), size)
            for kind in ("sum", "smallest"):
                found[f"{name} {shrinkage} {kind} of content words"] = of_content[kind]
    likeness = np.einsum("md,md->m", counts.places[company.word], counts.places[company.beside])
    for kind, summary in _summaries(company, np.where(content, likeness, 0), size).items():
        found[f"likeness {kind}"] = summary
    frequency = np.log(counts.images.single + 0.5)
    found["frequency"] = np.bincount(side.words.rows, frequency[side.words.values], minlength=size)
    return found | counts.neighbors.score(side, pairs, is_content)


def corpus_features(pairs: EncodedPairs, counts: CorpusCounts) -> np.ndarray:
    """(N, F) what captions of other folds say of caption and negative.

    Args:
        pairs: N pairs of one fold.
        counts: Of the other folds.
    """
    is_content = counts.is_content()
    old = _side_features(pairs.old, pairs, counts, is_content)
    new = _side_features(pairs.new, pairs, counts, is_content)
    differences = [old[name] - new[name] for name in old]
    differences += [of_old - of_new for of_old, of_new in trigram_features(pairs, counts.trigrams).values()]
    return np.stack(differences, axis=1)
