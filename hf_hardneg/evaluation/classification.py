"""Zero-shot classification, an ability that fine-tuning can make a model forget."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..data.lazy_images import LazyImage
from ..data.skip_reasons import MISSING
from ..finite import require_finite
from .item_scores import number_keys, number_rows
from .outcomes import Outcome
from .tasks import Embedder, Skipped, TaskOutcomes, json_digest


PROMPTS = (
    "a photo of a {}.",
    "a photo of the {}.",
    "a close-up photo of a {}.",
    "a blurry photo of a {}.",
    "a photo of many {}.",
    "a drawing of a {}.",
    "a {} in a picture.",
)
TOP_KS = (1, 5)
BLOCK = 4096  # how many images are scored at a time
UNLABELED = "the image has no label"


@dataclass
class ClassificationTask:
    """Which of C class names fits an image best. A class is embedded as the mean of its prompts.

    The prompts are ensembled as in CLIP (Radford et al. 2021, section 3.1.4, https://arxiv.org/abs/2103.00020).

    Attributes:
        name: The name of the task.
        classes: The C class names.
        images: The images, each with the number of its class.
        templates: Prompts with {} for the class name.
        skipped: How many images were left out, by group and reason.
        about: What was read, where it was chosen among several, such as "split test, label column fine_label".
    """

    name: str
    classes: Sequence[str]
    images: list[tuple[LazyImage, int]] = field(default_factory=list)
    templates: Sequence[str] = PROMPTS
    skipped: Skipped = field(default_factory=lambda: defaultdict(Counter))
    about: str = ""

    def add(self, image: LazyImage | None, label: int | None) -> None:
        """Add an image of class number `label`, or count it as skipped.

        Args:
            image: None for a missing image.
            label: From 0 to C - 1. None or -1 stand for no label, as in test splits whose labels are kept secret.

        Raises:
            ValueError: If there is no such class.
        """
        if label is not None and not -1 <= label < len(self.classes):
            raise ValueError(
                f"{self.name}: an image has the label {label}; the {len(self.classes)} classes are 0 to "
                f"{len(self.classes) - 1}, and -1 is no label."
            )
        if label is None or label < 0:
            self.skipped["all"][UNLABELED] += 1
        elif image is None:
            self.skipped["all"][MISSING] += 1
        else:
            self.images.append((image, label))

    def __len__(self) -> int:
        """The number of images."""
        return len(self.images)

    def fingerprint(self) -> str:
        """Sixteen digits that change with the prompts, the classes and the names of the images."""
        labels = [(image.name, label) for image, label in self.images]
        return json_digest([self.name, list(self.classes), list(self.templates), labels])

    def all_images(self) -> list[LazyImage]:
        """The images to classify."""
        return [image for image, _ in self.images]

    def slots(self) -> tuple[list[LazyImage], list[str]]:
        """The images, and the prompts class by class, as a file of embeddings has them."""
        return self.all_images(), self._prompts()

    def select(self, keep: Callable[[str], bool]) -> "ClassificationTask":
        """A task of the images that show a photo that `keep` accepts by its name."""
        return replace(self, images=[(image, label) for image, label in self.images if keep(image.photo)])

    def run(self, encoder: Embedder) -> TaskOutcomes:
        """Classify every image. Images that cannot be read are skipped.

        Returns:
            The scores "top1" and, with more than five classes, "top5". A tie counts against the right class.

        Raises:
            ValueError: If there are fewer than two classes or no image.
        """
        if len(self.classes) < 2 or not self.images:
            raise ValueError(
                f"{self.name} has {len(self.classes)} classes and {len(self.images)} images; it needs two classes and "
                "one image or more."
            )
        embeddings = encoder.images([image for image, _ in self.images])
        readable = np.array([image.key not in encoder.problems for image, _ in self.images])
        skipped = {group: Counter(counts) for group, counts in self.skipped.items()}
        for image, _ in self.images:
            if image.key in encoder.problems:
                skipped.setdefault("all", Counter())[encoder.problems[image.key]] += 1
        kept = [pair for pair, is_readable in zip(self.images, readable, strict=True) if is_readable]
        labels = np.array([label for _, label in kept])
        classes, numbers = self._class_embeddings(encoder)
        ranks, best = _rank_classes(embeddings[readable], labels, classes, numbers)
        clusters = number_keys(image.photo for image, _ in kept)
        group = np.full(len(kept), "all")
        ks = [k for k in TOP_KS if k < len(self.classes)]
        scores = {f"top{k}": Outcome((ranks < k).astype(float), group, clusters, k / len(self.classes)) for k in ks}
        identical = int((np.bincount(numbers)[numbers[labels]] > 1).sum())
        return TaskOutcomes(scores, skipped, self._item_rows(kept, ranks, best), identical)

    def _prompts(self) -> list[str]:
        return [template.format(name) for name in self.classes for template in self.templates]

    def _class_embeddings(self, encoder: Embedder) -> tuple[np.ndarray, np.ndarray]:
        """Unit-norm embeddings of the U classes whose prompts differ, (U, D), and the row of each class, (C,)."""
        embedded = encoder.texts(self._prompts()).reshape(len(self.classes), len(self.templates), -1)
        numbers = number_rows(embedded.reshape(len(self.classes), -1))
        _, first = np.unique(numbers, return_index=True)
        means = embedded[first].mean(axis=1)
        return means / np.linalg.norm(means, axis=1, keepdims=True), numbers

    def _item_rows(
        self, kept: Sequence[tuple[LazyImage, int]], ranks: np.ndarray, best: np.ndarray
    ) -> list[dict[str, Any]]:
        return [
            {
                "group": "all",
                "item": image.name,
                "images": [image.name],
                "texts": [self.classes[label], self.classes[guess]],
                "rank": int(rank),
            }
            for (image, label), rank, guess in zip(kept, ranks.tolist(), best.tolist(), strict=True)
        ]


def _rank_classes(
    images: np.ndarray, labels: np.ndarray, classes: np.ndarray, numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How many wrong classes score at least as high as the right one, (N,), and the best class, (N,).

    Args:
        images: Unit-norm embeddings, (N, D).
        labels: The class of each image, (N,).
        classes: Unit-norm embeddings of the classes whose prompts differ, (U, D).
        numbers: The row of `classes` for each class, (C,).
    """
    ranks, best = [], []
    for start in range(0, len(images), BLOCK):
        part = slice(start, start + BLOCK)
        scores = (images[part].astype(np.float64) @ classes.T.astype(np.float64)).astype(np.float32)[:, numbers]
        require_finite(scores, "scores")
        label_scores = scores[np.arange(len(scores)), labels[part]]
        ranks.append((scores >= label_scores[:, None]).sum(axis=1) - 1)
        best.append(scores.argmax(axis=1))
    return np.concatenate(ranks), np.concatenate(best)
