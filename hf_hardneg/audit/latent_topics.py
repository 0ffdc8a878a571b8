"""Words as points in a space of topics, so that rare words are judged by what their like goes with.

This is latent semantic analysis: a truncated singular value decomposition of documents by words, weighted by how few
documents have each word (Deerwester et al. 1990, https://doi.org/10.1002/(SICI)1097-4571(199009)41:6<391::AID-ASI1>3.0.CO;2-9).
"""

import numpy as np

from ..ragged import Ragged


DIMENSIONS = 100


def place_words(documents: Ragged, words: int) -> np.ndarray:
    """Place words in a space of topics.

    Args:
        documents: D lists of words.
        words: V, the size of the vocabulary.

    Returns:
        (V, `DIMENSIONS` or fewer) float32 of length 1; 0 for a word of no document.
    """
    from scipy.sparse import csr_array
    from sklearn.utils.extmath import randomized_svd

    ones = np.ones(len(documents.values), np.float32)
    table = csr_array((ones, documents.values, documents.starts), shape=(len(documents), words))
    table.sum_duplicates()
    table.data[:] = 1
    number_with = table.sum(0)
    rarity = np.log((len(documents) + 1) / (number_with + 1)).astype(np.float32)
    number = min(DIMENSIONS, len(documents) - 1, words - 1)
    if number < 1:
        return np.zeros((words, 1), np.float32)
    _, sizes, axes = randomized_svd(csr_array(table.multiply(rarity[None, :])), number, n_iter=3, random_state=0)
    # Axes of no size are noise of the computation.
    places = (axes.T * sizes)[:, sizes > 1e-4 * sizes.max(initial=0)] * (number_with > 0)[:, None]
    return (places / np.maximum(np.linalg.norm(places, axis=1, keepdims=True), 1e-12)).astype(np.float32)
