"""Image-text retrieval, in chunks: what hard negatives may cost."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from datasets import Dataset

from ..columns import CAPTION, IMAGE, IMAGE_ID
from ..data.lazy_images import LazyImage, row_images
from ..data.skip_reasons import EMPTY, MISSING
from ..model.encoding import Encoder
from .tasks import Outcome, Skipped, TaskOutcomes, digest


CHUNK = 2**20  # scores at a time, 8 MB in float64
TEXTS = 4096  # of which so many texts
KS = (1, 5, 10)


def _above(
    scores: np.ndarray, belongs: np.ndarray, best: np.ndarray, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How many of others' texts each image has at or above its `best` own one, and each text images at its `own`."""
    return ((scores >= best[:, None]) & ~belongs).sum(axis=1), ((scores >= own) & ~belongs).sum(axis=0)


def _best_own(own: np.ndarray, owner: np.ndarray, images: int) -> np.ndarray:
    """The highest of each image's own scores; -inf where it has no text, so that all others are above."""
    best = np.full(images, -np.inf, dtype=own.dtype)
    np.maximum.at(best, owner, own)
    return best


def recalls(image_rank: np.ndarray, text_rank: np.ndarray, ks: Sequence[int] = KS) -> dict[str, np.ndarray]:
    """Hits within the k best, from ranks (0 is best): "image_to_text_R@k" (I,) and "text_to_image_R@k" (T,)."""
    hits = {f"image_to_text_R@{k}": (image_rank < k).astype(float) for k in ks}
    return hits | {f"text_to_image_R@{k}": (text_rank < k).astype(float) for k in ks}


def retrieval_outcomes(scores: np.ndarray, owner: np.ndarray, ks: Sequence[int] = KS) -> dict[str, np.ndarray]:
    """Which queries find a match among their k best; a tie counts against the match.

    Args:
        scores: (I, T) scores of I images and T captions.
        owner: (T,) the image that each caption describes.
        ks: Cut-offs.

    Returns:
        "image_to_text_R@k": (I,) and "text_to_image_R@k": (T,), 1.0 for a hit, else 0.0.

    Raises:
        ValueError: If the shapes disagree or an owner is no image.

    Examples:
        >>> retrieval_outcomes(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]), ks=(1,))
        {'image_to_text_R@1': array([1., 0.]), 'text_to_image_R@1': array([1., 1.])}
    """
    if scores.ndim != 2 or owner.shape != scores.shape[1:] or not ((owner >= 0) & (owner < len(scores))).all():
        raise ValueError(f"Scores {scores.shape} need one owner below {len(scores)} for each text, got {owner.shape}.")
    belongs = owner[None] == np.arange(len(scores))[:, None]  # (I, T)
    own = scores[owner, np.arange(len(owner))]
    return recalls(*_above(scores, belongs, _best_own(own, owner, len(scores)), own), ks)


