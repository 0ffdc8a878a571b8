"""Tasks, which a model is run on. `ChoiceTask` holds each benchmark in which a model chooses a text or an image."""

import hashlib
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from ..data.lazy_images import LazyImage
from ..data.skip_reasons import EMPTY, MISSING
from .choice_scores import choice_chance, choice_outcomes
from .item_scores import has_identical, number_keys, number_rows, score_items
from .outcomes import Outcome
from .wrong_image import control_outcomes, wrong_items


logger = logging.getLogger(__name__)

NO_FALSE_TEXT = "the item has no false text"
PAIR = np.eye(2, dtype=bool)
"""Two images and two texts; image i and text i belong together."""
ONE_TRUE_TEXT = np.array([[True, False]])
TWO_TRUE_TEXTS = np.array([[True, True, False]])
ONE_TRUE_IMAGE = np.array([[True], [False]])

Skipped = dict[str, Counter[str]]
"""group -> reason -> how many items were left out."""


@dataclass
class TaskOutcomes:
    """The outcomes of a model on a task.

    Attributes:
        scores: Outcomes by score name.
        skipped: How many items were left out, by group and reason.
        items: One row for each item, for the report: group, item, images, texts, and scores and outcomes, or a rank.
        identical: How many items have a wrong answer that the model cannot tell from a right one: a text of the same
            token ids, or an image of the same pixels. They count as wrong.
    """

    scores: dict[str, Outcome]
    skipped: Skipped
    items: list[dict[str, Any]] = field(default_factory=list)
    identical: int = 0


