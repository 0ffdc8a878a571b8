"""The slot model: how likely each word of a class is in a slot, given the rest of its caption.

Input are the slots of captions: words that another form of the same class could replace. For each class a multinomial
logistic regression reads all words of the caption but the slot's own. It is fitted on the user's own captions, once
for each fold of the images, so that a caption is scored by a model that has not seen its image.

Then negatives are drawn on trial, and readers learn to tell them: what the truth filter leaves over is not balanced,
since it rejects words that other captions of the image mention. The readers' log-odds become part of the model, so
that the next negatives are balanced under them, too.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..lexicon.index import LexiconIndex
from ..ragged import Ragged
from .balance import balanced_rates
from .class_weights import ClassWeights
from .image_company import ImageCompany, log_excess
from .slot_examples import SlotExamples, TiedForms
from .slot_features import FOLDS, folds_of
from .slot_model_files import describe, read_model, write_model
from .word_regression import fit_pairs, fit_words, log_softmax


if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

PRIOR = 0.2  # added to the count of each form
LEAST_COUNT = 3  # examples that a feature needs
ROUNDS = 2  # in which readers learn to tell trial negatives; after two, they tell hardly more than chance
LEAST_PAIRS = 200  # pairs of a concept from which readers learn
_READ = 8  # scores of a form: the regression, five of its company, its frequency, its familiarity


@dataclass(frozen=True)
class SlotModel:
    """How likely each form of a class is in a slot: p(form | rest of the caption).

    `fit_slot_model` makes one, `save` and `load` keep it in a folder, and `add` fits it anew with further examples. V
    is the number of forms of a class.

    Attributes:
        examples: What it was fitted on.
        weights: For each class what the model knows.

    Examples:
        >>> from hf_hardneg.negatives.add_negatives import fit_slot_model
        >>> from hf_hardneg.lexicon.index import load_index
        >>> rows = {"caption": ["a red car", "a blue car"], "other_captions": [[], []], "categories": [[], []]}
        >>> model = fit_slot_model([rows], concepts=("color",))
        >>> totals = dict(zip(load_index(("color",)).classes[0].forms, model.totals[0].tolist(), strict=True))
        >>> totals["red"], totals["blue"], totals["green"]
        (1, 1, 0)
    """

    examples: SlotExamples
    weights: list[ClassWeights]

    @classmethod
    @lru_cache
    def empty(cls, index: LexiconIndex) -> "SlotModel":
        """A model without examples: all forms of a class are equally likely."""
        return cls.fit(SlotExamples.empty(index), index)

    @classmethod
    def fit(cls, examples: SlotExamples, index: LexiconIndex) -> "SlotModel":
        """Fit a model. Its numbers depend on the examples alone and not on the order in which they were joined."""
        company = ImageCompany(examples.image, examples.image_words)
        tied = TiedForms(examples)
        classes = [_Fitting(c, of_class.forms, examples, company, tied) for c, of_class in enumerate(index.classes)]
        for turn in range(ROUNDS):
            for concept in index.lexicon.concepts:
                members = [one for one in classes if index.classes[one.class_id].concept == concept]
                _learn_to_read(members, index, turn)
        return cls(examples, [one.weights for one in classes])

    @property
    def totals(self) -> list[np.ndarray]:
        """For each class, (V,): how often each form was seen."""
        return self.examples.totals

    def add(self, others: Iterable[SlotExamples], index: LexiconIndex) -> "SlotModel":
        """Fit a model on the examples of this one and others; their order does not matter."""
        return SlotModel.fit(self.examples.join(others), index)

    def probabilities(self, class_id: int, features: Ragged, fold: np.ndarray) -> np.ndarray:
        """p(form | rest of the caption) of N slots of one class.

        Args:
            class_id: The class.
            features: N bags, see `slot_features`.
            fold: (N,) fold of each slot's image; the model of that fold has not seen the image.

        Returns:
            (N, V) float64, rows sum to 1. Forms that no caption uses get 0. If the class was never seen, all forms are
            alike.
        """
        scores = self.weights[class_id].scores(features, fold).astype(np.float64)
        seen = self.totals[class_id] > 0
        if seen.any():
            scores[:, ~seen] = -np.inf
        return np.exp(log_softmax(scores))

    @cached_property
    def tied_forms(self) -> TiedForms:
        """Which forms fit slots that are tied to their neighbors."""
        return TiedForms(self.examples)

    def save(self, folder: str | Path, index: LexiconIndex) -> None:
        """Write `slot_model.npz` (the numbers) and `slot_model.json` (the forms of each class, which `load` compares).

        Raises:
            OSError: If the folder cannot be written.
        """
        write_model(Path(folder), self.examples, self.weights, describe(index))

    @classmethod
    def load(cls, folder: str | Path, index: LexiconIndex) -> "SlotModel":
        """Read a model that `save` wrote.

        Args:
            folder: Holds slot_model.npz and slot_model.json.
            index: The vocabulary that the model was fitted with.

        Raises:
            ValueError: If the folder holds no model, or one of another vocabulary or version.
        """
        return cls(*read_model(Path(folder), describe(index)))


class _Fitting:
    """The examples of one class while its weights are fitted."""

    def __init__(
        self, class_id: int, forms: list[str], examples: SlotExamples, company: ImageCompany, tied: TiedForms
    ) -> None:
        rows = examples.of(class_id)
        self.class_id, self.totals = class_id, examples.totals[class_id]
        self.form, self.fold = examples.form[rows], folds_of(examples.image[rows])
        self.features = examples.features.take(rows)
        size = len(forms)
        self.fits = np.unpackbits(examples.fits[rows], axis=1, bitorder="little")[:, :size].view(bool)
        self.fits = self.fits & tied.fits(class_id, size, self.form, examples.ties[rows], examples.tied_to[rows])
        keys, counts = np.unique(self.features.values, return_counts=True)
        keys = keys[counts >= LEAST_COUNT]
        self.frequency = np.stack([self._frequency(fold) for fold in range(FOLDS)])
        blank = ClassWeights(keys, np.zeros((FOLDS, len(keys), size), np.float16), 0 * self.frequency)
        matrix = blank.matrix(self.features)
        fitted = np.stack([self._fit(matrix, fold) for fold in range(FOLDS)])
        of_images = company.score(keys, examples.image[rows], self.form, forms)
        of_captions = np.stack([self._company(matrix, fold) for fold in range(FOLDS)])
        is_word = np.isin(keys, company.words)[:, None]
        self.weights = ClassWeights(keys, fitted, self.frequency)
        # Scores that readers read, each a sum over the caption's words.
        self.sums = [self.weights, *(blank._replace(coefficients=scores) for scores in of_images)]
        self.sums += [blank._replace(coefficients=of_captions * mask) for mask in (is_word, ~is_word)]
        read = [scores.scores(self.features, self.fold) for scores in self.sums]
        self.read = np.stack([*read, self.frequency[self.fold]], -1)

    def _frequency(self, fold: int) -> np.ndarray:
        """(V,): log-frequency of each form in the other folds."""
        counts = np.bincount(self.form[self.fold != fold], minlength=len(self.totals)) + PRIOR
        return np.log(counts / counts.sum()).astype(np.float32)

    def _fit(self, matrix: "csr_matrix", fold: int) -> np.ndarray:
        """(P, V) coefficients of the regression."""
        others = np.flatnonzero(self.fold != fold)
        return fit_words(matrix[others], self.form[others], self._frequency(fold)).astype(np.float16)

    def _company(self, matrix: "csr_matrix", fold: int) -> np.ndarray:
        """(P, V): how much more often than by chance a caption has a feature with a form, as logarithms."""
        others = np.flatnonzero(self.fold != fold)
        has_form = np.zeros((len(others), len(self.totals)), np.float32)
        has_form[np.arange(len(others)), self.form[others]] = 1
        return log_excess(matrix[others], has_form).astype(np.float16)

    def draw(self, opposed: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw trial negatives: rows of this class and their new forms."""
        if not len(self.form):
            return self.form, self.form
        p = np.exp(log_softmax(self.weights.scores(self.features, self.fold).astype(np.float64)))
        p[:, self.totals == 0] = 0
        rate = balanced_rates(p * self.fits, self.form, opposed, np.ones(len(p)), 1.0).rate
        reached = rate.cumsum(-1)
        point = rng.random(len(p))
        rows = np.flatnonzero(point < reached[:, -1])
        return rows, (point[rows, None] < reached[rows]).argmax(-1)

    def familiarity(self, rows: np.ndarray, new: np.ndarray) -> np.ndarray:
        """(K, V): how much more often a form was in captions than in trial negatives of the other folds."""
        size = len(self.totals)
        found = []
        for fold in range(FOLDS):
            others = self.fold[rows] != fold
            as_caption = np.bincount(self.form[rows][others], minlength=size)
            found.append(np.log((as_caption + 2) / (np.bincount(new[others], minlength=size) + 2)))
        return np.stack(found).astype(np.float32)

    def apply(self, coefficients: np.ndarray, familiarity: np.ndarray) -> None:
        """Add the readers' log-odds, whose coefficients are (K, `_READ`), to the weights."""
        *of_sums, of_frequency, of_familiarity = coefficients.T.astype(np.float32)[:, :, None]
        added = of_frequency * self.frequency + of_familiarity * familiarity
        words = self.weights.coefficients.astype(np.float32)
        for weight, scores in zip(of_sums, self.sums, strict=True):
            added = added + weight * scores.intercepts
            words += weight[:, :, None] * scores.coefficients
        self.weights = self.weights._replace(
            coefficients=words.astype(np.float16), intercepts=self.weights.intercepts + added
        )


def _learn_to_read(classes: list[_Fitting], index: LexiconIndex, turn: int) -> None:
    """Draw trial negatives of one concept, learn to tell them, and make the odds a part of the weights."""
    differences, folds, familiar = [np.empty((0, _READ))], [np.empty(0, np.int64)], []
    for one in classes:
        rng = np.random.default_rng([one.class_id, turn])
        rows, new = one.draw(index.classes[one.class_id].opposed, rng)
        known = one.familiarity(rows, new)
        familiar.append(known)
        old, fold = one.form[rows], one.fold[rows]
        read = one.read[rows, old] - one.read[rows, new]
        differences.append(np.column_stack([read, known[fold, old] - known[fold, new]]))
        folds.append(fold)
    pairs, fold = np.concatenate(differences), np.concatenate(folds)
    if len(pairs) >= LEAST_PAIRS:
        coefficients = np.stack([fit_pairs(pairs[fold != k]) for k in range(FOLDS)])
        for one, known in zip(classes, familiar, strict=True):
            one.apply(coefficients, known)
