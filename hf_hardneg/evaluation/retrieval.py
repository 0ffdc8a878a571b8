"""Image-text retrieval, which training on hard negatives can make worse. Scores are computed in chunks."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any

import numpy as np
from datasets import Dataset

from ..columns import CAPTION, IMAGE, IMAGE_ID
from ..data.lazy_images import LazyImage, row_images
from ..data.skip_reasons import EMPTY, MISSING
from ..finite import require_finite
from .item_scores import number_rows
from .outcomes import Outcome
from .tasks import Embedder, Skipped, TaskOutcomes, json_digest


CHUNK = 2**20  # how many scores are held at a time, 8 MB in float64
TEXTS = 4096  # how many texts a chunk has at most
KS = (1, 5, 10)


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
        ValueError: If the shapes disagree, an owner is not the number of an image, a score is not finite, or a cut-off
            is no whole number from 1 on.

    Examples:
        >>> retrieval_outcomes(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]), ks=(1,))
        {'image_to_text_R@1': array([1., 0.]), 'text_to_image_R@1': array([1., 1.])}
    """
    if scores.ndim != 2 or owner.shape != scores.shape[1:] or not ((owner >= 0) & (owner < len(scores))).all():
        raise ValueError(
            f"Scores of shape {scores.shape} need an owner from 0 to {len(scores) - 1} for each text; the owners have "
            f"shape {owner.shape}."
        )
    wrong = [k for k in ks if isinstance(k, bool) or not isinstance(k, Integral) or k < 1]
    if wrong:
        raise ValueError(f"ks holds {wrong}; a cut-off is a whole number, 1 or more.")
    require_finite(scores, "scores")
    match = scores[owner, np.arange(len(owner))]
    best = _best_match(match, owner, len(scores))
    image_rank = (scores >= best[:, None]).sum(axis=1) - _own_at_best(match, best, owner)
    return recalls(image_rank, (scores >= match).sum(axis=0) - 1, ks)


