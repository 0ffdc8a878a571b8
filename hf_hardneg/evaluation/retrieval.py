"""Image-text retrieval, which training on hard negatives can make worse. Scores are computed in chunks."""

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
from .tasks import Outcome, Skipped, TaskOutcomes, json_digest


CHUNK = 2**20  # how many scores are held at a time, 8 MB in float64
TEXTS = 4096  # how many texts a chunk has at most
KS = (1, 5, 10)


def _count_above(
    scores: np.ndarray, belongs: np.ndarray, best_match: np.ndarray, match: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Wrong texts score at or above each image's best match (I,), wrong images at or above each text's (T,)."""
    above_image = ((scores >= best_match[:, None]) & ~belongs).sum(axis=1)
    return above_image, ((scores >= match) & ~belongs).sum(axis=0)


def _best_match(match: np.ndarray, owner: np.ndarray, images: int) -> np.ndarray:
    """The highest score of each image with one of its texts (I,); -inf without a text, so that any other is above."""
    best = np.full(images, -np.inf, dtype=match.dtype)
    np.maximum.at(best, owner, match)
    return best


def recalls(image_rank: np.ndarray, text_rank: np.ndarray, ks: Sequence[int] = KS) -> dict[str, np.ndarray]:
    """Turn ranks into hits among the k best.

    Args:
        image_rank: The rank of each image's best match, (I,); 0 is best.
        text_rank: The rank of each text's image, (T,).
        ks: Cut-offs.

    Returns:
        "image_to_text_R@k": (I,) and "text_to_image_R@k": (T,), 1.0 for a hit, else 0.0.

    Examples:
        >>> recalls(np.array([0, 3]), np.array([1, 0]), ks=(1,))
        {'image_to_text_R@1': array([1., 0.]), 'text_to_image_R@1': array([0., 1.])}
    """
    hits = {f"image_to_text_R@{k}": (image_rank < k).astype(float) for k in ks}
    return hits | {f"text_to_image_R@{k}": (text_rank < k).astype(float) for k in ks}


def retrieval_outcomes(scores: np.ndarray, owner: np.ndarray, ks: Sequence[int] = KS) -> dict[str, np.ndarray]:
    """Which queries have a match among their k best results. A tie counts against the match.

    R@k in both directions, with several captions of an image, is the protocol of Karpathy and Fei-Fei 2015,
    https://arxiv.org/abs/1412.2306.

    Args:
        scores: Scores of I images and T captions, (I, T).
        owner: The number of the image that each caption describes, (T,).
        ks: Cut-offs.

    Returns:
        "image_to_text_R@k": (I,) and "text_to_image_R@k": (T,), 1.0 for a hit, else 0.0.

    Raises:
        ValueError: If the shapes disagree, or an owner is not the number of an image.

    Examples:
        >>> retrieval_outcomes(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]), ks=(1,))
        {'image_to_text_R@1': array([1., 0.]), 'text_to_image_R@1': array([1., 1.])}
    """
    if scores.ndim != 2 or owner.shape != scores.shape[1:] or not ((owner >= 0) & (owner < len(scores))).all():
        raise ValueError(
            f"Scores of shape {scores.shape} need an owner from 0 to {len(scores) - 1} for each text; the owners have "
            f"shape {owner.shape}."
        )
    belongs = owner[None] == np.arange(len(scores))[:, None]  # (I, T)
    match = scores[owner, np.arange(len(owner))]
    return recalls(*_count_above(scores, belongs, _best_match(match, owner, len(scores)), match), ks)


def retrieval_ranks(
    images: np.ndarray, texts: np.ndarray, owner: np.ndarray, chunk: int = CHUNK
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the ranks of retrieval without holding all scores at once.

    Scores are computed in float64 and rounded to float32, so that ties do not depend on the size of the chunks.

    Args:
        images: Unit-norm embeddings, (I, D).
        texts: Unit-norm embeddings, (T, D).
        owner: The number of the image that each text describes, (T,).
        chunk: How many scores are held at a time.

    Returns:
        For each image, how many texts of other images score at least as high as its best own text, (I,). For each
        text, how many other images score at least as high as its own image, (T,). So 0 is best.

    Examples:
        >>> image_rank, text_rank = retrieval_ranks(np.eye(2), np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1]))
        >>> image_rank.tolist(), text_rank.tolist()  # text 1 looks like image 0
        ([1, 1], [0, 1])
    """
    match = np.empty(len(owner), dtype=np.float32)
    step = max(1, min(chunk, TEXTS))
    parts = [slice(start, min(start + step, len(owner))) for start in range(0, len(owner), step)]
    for part in parts:
        match[part] = np.einsum("td,td->t", images[owner[part]], texts[part], dtype=np.float64)
    best = _best_match(match, owner, len(images))
    image_rank, text_rank = np.zeros(len(images), dtype=np.int64), np.zeros(len(owner), dtype=np.int64)
    step = max(1, chunk // step)
    for part in parts:
        columns = texts[part].astype(np.float64).T
        for start in range(0, len(images), step):
            rows = slice(start, min(start + step, len(images)))
            scores = (images[rows].astype(np.float64) @ columns).astype(np.float32)
            belongs = owner[None, part] == np.arange(rows.start, rows.stop)[:, None]
            above_images, above_texts = _count_above(scores, belongs, best[rows], match[part])
            image_rank[rows] += above_images
            text_rank[part] += above_texts
    return image_rank, text_rank


@dataclass
class RetrievalTask:
    """Find an image's captions among all captions, and a caption's image among all images.

    Attributes:
        name: The name of the task.
        images: The images, by id.
        captions: The captions of each image, by the image's id.
        group: The label of the results.
        folds: If above 1, recall is also measured within so many equal parts and averaged. COCO's "1K" scores are
            those of five folds of its 5,000 images.
        skipped: How many captions and images were left out, by group and reason.
    """

    name: str
    images: dict[Any, LazyImage] = field(default_factory=dict)
    captions: dict[Any, list[str]] = field(default_factory=dict)
    group: str = "all"
    folds: int = 1
    skipped: Skipped = field(default_factory=lambda: defaultdict(Counter))

    def add(self, image_id: Any, image: LazyImage | None, captions: Sequence[str | None]) -> None:
        """Add an image and captions of it. A missing image (None) and empty captions are counted as skipped."""
        usable = [caption for caption in captions if caption and caption.strip()]
        if len(usable) < len(captions):
            self.skipped[self.group][EMPTY] += len(captions) - len(usable)
        if image is None:
            self.skipped[self.group][MISSING] += 1
        elif usable:
            self.images[image_id] = image
            self.captions.setdefault(image_id, []).extend(usable)

    def __len__(self) -> int:
        """The number of images."""
        return len(self.images)

    def fingerprint(self) -> str:
        """Sixteen digits that change with the captions and the names of the images."""
        names = [image.name for image in self.images.values()]
        return json_digest([self.name, self.folds, names, list(self.captions.values())])

    def all_images(self) -> Iterable[LazyImage]:
        """The images that have captions."""
        return self.images.values()

    def select(self, keep: Callable[[str], bool]) -> "RetrievalTask":
        """A task of the images that show a photo that `keep` accepts, with their captions and without folds."""
        kept = {key: image for key, image in self.images.items() if keep(image.photo)}
        captions = {key: self.captions[key] for key in kept}
        return RetrievalTask(self.name, kept, captions, self.group, skipped=self.skipped)

    def run(self, encoder: Encoder) -> TaskOutcomes:
        """Rank in both directions. Images that cannot be read are skipped with their captions.

        Returns:
            The scores "image_to_text_R@k" and "text_to_image_R@k" for k in 1, 5 and 10, in the group `group`.

        Raises:
            ValueError: If there is no image.
        """
        if not self.images:
            reasons = {group: dict(counts) for group, counts in self.skipped.items()}
            raise ValueError(f"{self.name}: there are no images with captions. Skipped: {reasons}.")
        embeddings = encoder.images(list(self.images.values()))
        readable = ~np.isnan(embeddings[:, 0])
        skipped = {group: Counter(counts) for group, counts in self.skipped.items()}
        for image in self.images.values():
            if image.key in encoder.problems:
                skipped.setdefault(self.group, Counter())[encoder.problems[image.key]] += 1
        kept = [key for key, is_readable in zip(self.images, readable, strict=True) if is_readable]
        images = embeddings[readable]
        captions = [caption for key in kept for caption in self.captions[key]]
        owner = np.repeat(np.arange(len(kept)), [len(self.captions[key]) for key in kept])
        texts = encoder.texts(captions)
        ranks = [(self.group, *retrieval_ranks(images, texts, owner))]
        if self.folds > 1:
            ranks.append((f"{self.group} in {self.folds} folds", *self._fold_ranks(images, texts, owner)))
        names = [self.images[key].name for key in kept]
        return TaskOutcomes(self._outcomes(ranks, owner), skipped, _item_rows(names, captions, owner, ranks))

    def _fold_ranks(self, images: np.ndarray, texts: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        image_rank, text_rank = np.empty(len(images), dtype=np.int64), np.empty(len(owner), dtype=np.int64)
        for fold in np.array_split(np.arange(len(images)), self.folds):
            in_fold = (owner >= fold[0]) & (owner <= fold[-1])
            ranks = retrieval_ranks(images[fold], texts[in_fold], owner[in_fold] - fold[0])
            image_rank[fold], text_rank[in_fold] = ranks
        return image_rank, text_rank

    @staticmethod
    def _outcomes(ranks: Sequence[tuple[str, np.ndarray, np.ndarray]], owner: np.ndarray) -> dict[str, Outcome]:
        parts: dict[str, list[tuple[np.ndarray, ...]]] = defaultdict(list)
        images = np.arange(len(ranks[0][1]))
        for group, image_rank, text_rank in ranks:
            for name, values in recalls(image_rank, text_rank).items():
                clusters = images if name.startswith("image") else owner
                parts[name].append((values, np.full(len(values), group), clusters))
        outcomes = {}
        for name, columns in parts.items():
            values, groups, clusters = (np.concatenate(column) for column in zip(*columns, strict=True))
            outcomes[name] = Outcome(values, groups, clusters)
        return outcomes


def _item_rows(
    names: Sequence[str],
    captions: Sequence[str],
    owner: np.ndarray,
    ranks: Sequence[tuple[str, np.ndarray, np.ndarray]],
) -> list[dict[str, Any]]:
    """One row for each query, with its rank; 0 is best."""
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
    """Build a retrieval task from rows; rows of one image share it.

    Args:
        name: The name of the task.
        rows: One row for each caption, with the columns of `columns.ROW_FEATURES`.
    """
    task = RetrievalTask(name)
    images = row_images(rows, IMAGE)
    first = dict(reversed(list(zip(rows[IMAGE_ID][:], images, strict=True))))
    for image_id, caption in zip(rows[IMAGE_ID], rows[CAPTION], strict=True):
        task.add(image_id, first[image_id], [caption])
    return task
