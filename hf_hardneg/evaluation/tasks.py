"""The one form of all benchmarks of choices: images, texts, which belong together, and a group label."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from ..data.lazy_images import LazyImage
from ..data.skip_reasons import EMPTY, MISSING
from ..model.encoding import Encoder
from .choice_scores import choice_chance, choice_outcomes


NO_FALSE_TEXT = "the item has no false text"
PAIR = np.eye(2, dtype=bool)
"""Two images, two texts: image i and text i belong together."""
ONE_TRUE_TEXT = np.array([[True, False]])
TWO_TRUE_TEXTS = np.array([[True, True, False]])
ONE_TRUE_IMAGE = np.array([[True], [False]])

Skipped = dict[str, Counter[str]]
"""group -> reason -> how many items were left out."""


@dataclass(frozen=True)
class Outcome:
    """What one score says of each of N items.

    Attributes:
        values: (N,), or (S, N) of S training seeds on the same items, in [0, 1].
        groups: (N,) the concept or subset of each item.
        clusters: (N,) int, equal for items that show the same photo: intervals draw them together.
        chance: The value to be expected of random scores, or None where it is not known.
    """

    values: np.ndarray
    groups: np.ndarray
    clusters: np.ndarray
    chance: float | None = None


@dataclass
class TaskOutcomes:
    """What a model did on a task.

    Attributes:
        scores: By score name.
        skipped: Items that were left out, by group and reason.
        items: One row for each item, for reports: group, item, images, texts, and
            scores and outcomes, or a rank.
    """

    scores: dict[str, Outcome]
    skipped: Skipped
    items: list[dict[str, Any]] = field(default_factory=list)


class Task(Protocol):
    """What can be run on a model: choices, retrieval, or classification."""

    name: str

    def __len__(self) -> int:
        """How many items, or images of retrieval and classification, there are."""

    def run(self, encoder: Encoder) -> TaskOutcomes:
        """Score a model."""

    def select(self, keep: Callable[[str], bool]) -> "Task":
        """The items whose first image's photo is to be kept; what was skipped is not divided."""

    def fingerprint(self) -> str:
        """Digits that change with the texts, the items and the names of the images."""

    def all_images(self) -> Iterable[LazyImage]:
        """The images, for reports."""


def digest(parts: Iterable[Any]) -> str:
    """Sixteen hexadecimal digits of anything that JSON can spell."""
    return hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()[:16]


def number(keys: Iterable[Any]) -> np.ndarray:
    """Equal numbers for equal keys, from 0 in the order in which they come.

    Examples:
        >>> number("aba").tolist()
        [0, 1, 0]
    """
    places: dict[Any, int] = {}
    return np.array([places.setdefault(key, len(places)) for key in keys], dtype=np.int64)


