"""Which words keep company in the captions of an image: what readers know of a caption's topic. Pure.

Input are the words of all captions of some images. Output are scores of a form beside a word. They are sums over the
caption's words, so that they can become coefficients of a slot model.
"""

from typing import TYPE_CHECKING

import numpy as np

from ..ragged import Ragged
from .slot_features import FOLDS, folds_of, hash_word


if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

LEAST_IMAGES = 3  # that a word needs
FUNCTION_WORDS = 60  # the most frequent words, which say nothing of the topic
SHRINKAGE = 0.5  # added to the counts of features beside forms
DIMENSIONS = 60  # of the space of topics
MOST_IMAGES = 20_000  # from which the space of topics is made


def log_excess(table: "csr_matrix", has_form: np.ndarray) -> np.ndarray:
    """(P, V): how much more often than by chance a feature stands with a form, as logarithms with shrinkage.

    Args:
        table: (N, P), 1 where an image or a caption has a feature.
        has_form: (N, V) float32, 1 where it has a form.
    """
    expected = np.outer(np.asarray(table.sum(0)).ravel(), has_form.sum(0)) / max(1, len(has_form))
    return np.log((table.T @ has_form + SHRINKAGE) / (expected + SHRINKAGE))


class ImageCompany:
    """The words of images, I of them with U different words, each of at least `LEAST_IMAGES` images.

    Attributes:
        words: (U,) uint32, sorted.
        is_content: (U,) whether a word is none of the `FUNCTION_WORDS` most frequent ones.
        fold: (I,) fold of each image.
        table: (I, U), 1 where a caption of the image has the word.
        places: (K, U, D) float32 of length 1 or 0: words in a space of topics, made from the other folds' images.
    """

    def __init__(self, image: np.ndarray, bags: Ragged) -> None:
        """`image` (N,) numbers the image of each of N bags; bags of one image are alike."""
        from scipy.sparse import csr_matrix

        self.images, firsts = np.unique(image, return_index=True)
        self.fold = folds_of(self.images)
        bags = bags.take(firsts)
        words, inverse, counts = np.unique(bags.values, return_inverse=True, return_counts=True)
        known = counts >= LEAST_IMAGES
        self.words = words[known]
        column = (np.cumsum(known) - 1)[inverse][known[inverse]]
        place = (bags.rows[known[inverse]], column)
        shape = (len(self.images), len(self.words))
        self.table: csr_matrix = csr_matrix((np.ones(len(column), np.float32), place), shape=shape)
        self.is_content = np.ones(len(self.words), bool)
        self.is_content[np.argsort(-counts[known], kind="stable")[:FUNCTION_WORDS]] = False
        self.places = np.stack([self._places(fold) for fold in range(FOLDS)])

    def _places(self, fold: int) -> np.ndarray:
        """Latent semantic analysis of the images of the other folds (Deerwester et al. 1990)."""
        from sklearn.utils.extmath import randomized_svd

        table = self.table[np.flatnonzero(self.fold != fold)[:MOST_IMAGES]]
        number = min(DIMENSIONS, table.shape[0] - 1, table.shape[1] - 1)
        if number < 1:
            return np.zeros((len(self.words), DIMENSIONS), np.float32)
        rarity = np.log((table.shape[0] + 1) / (np.asarray(table.sum(0)).ravel() + 1))
        _, sizes, axes = randomized_svd(table.multiply(rarity[None]).tocsr(), number, n_iter=3, random_state=0)
        places = np.zeros((len(self.words), DIMENSIONS), np.float32)
        places[:, :number] = axes.T * sizes
        return places / np.maximum(np.linalg.norm(places, axis=1, keepdims=True), 1e-6)

    def score(self, keys: np.ndarray, image: np.ndarray, form: np.ndarray, forms: list[str]) -> np.ndarray:
        """What each fold's other images say of forms beside words.

        Args:
            keys: (P,) uint32 features of which some are words.
            image: (N,) image of each example of a class.
            form: (N,) their forms.
            forms: The V forms.

        Returns:
            (3, K, P, V) float16: how much more often than by chance an image has both, the same for content words
            only, and how like the topics of a form and a content word are. 0 where the key is no word.
        """
        place = np.minimum(np.searchsorted(self.words, keys), len(self.words) - 1)
        found = np.zeros((3, FOLDS, len(keys), len(forms)), np.float16)
        if not len(self.words):
            return found
        known = self.words[place] == keys
        place, is_content = place[known], self.is_content[place[known], None]
        has_form = np.zeros((len(self.images), len(forms)), np.float32)
        has_form[np.searchsorted(self.images, image), form] = 1
        of_forms = self._places_of(forms)
        for fold in range(FOLDS):
            others = np.flatnonzero(self.fold != fold)
            table = self.table[others]
            both = log_excess(table, has_form[others])[place]
            likeness = self.places[fold][place] @ of_forms[fold].T
            found[:, fold, known] = np.stack([both, both * is_content, likeness * is_content])
        return found

    def _places_of(self, forms: list[str]) -> np.ndarray:
        """(K, V, D): the places of forms, that of the last word which is known."""
        found = np.zeros((FOLDS, len(forms), DIMENSIONS), np.float32)
        for i, form in enumerate(forms):
            for word in form.split():
                at = int(np.searchsorted(self.words, np.uint32(hash_word(word))))
                if at < len(self.words) and self.words[at] == hash_word(word):
                    found[:, i] = self.places[:, at]
        return found
