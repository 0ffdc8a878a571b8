"""What captions say of words, kept by fold, so that no pair is judged by captions of its own image."""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from ..lexicon.words import split_words
from ..ragged import Ragged
from .caption_pairs import Captions, Pairs
from .encoded_pairs import FIRST_WORD, EncodedPairs, encode_pairs, number_words
from .folds import FOLDS, assign_folds, hash_fold, normalize
from .latent_topics import place_words
from .neighbors import Neighbors
from .pair_features import CorpusCounts
from .topic import CoOccurrences, count_documents
from .trigrams import BothDirections


EXTRA = FOLDS
"""The fold of captions that are in no pair: they are never left out."""


@dataclass(frozen=True)
class Corpus:
    """Counts of captions by fold.

    Attributes:
        vocabulary: The number of each word.
        of_image: The fold of each known image.
        of_text: The fold of each known caption, normalized.
        images: Which words stand together in the captions of one image.
        captions: Which words stand together in a caption.
        trigrams: Which words follow each other, for each fold without its captions.
        neighbors: Which words stand near each other, for each fold without its captions.
        places: Words in a space of topics, for each fold without its captions.
    """

    vocabulary: dict[str, int]
    of_image: dict[Hashable, int]
    of_text: dict[str, int]
    images: CoOccurrences
    captions: CoOccurrences
    trigrams: list[BothDirections]
    neighbors: list[Neighbors]
    places: list[np.ndarray]

    @property
    def words(self) -> int:
        """The size of the vocabulary, marks included."""
        return FIRST_WORD + len(self.vocabulary)

    def find_folds(self, pairs: Pairs) -> np.ndarray:
        """(N,) the fold of each pair; that of an unknown image follows from its id alone."""
        texts = list(map(normalize, pairs.captions))
        if pairs.image_ids is None:
            return np.array([self.of_text.get(text, hash_fold(text)) for text in texts], dtype=np.int64)
        folds = [
            self.of_image[image_id] if image_id in self.of_image else self.of_text.get(text, hash_fold(image_id))
            for image_id, text in zip(pairs.image_ids, texts, strict=True)
        ]
        return np.array(folds, dtype=np.int64)

    def without(self, fold: int) -> CorpusCounts:
        """The counts of all captions but those of one fold."""
        return CorpusCounts(
            self.images.without(fold),
            self.captions.without(fold),
            self.trigrams[fold],
            self.neighbors[fold],
            self.places[fold],
        )

    def encode(self, pairs: Pairs) -> EncodedPairs:
        """The pairs as numbers."""
        return encode_pairs(pairs.captions, pairs.negatives, self.vocabulary)


def build_corpus(pairs: Pairs, captions: Captions | None = None, extra: Captions | None = None) -> Corpus:
    """Count captions.

    Args:
        pairs: Their captions are counted; of their negatives only the words are known.
        captions: Further captions of the same images, or of other images of the same source. They are counted once.
        extra: Captions of other images; `leave_out` drops those of the same ones.
    """
    known = _all_captions(pairs, captions)
    folds, _ = assign_folds(known.texts, known.image_ids)
    own, other = (
        [split_words(text) for text in known.texts],
        [split_words(text) for text in (extra.texts if extra else ())],
    )
    vocabulary = number_words([*own, *other, *map(split_words, pairs.negatives)])
    encoded = Ragged.of([[vocabulary[word] for word in words] for words in (*own, *other)])
    all_folds = np.concatenate([folds, np.full(len(other), EXTRA, dtype=np.int64)])
    ids = [("own", id_) for id_ in _images(known)] + [("extra", id_) for id_ in (_images(extra) if extra else ())]
    words = FIRST_WORD + len(vocabulary)
    documents, fold_of = _join_documents(encoded, ids, all_folds)
    others = [encoded.take(np.flatnonzero(all_folds != fold)) for fold in range(FOLDS)]
    return Corpus(
        vocabulary=vocabulary,
        of_image={} if known.image_ids is None else dict(zip(known.image_ids, folds.tolist(), strict=True)),
        of_text=dict(zip(map(normalize, known.texts), folds.tolist(), strict=True)),
        images=count_documents(documents, fold_of, words),
        captions=count_documents(encoded, all_folds, words),
        trigrams=[BothDirections.count(captions, words) for captions in others],
        neighbors=[Neighbors.count(captions, words) for captions in others],
        places=[place_words(documents.take(np.flatnonzero(fold_of != fold)), words) for fold in range(FOLDS)],
    )


def _all_captions(pairs: Pairs, captions: Captions | None) -> Captions:
    """The captions of pairs and the further ones, each of an image once."""
    has_ids = pairs.image_ids is not None and (captions is None or captions.image_ids is not None)
    texts = [*pairs.captions, *(captions.texts if captions else ())]
    if not has_ids:
        return Captions(list(dict.fromkeys(texts)))
    ids = [*(pairs.image_ids or ()), *((captions.image_ids or ()) if captions else ())]
    return Captions(*map(list, zip(*dict.fromkeys(zip(texts, ids, strict=True)), strict=True)))


def _images(captions: Captions) -> list[Hashable]:
    """The image of each caption; a caption of no known image is one of its own."""
    return list(range(len(captions))) if captions.image_ids is None else list(captions.image_ids)


def _join_documents(captions: Ragged, ids: Sequence[Hashable], folds: np.ndarray) -> tuple[Ragged, np.ndarray]:
    """The words of all captions of each image, and its fold."""
    number: dict[Hashable, int] = {}
    image = np.array([number.setdefault(id_, len(number)) for id_ in ids], dtype=np.int64)
    order = np.argsort(image, kind="stable")
    sizes = np.bincount(image, captions.lengths, minlength=len(number)).astype(np.int64)
    fold_of = np.zeros(len(number), np.int64)
    fold_of[image] = folds
    return Ragged(captions.take(order).values, np.concatenate([[0], np.cumsum(sizes)])), fold_of


def leave_out(captions: Captions, audited: Captions) -> Captions:
    """The captions of images that are not among the audited ones.

    An image is an audited one if one of its captions is, or if its number is: "COCO_val2014_000000000139.jpg" and 139
    are the same. Too many images may be left out by this, never too few.
    """
    texts = set(map(normalize, audited.texts))
    ids = _images(captions)
    numbers = {_number(id_) for id_ in audited.image_ids or ()} - {None}
    dropped = {id_ for id_, text in zip(ids, captions.texts, strict=True) if normalize(text) in texts}
    if captions.image_ids is not None:
        dropped |= {id_ for id_ in set(ids) if _number(id_) in numbers}
    kept = [i for i, id_ in enumerate(ids) if id_ not in dropped]
    known_ids = None if captions.image_ids is None else [captions.image_ids[i] for i in kept]
    return Captions([captions.texts[i] for i in kept], known_ids)


def _number(image_id: Hashable) -> int | None:
    """The last number in an id or a file name."""
    found = re.search(r"(\d+)\D*$", str(image_id))
    return int(found[1]) if found else None