class Embedder(Protocol):
    """What embeds the images and texts of a task: `model.encoding.Encoder`, or a file of embeddings.

    Attributes:
        problems: Why an image could not be embedded, by the image's key.
    """

    problems: dict[Hashable, str]

    def images(self, images: Sequence[LazyImage]) -> np.ndarray:
        """Embed N images: unit-norm rows (N, D) in float32."""

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embed N texts: unit-norm rows (N, D) in float32."""


class Task(Protocol):
    """What a model can be run on: choices, retrieval, or classification.

    `ChoiceTask`, `retrieval.RetrievalTask` and `classification.ClassificationTask` are the three kinds.
    """

    name: str
    about: str

    def __len__(self) -> int:
        """The number of items, or of images in retrieval and classification."""

    def run(self, encoder: Embedder) -> TaskOutcomes:
        """Score a model. Items whose image cannot be read are left out and counted."""

    def select(self, keep: Callable[[str], bool]) -> "Task":
        """A task of the items whose first image shows a photo that `keep` accepts by its name.

        The counts of skipped items stay those of the whole task.
        """

    def fingerprint(self) -> str:
        """Sixteen digits that change with the texts, the items and the names of the images."""

    def all_images(self) -> Iterable[LazyImage]:
        """The images, for the report."""

    def slots(self) -> tuple[list[LazyImage], list[str]]:
        """The images and texts in the order in which a file of embeddings has them, with repetitions."""


def json_digest(parts: Iterable[Any]) -> str:
    """Sixteen hexadecimal digits of a SHA-256, of anything that JSON can write.

    Examples:
        >>> json_digest(["a", 1]) == json_digest(["a", 1]) != json_digest(["a", 2])
        True
    """
    return hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()[:16]


@dataclass
class ChoiceTask:
    """Choices between texts and between images. Every item has n images and m texts (see `choice_scores`).

    Fill it with `add`. It keeps each distinct image and text once, and counts the items that cannot be used.

    Attributes:
        name: The name of the task.
        belongs: (n, m) bool, which of an item's texts are true of which of its images. An item may lack its last texts
            if those are true of no image.
        images: The distinct images, by key.
        texts: The number of each distinct text.
        item_images: For each item the keys of its n images.
        item_texts: For each item the numbers of its texts, at most m.
        groups: For each item its concept or subset.
        items: For each item its name, for the report.
        skipped: How many items were left out, by group and reason.
        about: What was read, where it was chosen among several, such as "split test". Empty for nothing to say.

    Examples:
        >>> task = ChoiceTask("mine", ONE_TRUE_TEXT)
        >>> reason = task.add("color", "item 1", [None], ["a red car", "a blue car"])  # None: the image is missing
        >>> len(task), task.skipped["color"][reason]
        (0, 1)
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
    about: str = ""

    def add(
        self, group: str, item: str, images: Sequence[LazyImage | None], texts: Sequence[str | None]
    ) -> str | None:
        """Add an item, or count it as skipped if it cannot be used.

        Args:
            group: The concept or subset of the item.
            item: The name of the item.
            images: Its n images; None for a missing one.
            texts: Its texts, at most m; None or blank for an empty one.

        Returns:
            Why the item was skipped, or None if it was added.

        Raises:
            ValueError: If the numbers of images and texts do not fit `belongs`, or a text is something else.
        """
        present = [image for image in images if image is not None]
        reason = MISSING if len(present) < len(images) else self._problem(item, present, texts)
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

    def _problem(self, item: str, images: Sequence[LazyImage], texts: Sequence[str | None]) -> str | None:
        n, m = self.belongs.shape
        belongs = self.belongs[:, : len(texts)]
        if len(images) != n or not 0 < len(texts) <= m or self.belongs[:, len(texts) :].any():
            raise ValueError(f"{self.name}: an item has {len(images)} images and {len(texts)} texts, not {n} and {m}.")
        wrong = next((text for text in texts if text is not None and not isinstance(text, str)), None)
        if wrong is not None:
            raise ValueError(f"{self.name}: item {item} has the text {wrong!r}, which must be a string.")
        if not all(text and text.strip() for text in texts):
            return EMPTY
        if m > 1 and belongs.all():
            return NO_FALSE_TEXT
        return None

    def __len__(self) -> int:
        """The number of items."""
        return len(self.items)

    def require_items(self, advice: str) -> "ChoiceTask":
        """Return the task if it has items.

        Args:
            advice: A sentence for the error, such as where the images are looked for.

        Raises:
            ValueError: If there is no item; the message says how many were skipped and why.
        """
        if not self.items:
            reasons: Counter[str] = sum(self.skipped.values(), Counter())
            listed = ", ".join(f"{count} ({reason})" for reason, count in reasons.items()) or "none"
            raise ValueError(f"{self.name} has no item that can be used. Skipped items: {listed}. {advice}")
        return self

    def fingerprint(self) -> str:
        """Sixteen digits that change with the texts, the items and the names of the images."""
        names = [[self.images[key].name for key in keys] for keys in self.item_images]
        return json_digest([self.name, list(self.texts), names, self.item_texts, self.groups])

    def all_images(self) -> Iterable[LazyImage]:
        """The distinct images."""
        return self.images.values()

    def slots(self) -> tuple[list[LazyImage], list[str]]:
        """The images and the texts of all items, item by item, as a file of embeddings has them."""
        texts = list(self.texts)
        images = [self.images[key] for keys in self.item_images for key in keys]
        return images, [texts[number] for numbers in self.item_texts for number in numbers]

    def select(self, keep: Callable[[str], bool]) -> "ChoiceTask":
        """A task of the items whose first image shows a photo that `keep` accepts; `skipped` stays as it is."""
        kept = [i for i, keys in enumerate(self.item_images) if keep(self.images[keys[0]].photo)]
        return replace(
            self,
            item_images=[self.item_images[i] for i in kept],
            item_texts=[self.item_texts[i] for i in kept],
            groups=[self.groups[i] for i in kept],
            items=[self.items[i] for i in kept],
        )

    def run(self, encoder: Embedder) -> TaskOutcomes:
        """Encode each image and text once and let the model choose. Items with an unreadable image are skipped.

        Returns:
            The outcomes that `choice_scores.choice_outcomes` names, with `choice_scores.choice_chance` as chance.

        Raises:
            ValueError: If no item is left.
        """
        self.require_items("There is nothing to score.")
        used = dict.fromkeys(key for keys in self.item_images for key in keys)
        images = encoder.images([self.images[key] for key in used])
        rows = {key: row for row, key in enumerate(used)}
        kept, skipped = self._drop_unreadable(encoder)
        texts = encoder.texts(list(self.texts))
        image_index = np.array([[rows[key] for key in self.item_images[i]] for i in kept])
        text_index, present = self._text_index(kept)
        scores = score_items(images, texts, image_index, text_index)
        text_scores = None
        if len(self.belongs) == 1 and self.belongs.sum() > 1:
            text_scores = score_items(texts, texts, text_index, text_index)
            text_scores = np.maximum(text_scores, text_scores.transpose(0, 2, 1))  # a with b is b with a
        choices = choice_outcomes(scores, self.belongs, text_scores, present)
        identical = has_identical(number_rows(texts)[text_index], self.belongs, present) | has_identical(
            number_rows(images)[image_index], self.belongs.T
        )
        groups = np.array([self.groups[i] for i in kept])
        clusters = number_keys(self.images[self.item_images[i][0]].photo for i in kept)
        chance = self._chance(kept)
        outcomes = {name: Outcome(values, groups, clusters, chance.get(name)) for name, values in choices.items()}
        if 1 in self.belongs.shape and self.belongs.size > 1:
            outcomes |= self._controls(outcomes, images, texts, image_index, text_index, present)
        return TaskOutcomes(outcomes, skipped, self._item_rows(kept, scores, choices), int(identical.sum()))

    def _controls(
        self,
        outcomes: Mapping[str, Outcome],
        images: np.ndarray,
        texts: np.ndarray,
        image_index: np.ndarray,
        text_index: np.ndarray,
        present: np.ndarray,
    ) -> dict[str, Outcome]:
        """The wrong-image control of each score, or for one text and several images the wrong-text control."""
        wrong = wrong_items(next(iter(outcomes.values())).clusters)
        if not wrong.size:
            logger.warning(f"{self.name}: all items show one photo, so no score with the wrong image can be given.")
            return {}
        if len(self.belongs) == 1:
            scores = score_items(images, texts, image_index[wrong, 0], text_index)
        else:
            scores = score_items(texts, images, text_index[wrong, 0], image_index)
        return control_outcomes(outcomes, scores, self.belongs, present)

    def _text_index(self, kept: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the texts of the items, and which of them there are, both (N, m); 0 for an absent text."""
        present = np.arange(self.belongs.shape[1]) < np.array([[len(self.item_texts[i])] for i in kept])
        index = np.zeros(present.shape, dtype=np.int64)
        index[present] = [text for i in kept for text in self.item_texts[i]]
        return index, present

    def _drop_unreadable(self, encoder: Embedder) -> tuple[list[int], Skipped]:
        """The items whose images were all encoded, and the counts of skipped items with the others."""
        kept, skipped = [], {group: Counter(counts) for group, counts in self.skipped.items()}
        for i, keys in enumerate(self.item_images):
            problem = next((encoder.problems[self.images[key].key] for key in keys if key in encoder.problems), None)
            if problem:
                skipped.setdefault(self.groups[i], Counter())[problem] += 1
            else:
                kept.append(i)
        if not kept:
            raise ValueError(f"{self.name}: none of {len(self)} items has images that can be read: {skipped}.")
        return kept, skipped

    def _chance(self, kept: Sequence[int]) -> dict[str, float]:
        """The mean chance of the items, which may have different numbers of false texts."""
        counts = Counter(len(self.item_texts[i]) for i in kept)
        means: Counter[str] = Counter()
        for texts, count in counts.items():
            for name, value in choice_chance(self.belongs[:, :texts]).items():
                means[name] += value * count / len(kept)  # type: ignore[assignment]
        return dict(means)

    def _item_rows(
        self, kept: Sequence[int], scores: np.ndarray, outcomes: Mapping[str, np.ndarray]
    ) -> list[dict[str, Any]]:
        all_texts = list(self.texts)
        return [
            {
                "group": self.groups[i],
                "item": self.items[i],
                "images": [self.images[key].name for key in self.item_images[i]],
                "texts": [all_texts[text] for text in self.item_texts[i]],
                "scores": scores[row, :, : len(self.item_texts[i])].ravel().tolist(),
                "outcomes": {name: float(values[row]) for name, values in outcomes.items()},
            }
            for row, i in enumerate(kept)
        ]