def retrieval_ranks(
    images: np.ndarray, texts: np.ndarray, owner: np.ndarray, chunk: int = CHUNK
) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of retrieval without ever holding all scores.

    Scores are computed in float64 and rounded to float32, so that they, and with them ties, do not hang on how the
    images are cut into chunks.

    Args:
        images: (I, D) unit-norm embeddings.
        texts: (T, D).
        owner: (T,) the image that each text describes.
        chunk: How many scores are held at a time.

    Returns:
        For each image, how many texts of others score at least as high as its best own one, (I,); for each text, how
        many other images score at least as high as its own, (T,).
    """
    own = np.empty(len(owner), dtype=np.float32)
    step = max(1, min(chunk, TEXTS))
    parts = [slice(start, min(start + step, len(owner))) for start in range(0, len(owner), step)]
    for part in parts:
        own[part] = np.einsum("td,td->t", images[owner[part]], texts[part], dtype=np.float64)
    best = _best_own(own, owner, len(images))
    image_rank, text_rank = np.zeros(len(images), dtype=np.int64), np.zeros(len(owner), dtype=np.int64)
    step = max(1, chunk // step)
    for part in parts:
        columns = texts[part].astype(np.float64).T
        for start in range(0, len(images), step):
            rows = slice(start, min(start + step, len(images)))
            scores = (images[rows].astype(np.float64) @ columns).astype(np.float32)
            belongs = owner[None, part] == np.arange(rows.start, rows.stop)[:, None]
            of_images, of_texts = _above(scores, belongs, best[rows], own[part])
            image_rank[rows] += of_images
            text_rank[part] += of_texts
    return image_rank, text_rank


@dataclass
class RetrievalTask:
    """Find an image's captions among all captions, and a caption's image among all images.

    Attributes:
        name: Of the task.
        images: The images by their id.
        captions: Each image's captions, by its id.
        group: Label of the results.
        folds: Beside the whole, the mean over so many equal parts (COCO's "1K" is five folds of its 5,000 images).
        skipped: Captions and images that were left out, by group and reason.
    """

    name: str
    images: dict[Any, LazyImage] = field(default_factory=dict)
    captions: dict[Any, list[str]] = field(default_factory=dict)
    group: str = "all"
    folds: int = 1
    skipped: Skipped = field(default_factory=lambda: defaultdict(Counter))

    def add(self, image_id: Any, image: LazyImage | None, captions: Sequence[str | None]) -> None:
        """Add an image and captions of it, or count why they cannot be used."""
        good = [caption for caption in captions if caption and caption.strip()]
        if len(good) < len(captions):
            self.skipped[self.group][EMPTY] += len(captions) - len(good)
        if image is None:
            self.skipped[self.group][MISSING] += 1
        elif good:
            self.images[image_id] = image
            self.captions.setdefault(image_id, []).extend(good)

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.images)

    def fingerprint(self) -> str:
        """Digits that change with the captions and the names of the images."""
        return digest([self.name, self.folds, [i.name for i in self.images.values()], list(self.captions.values())])

    def all_images(self) -> Iterable[LazyImage]:
        """The images that have captions."""
        return self.images.values()

    def select(self, keep: Callable[[str], bool]) -> "RetrievalTask":
        """The images to be kept, with their captions; folds are given up."""
        kept = {key: image for key, image in self.images.items() if keep(image.photo)}
        captions = {key: self.captions[key] for key in kept}
        return RetrievalTask(self.name, kept, captions, self.group, skipped=self.skipped)

    def run(self, encoder: Encoder) -> TaskOutcomes:
        """Rank both ways; images that cannot be read are left out with their captions.

        Raises:
            ValueError: If no image is left.
        """
        if not self.images:
            raise ValueError(f"{self.name}: there are no images with captions. Skipped: {dict(self.skipped)}.")
        embeddings = encoder.images(list(self.images.values()))
        readable = ~np.isnan(embeddings[:, 0])
        skipped = {group: Counter(counts) for group, counts in self.skipped.items()}
        for image in self.images.values():
            if image.key in encoder.problems:
                skipped.setdefault(self.group, Counter())[encoder.problems[image.key]] += 1
        kept = [key for key, good in zip(self.images, readable, strict=True) if good]
        images = embeddings[readable]
        captions = [caption for key in kept for caption in self.captions[key]]
        owner = np.repeat(np.arange(len(kept)), [len(self.captions[key]) for key in kept])
        texts = encoder.texts(captions)
        ranks = [(self.group, *retrieval_ranks(images, texts, owner))]
        if self.folds > 1:
            ranks.append((f"{self.group} in {self.folds} folds", *self._fold_ranks(images, texts, owner)))
        names = [self.images[key].name for key in kept]
        return TaskOutcomes(self._outcomes(ranks, owner), skipped, _rows(names, captions, owner, ranks))

    def _fold_ranks(self, images: np.ndarray, texts: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        image_rank, text_rank = np.empty(len(images), dtype=np.int64), np.empty(len(owner), dtype=np.int64)
        for fold in np.array_split(np.arange(len(images)), self.folds):
            of_fold = (owner >= fold[0]) & (owner <= fold[-1])
            ranks = retrieval_ranks(images[fold], texts[of_fold], owner[of_fold] - fold[0])
            image_rank[fold], text_rank[of_fold] = ranks
        return image_rank, text_rank

    @staticmethod
    def _outcomes(ranks: Sequence[tuple[str, np.ndarray, np.ndarray]], owner: np.ndarray) -> dict[str, Outcome]:
        parts: dict[str, list[tuple[np.ndarray, ...]]] = defaultdict(list)
        images = np.arange(len(ranks[0][1]))
        for group, image_rank, text_rank in ranks:
            for name, values in recalls(image_rank, text_rank).items():
                clusters = images if name.startswith("image") else owner
                parts[name].append((values, np.full(len(values), group), clusters))
        found = {}
        for name, of_name in parts.items():
            values, groups, clusters = (np.concatenate(column) for column in zip(*of_name, strict=True))
            found[name] = Outcome(values, groups, clusters)
        return found


def _rows(
    names: Sequence[str],
    captions: Sequence[str],
    owner: np.ndarray,
    ranks: Sequence[tuple[str, np.ndarray, np.ndarray]],
) -> list[dict[str, Any]]:
    """A row for each query, with its rank; 0 is best."""
    group, image_rank, text_rank = ranks[0]
    rows = [
        {"group": group, "item": f"image {name}", "images": [name], "texts": [], "rank": int(rank)}
        for name, rank in zip(names, image_rank, strict=True)
    ]
    return rows + [
        {"group": group, "item": f"text {i}", "images": [names[owner[i]]], "texts": [text], "rank": int(text_rank[i])}
        for i, text in enumerate(captions)
    ]


def rows_task(name: str, rows: Dataset) -> RetrievalTask:
    """Retrieval among the images and captions of `rows` (`columns.ROW_FEATURES`); rows of one image share it."""
    task = RetrievalTask(name)
    images = row_images(rows, IMAGE)
    first = dict(reversed(list(zip(rows[IMAGE_ID][:], images, strict=True))))
    for image_id, caption in zip(rows[IMAGE_ID], rows[CAPTION], strict=True):
        task.add(image_id, first[image_id], [caption])
    return task