def _own_at_best(match: np.ndarray, best: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """How many texts of each image have the image's best match, (I,)."""
    return np.bincount(owner[match >= best[owner]], minlength=len(best))


def _count_at_least(scores: np.ndarray, row: np.ndarray, limit: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How many columns score at least the limit of each of Q queries, (Q,).

    Args:
        scores: (U, V).
        row: The row of each query, (Q,).
        limit: (Q,).
        weights: How often each column counts, (V,).
    """
    counts = np.empty(len(row), dtype=np.int64)
    for start in range(0, len(row), len(scores)):  # so that no block is larger than `scores`
        part = slice(start, start + len(scores))
        counts[part] = (scores[row[part]] >= limit[part, None]) @ weights
    return counts


def retrieval_ranks(
    images: np.ndarray, texts: np.ndarray, owner: np.ndarray, chunk: int = CHUNK
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the ranks of retrieval without holding all scores at once.

    Equal embeddings get equal scores, so that texts of the same token ids tie whatever the rounding. Each pair of
    distinct embeddings is scored once, in float64, and rounded to float32.

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
    image_number, text_number = number_rows(images), number_rows(texts)
    images, texts = images[_first_of_each(image_number)], texts[_first_of_each(text_number)]
    pairs, pair = np.unique(image_number[owner] * len(texts) + text_number, return_inverse=True)
    pair_image, pair_text = np.divmod(pairs, len(texts))
    value = np.einsum("pd,pd->p", images[pair_image], texts[pair_text], dtype=np.float64).astype(np.float32)
    match = value[pair]
    best = _best_match(match, owner, len(image_number))
    image_rank, text_rank = -_own_at_best(match, best, owner), np.full(len(owner), -1)
    copies = np.bincount(image_number), np.bincount(text_number)
    for rows, columns in _blocks(len(images), len(texts), chunk):
        scores = images[rows].astype(np.float64) @ texts[columns].astype(np.float64).T
        scores = scores.astype(np.float32)
        require_finite(scores, "scores")
        inside = _within(pair_image, rows) & _within(pair_text, columns)
        scores[pair_image[inside] - rows.start, pair_text[inside] - columns.start] = value[inside]
        asked = np.flatnonzero(_within(image_number, rows))
        image_rank[asked] += _count_at_least(scores, image_number[asked] - rows.start, best[asked], copies[1][columns])
        asked = np.flatnonzero(_within(text_number, columns))
        text_rank[asked] += _count_at_least(
            scores.T, text_number[asked] - columns.start, match[asked], copies[0][rows]
        )
    return image_rank, text_rank


def _first_of_each(numbers: np.ndarray) -> np.ndarray:
    """Where each number occurs first, by number."""
    return np.unique(numbers, return_index=True)[1]


def _within(numbers: np.ndarray, part: slice) -> np.ndarray:
    return (numbers >= part.start) & (numbers < part.stop)


def _blocks(rows: int, columns: int, chunk: int) -> Iterator[tuple[slice, slice]]:
    """Cut a matrix into blocks of at most `chunk` entries."""
    width = max(1, min(chunk, TEXTS))
    height = max(1, chunk // width)
    for column in range(0, columns, width):
        for row in range(0, rows, height):
            yield slice(row, min(row + height, rows)), slice(column, min(column + width, columns))


@dataclass
class RetrievalTask:
    """Find an image's captions among all captions, and a caption's image among all images.

    A smaller pool is easier. So the results have the label `group` only if every listed image was scored; otherwise
    the label says how many of how many were.

    Attributes:
        name: The name of the task.
        images: The images, by id.
        captions: The captions of each image, by the image's id.
        group: The label of the results.
        folds: If above 1, recall is also measured within so many equal parts of the list, and averaged. COCO's "1K"
            scores are those of five folds of its 5,000 images. Only a set that is complete has folds.
        skipped: How many captions and images were left out, by group and reason.
        listed: The ids of all images that were added, also of those that are missing or have no caption.
        about: What was read, where it was chosen among several, such as "split val2017".
    """

    name: str
    images: dict[Any, LazyImage] = field(default_factory=dict)
    captions: dict[Any, list[str]] = field(default_factory=dict)
    group: str = "all"
    folds: int = 1
    skipped: Skipped = field(default_factory=lambda: defaultdict(Counter))
    listed: dict[Any, None] = field(default_factory=dict)
    about: str = ""

    def add(self, image_id: Any, image: LazyImage | None, captions: Sequence[str | None]) -> None:
        """Add an image and captions of it. A missing image (None) and empty captions are counted as skipped."""
        self.listed[image_id] = None
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

    def slots(self) -> tuple[list[LazyImage], list[str]]:
        """The images and their captions, image by image, as a file of embeddings has them."""
        return list(self.images.values()), [caption for key in self.images for caption in self.captions[key]]

    def select(self, keep: Callable[[str], bool]) -> "RetrievalTask":
        """A task of the images that show a photo that `keep` accepts, with their captions and without folds."""
        kept = {key: image for key, image in self.images.items() if keep(image.photo)}
        captions = {key: self.captions[key] for key in kept}
        listed = dict.fromkeys(kept)
        return replace(self, images=kept, captions=captions, folds=1, listed=listed)

    def run(self, encoder: Embedder) -> TaskOutcomes:
        """Rank in both directions. Images that cannot be read are skipped with their captions.

        Returns:
            The scores "image_to_text_R@k" and "text_to_image_R@k" for k in 1, 5 and 10.

        Raises:
            ValueError: If there is no image.
        """
        if not self.images:
            reasons = {group: dict(counts) for group, counts in self.skipped.items()}
            raise ValueError(f"{self.name}: there are no images with captions. Skipped: {reasons}.")
        embeddings = encoder.images(list(self.images.values()))
        readable = np.array([image.key not in encoder.problems for image in self.images.values()])
        skipped = {group: Counter(counts) for group, counts in self.skipped.items()}
        for image in self.images.values():
            if image.key in encoder.problems:
                skipped.setdefault(self.group, Counter())[encoder.problems[image.key]] += 1
        kept = [key for key, is_readable in zip(self.images, readable, strict=True) if is_readable]
        images = embeddings[readable]
        captions = [caption for key in kept for caption in self.captions[key]]
        owner = np.repeat(np.arange(len(kept)), [len(self.captions[key]) for key in kept])
        texts = encoder.texts(captions)
        is_complete = len(kept) == len(self.listed)
        label = self.group if is_complete else f"{len(kept):,} of {len(self.listed):,} images"
        ranks = [(label, *retrieval_ranks(images, texts, owner))]
        if self.folds > 1 and is_complete:
            ranks.append((f"{self.group} in {self.folds} folds", *self._fold_ranks(images, texts, owner)))
        names = [self.images[key].name for key in kept]
        rows = _item_rows(names, captions, owner, ranks)
        return TaskOutcomes(self._outcomes(ranks, owner), skipped, rows, _count_sharing(images, texts, owner))

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
            outcomes[name] = Outcome(values, groups, clusters, is_partition=len(ranks) == 1)
        return outcomes


def _count_sharing(images: np.ndarray, texts: np.ndarray, owner: np.ndarray) -> int:
    """How many images have a text that another image has, too, or the same pixels as another image."""
    numbers, owners = np.unique(np.column_stack([number_rows(texts), owner]), axis=0).T
    shares = np.zeros(len(images), dtype=bool)
    shares[owners[np.bincount(numbers)[numbers] > 1]] = True
    look = number_rows(images)
    return int((shares | (np.bincount(look)[look] > 1)).sum())


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
