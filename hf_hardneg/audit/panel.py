"""The panel of readers: each chooses between a caption and its negative without the image.

Readers that learn are cross-fitted: an image is read only by readers that were trained on other images. What captions
say of words, such as which go together, comes from captions of other images, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from .acceptability import acceptability_margins
from .boosted import WordRoles, boosted_margins, fit_boosting, role_margins
from .caption_pairs import Captions, Pairs
from .corpus import Corpus, build_corpus
from .encoded_pairs import EncodedPairs
from .folds import FOLDS, group_captions, normalize
from .pair_features import corpus_features
from .rules import length_direction, length_margins, rule_margins, shape_differences
from .topic import topic_margins
from .word_ngrams import NgramTable, calibrate, fit_weights


RULES, LENGTH, NGRAMS, TOPIC, BOOSTED = "rules", "length", "n-grams", "topic", "boosted"
ACCEPTABILITY = "acceptability"
MAX_PAIRS = 50_000  # more pairs hardly improve the readers, and take time and memory
LEARNED = 2
"""How many numbers of the boosted reader come from other pairs: the roles of words, and the n-gram reader."""


@dataclass(frozen=True)
class Reading:
    """What all readers need to know of N pairs.

    Attributes:
        folds: (N,) the fold of each pair.
        encoded: The pairs as numbers.
        shapes: (N, 8) differences of form.
        topic: (N,) margins of the topic reader.
        acceptability: (N,) margins of the language model, or None.
        features: (N, F) the boosted reader's numbers that do not come from other pairs.
    """

    folds: np.ndarray
    encoded: EncodedPairs
    shapes: np.ndarray
    topic: np.ndarray
    acceptability: np.ndarray | None
    features: np.ndarray


def read_pairs(pairs: Pairs, corpus: Corpus, language_model: str | None = None) -> Reading:
    """Count what readers need to know of pairs, each by the captions of other folds than its own."""
    folds, encoded = corpus.find_folds(pairs), corpus.encode(pairs)
    shapes = shape_differences(pairs.captions, pairs.negatives)
    topic = np.zeros(len(pairs))
    of_corpus: np.ndarray | None = None
    for fold in np.unique(folds).tolist():
        rows = np.flatnonzero(folds == fold)
        counts, chosen = corpus.without(fold), encoded.take(rows)
        topic[rows] = topic_margins(chosen, counts.images)
        found = corpus_features(chosen, counts)
        of_corpus = np.zeros((len(pairs), found.shape[1])) if of_corpus is None else of_corpus
        of_corpus[rows] = found
    acceptability = acceptability_margins(pairs, language_model) if language_model else None
    parts = [
        shapes,
        *([] if of_corpus is None else [of_corpus]),
        *([] if acceptability is None else [acceptability[:, None]]),
    ]
    return Reading(folds, encoded, shapes, topic, acceptability, np.hstack(parts))


@dataclass(frozen=True)
class Readers:
    """Fitted readers of all folds; `fit_readers` makes them. They can be pickled.

    Attributes:
        corpus: What captions of other folds say.
        lengths: The direction of the length reader for each fold.
        table: The n-grams that the n-gram reader knows.
        weights: Their weights, by the folds that were left out of the training.
        scales: What makes margins of the n-gram reader log-odds, for each fold.
        roles: How often each word was put in and taken out.
        models: The gradient boosting of each fold.
        language_model: Hub id, folder or .gguf file of a causal language model, or None.
    """

    corpus: Corpus
    lengths: list[float]
    table: NgramTable
    weights: dict[tuple[int, ...], np.ndarray]
    scales: list[float]
    roles: WordRoles
    models: list[Any]
    language_model: str | None = None

    def margins(self, pairs: Pairs) -> dict[str, np.ndarray]:
        """Read pairs, each with the readers that have not seen its image.

        Args:
            pairs: N pairs. They need not be those of the fit.

        Returns:
            For each reader (N,) margins. A margin above 0 says that the caption is the caption, and the margin of an
            exchanged pair is the opposite. Those of "n-grams", "boosted" and "length" are natural log-odds. Those of
            "rules" and "topic" are scores, and that of "acceptability" is a difference of log-probabilities.

        Examples:
            >>> captions = [f"A {color} car {i}." for i in range(20) for color in ("red", "blue")]
            >>> pairs = Pairs(captions, [caption.replace("car", "wave") for caption in captions])
            >>> bool((fit_readers(pairs).margins(pairs)["n-grams"] > 0).all())
            True
        """
        reading = read_pairs(pairs, self.corpus, self.language_model)
        return self._judge(reading, self.table.differences(reading.encoded))

    def _judge(self, reading: Reading, differences: csr_array) -> dict[str, np.ndarray]:
        size = len(reading.folds)
        found = {RULES: rule_margins(reading.shapes), LENGTH: np.zeros(size), NGRAMS: np.zeros(size)}
        found |= {TOPIC: reading.topic, BOOSTED: np.zeros(size)}
        for fold in range(FOLDS):
            rows = np.flatnonzero(reading.folds == fold)
            if not len(rows):
                continue
            found[LENGTH][rows] = length_margins(reading.shapes[rows], self.lengths[fold])
            found[NGRAMS][rows] = self.scales[fold] * (differences[rows] @ self.weights[(fold,)])
            learned = _learned_features(self.roles, self.weights, reading, differences, rows, (fold,))
            features = np.hstack([reading.features[rows], learned])
            found[BOOSTED][rows] = boosted_margins(self.models[fold], features)
        if reading.acceptability is not None:
            found[ACCEPTABILITY] = reading.acceptability
        return found


def _learned_features(
    roles: WordRoles,
    weights: dict[tuple[int, ...], np.ndarray],
    reading: Reading,
    differences: csr_array,
    rows: np.ndarray,
    without: Sequence[int],
) -> np.ndarray:
    """(R, LEARNED) numbers of some pairs that come from pairs of all folds but some."""
    of_words = role_margins(reading.encoded.take(rows), roles.log_odds(without))
    return np.stack([of_words, differences[rows] @ weights[tuple(without)]], axis=1)


def fit_readers(
    pairs: Pairs,
    captions: Captions | None = None,
    extra: Captions | None = None,
    language_model: str | None = None,
) -> Readers:
    """Fit the readers of each fold on the pairs of the others.

    Args:
        pairs: What is learned from; of more than `MAX_PAIRS`, an even selection.
        captions: All captions of the source, also those without a negative.
        extra: Captions of other images, which tell more of which words go together.
        language_model: Hub id, folder or .gguf file of a causal language model.

    Raises:
        ValueError: If there is no pair.
    """
    if not len(pairs):
        raise ValueError("There is no pair to learn from; give at least one caption with a negative.")
    step = -(-len(pairs) // MAX_PAIRS)
    readers, _, _ = fit_and_judge(pairs.take(np.arange(0, len(pairs), step)), captions, extra, language_model)
    return readers


def fit_and_judge(
    pairs: Pairs, captions: Captions | None, extra: Captions | None, language_model: str | None
) -> tuple[Readers, dict[str, np.ndarray], np.ndarray]:
    """Fit the readers, and read the same pairs with them: as `fit_readers` and `Readers.margins`, counted once.

    The last value is (N,) the group of each pair: equal for those that are held out together.
    """
    corpus = build_corpus(pairs, captions, extra)
    reading = read_pairs(pairs, corpus, language_model)
    table = NgramTable.of(reading.encoded, corpus.words)
    differences = table.differences(reading.encoded)
    roles = WordRoles.count(reading.encoded, reading.folds, corpus.words)
    copied = np.array([corpus.of_text.get(normalize(text), -1) for text in pairs.negatives])

    def others(*without: int) -> np.ndarray:
        # A pair whose negative is a caption of a fold would tell its readers that this text is a negative.
        return np.flatnonzero(~np.isin(reading.folds, without) & ~np.isin(copied, without))

    left_out: list[tuple[int, ...]] = [(fold,) for fold in range(FOLDS)]
    left_out += combinations(range(FOLDS), 2)
    weights = {without: fit_weights(differences[others(*without)]) for without in left_out}
    lengths, scales, models = [], [], []
    for fold in range(FOLDS):
        rows = others(fold)
        learned = np.zeros((len(rows), LEARNED))
        for inner in np.unique(reading.folds[rows]).tolist():
            at = np.flatnonzero(reading.folds[rows] == inner)
            without = tuple(sorted((fold, inner)))
            learned[at] = _learned_features(roles, weights, reading, differences, rows[at], without)
        lengths.append(length_direction(reading.shapes[rows]))
        scales.append(calibrate(learned[:, -1]))
        models.append(fit_boosting(np.hstack([reading.features[rows], learned]), LEARNED))
    readers = Readers(corpus, lengths, table, weights, scales, roles, models, language_model)
    return readers, readers._judge(reading, differences), group_captions(pairs.captions, pairs.image_ids)