@dataclass
class ChoiceTask:
    """Choices between texts and between images, all of one form (see `choices`).

    Build it by `add`: it keeps each distinct image and text once and counts what cannot be used.

    Attributes:
        name: Of the task.
        belongs: (n, m) bool, which of an item's texts are true of which of its images. Items may have fewer texts than
            m where the last ones are true of none.
        images: The distinct images, by key.
        texts: The distinct texts, by number.
        item_images: n keys an item.
        item_texts: Up to m numbers an item.
        groups: A label an item.
        items: A name an item, for reports.
        skipped: Items that were left out, by group and reason.
    """

    name: str
    belongs: np.ndarray
    images: dict[Any, LazyImage] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)
    item_images: list[tuple[Any, ...]] = field(default_factory=list)
    item_texts: list[tuple[int, ...]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    skipped: Skipped = field(default_factory=lambda: defaultdict(Counter))

    def add(
        self, group: str, item: str, images: Sequence[LazyImage | None], texts: Sequence[str | None]
    ) -> str | None:
        """Add an item, or count why it cannot be used; return that reason.

        Args:
            group: Its concept or subset.
            item: Its name.
            images: n of them; None is a missing one.
            texts: As many as there are, at most m; None and blank are empty.
        """
        present = [image for image in images if image is not None]
        reason = MISSING if len(present) < len(images) else self._problem(present, texts)
        if reason:
            self.skipped[group][reason] += 1
            return reason
        for image in present:
            self.images.setdefault(image.key, image)
        self.item_images.append(tuple(image.key for image in present))
        self.item_texts.append(tuple(self.texts.setdefault(str(text), len(self.texts)) for text in texts))
        self.groups.append(group)
        self.items.append(item)
        return None

    def _problem(self, images: Sequence[LazyImage], texts: Sequence[str | None]) -> str | None:
        n, m = self.belongs.shape
        own = self.belongs[:, : len(texts)]
        if len(images) != n or not 0 < len(texts) <= m or self.belongs[:, len(texts) :].any():
            raise ValueError(f"{self.name}: an item has {len(images)} images and {len(texts)} texts, not {n} and {m}.")
        if not all(text and text.strip() for text in texts):
            return EMPTY
        if m > 1 and own.all():
            return NO_FALSE_TEXT
        return None

    def __len__(self) -> int:
        """How many items there are."""
        return len(self.items)

    def check(self, where: str) -> "ChoiceTask":
        """Itself, if it has items; raises a ValueError with what was skipped and `where` the data comes from."""
        if not self.items:
            reasons: Counter[str] = sum(self.skipped.values(), Counter())
            raise ValueError(f"{self.name} has no item that can be used. Skipped: {dict(reasons)}. {where}")
        return self

    def fingerprint(self) -> str:
        """Digits that change with the texts, the items and the names of the images."""
        names = [[self.images[key].name for key in keys] for keys in self.item_images]
        return digest([self.name, list(self.texts), names, self.item_texts, self.groups])

    def all_images(self) -> Iterable[LazyImage]:
        """The distinct images."""
        return self.images.values()

    def select(self, keep: Callable[[str], bool]) -> "ChoiceTask":
        """The items whose first image's photo is to be kept; what was skipped is not divided."""
        kept = [i for i, keys in enumerate(self.item_images) if keep(self.images[keys[0]].photo)]
        return replace(
            self,
            item_images=[self.item_images[i] for i in kept],
            item_texts=[self.item_texts[i] for i in kept],
            groups=[self.groups[i] for i in kept],
            items=[self.items[i] for i in kept],
        )

    def run(self, encoder: Encoder) -> TaskOutcomes:
        """Encode each image and text once and let the model choose; items with an unreadable image are skipped.

        Raises:
            ValueError: If no item is left.
        """
        self.check("Nothing was left to score.")
        used = dict.fromkeys(key for keys in self.item_images for key in keys)
        images = encoder.images([self.images[key] for key in used])
        place = {key: i for i, key in enumerate(used)}
        skipped = {group: Counter(counts) for group, counts in self.skipped.items()}
        kept = []
        for i, keys in enumerate(self.item_images):
            problem = next((encoder.problems[self.images[key].key] for key in keys if key in encoder.problems), None)
            if problem:
                skipped.setdefault(self.groups[i], Counter())[problem] += 1
            else:
                kept.append(i)
        if not kept:
            raise ValueError(f"{self.name}: none of {len(self)} items has images that can be read: {skipped}.")
        texts = encoder.texts(list(self.texts))
        image_index = np.array([[place[key] for key in self.item_images[i]] for i in kept])
        m = self.belongs.shape[1]
        text_index = np.array([[*self.item_texts[i], *[-1] * (m - len(self.item_texts[i]))] for i in kept])
        scores = score_items(images, texts, image_index, text_index)
        alike = None
        if len(self.belongs) == 1 and self.belongs.sum() > 1:
            alike = score_items(texts, texts, text_index, text_index)
        outcomes = choice_outcomes(scores, self.belongs, alike)
        groups = np.array([self.groups[i] for i in kept])
        clusters = number(self.images[self.item_images[i][0]].photo for i in kept)
        chance = self._chance(kept)
        found = {name: Outcome(v, groups, clusters, chance.get(name)) for name, v in outcomes.items()}
        return TaskOutcomes(found, skipped, self._rows(kept, scores, outcomes))

    def _chance(self, kept: Sequence[int]) -> dict[str, float]:
        """Mean over items, which may have different numbers of false texts."""
        counts = Counter(len(self.item_texts[i]) for i in kept)
        means: Counter[str] = Counter()
        for texts, count in counts.items():
            for name, value in choice_chance(self.belongs[:, :texts]).items():
                means[name] += value * count / len(kept)  # type: ignore[assignment]
        return dict(means)

    def _rows(
        self, kept: Sequence[int], scores: np.ndarray, outcomes: Mapping[str, np.ndarray]
    ) -> list[dict[str, Any]]:
        names = list(self.texts)
        return [
            {
                "group": self.groups[i],
                "item": self.items[i],
                "images": [self.images[key].name for key in self.item_images[i]],
                "texts": [names[text] for text in self.item_texts[i]],
                "scores": scores[row, :, : len(self.item_texts[i])].ravel().tolist(),
                "outcomes": {name: float(values[row]) for name, values in outcomes.items()},
            }
            for row, i in enumerate(kept)
        ]


def score_items(
    first: np.ndarray, second: np.ndarray, first_index: np.ndarray, second_index: np.ndarray, block: int = 4096
) -> np.ndarray:
    """Cosines (N, n, m) of the unit vectors `first[first_index]` and `second[second_index]`, items in blocks.

    In float64 and rounded to float32, so that equal embeddings tie whatever the order of the sum.

    Args:
        first: (I, D).
        second: (T, D).
        first_index: (N, n) rows of `first`.
        second_index: (N, m) rows of `second`; below 0 there is none, and the score is nan.
        block: Items whose embeddings are held at a time.
    """
    scores = np.empty((*first_index.shape, second_index.shape[1]), dtype=np.float32)
    for start in range(0, len(scores), block):
        part = slice(start, start + block)
        pair = first[first_index[part]], second[second_index[part]]
        scores[part] = np.einsum("nid,njd->nij", *pair, dtype=np.float64)
    scores[np.broadcast_to(second_index[:, None] < 0, scores.shape)] = np.nan
    return scores
