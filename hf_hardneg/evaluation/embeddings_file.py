"""Embeddings that somebody else computed, in a .npz file, so that any model can be scored."""

import zipfile
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..data.lazy_images import LazyImage
from ..finite import require_finite
from .tasks import ChoiceTask, Task


Key = TypeVar("Key", bound=Hashable)

ENDING = ".npz"
PARTS = ("images", "texts")
SAME = 0.01
"""How far apart unit-norm embeddings of one image or text may be, because of rounding in different batches."""


class GivenEmbeddings:
    """What a task asks of an encoder, answered from a file (see `read_embeddings`).

    Attributes:
        problems: Empty: the file has an embedding of each image.
    """

    def __init__(self, images: dict[Hashable, np.ndarray], texts: dict[str, np.ndarray]) -> None:
        self._images, self._texts = images, texts
        self.problems: dict[Hashable, str] = {}

    def images(self, images: Sequence[LazyImage]) -> np.ndarray:
        """The embeddings of N images: unit-norm rows (N, D) in float32."""
        return np.stack([self._images[image.key] for image in images])

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """The embeddings of N texts: unit-norm rows (N, D) in float32."""
        return np.stack([self._texts[text] for text in texts])


def read_embeddings(file: str | Path, task: Task, is_only: bool = True) -> GivenEmbeddings:
    """Read the embeddings of a task's images and texts.

    The rows stand in the order of the task. For choices, these are the images of item 0, then those of item 1, and so
    on; the texts likewise. For retrieval, these are the images, and the captions of image 0, then those of image 1.
    For classification, these are the images, and the prompts of class 0, then those of class 1. So Winoground has 800
    rows of images and 800 of texts. Choices may also have an axis of items: (400, 2, D) is read as 800 rows.

    Args:
        file: A .npz file with the arrays "images" and "texts", or for several tasks "TASK/images" and "TASK/texts".
            They hold floating-point numbers, (rows, D) or (items, images or texts of an item, D). The embeddings need
            not have unit norm.
        task: The task.
        is_only: Whether arrays without the name of a task belong to this one.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is broken, lacks an array, or its rows are not those of the task.

    Examples:
        >>> read_embeddings("clip.npz", task).images(list(task.all_images())).shape  # doctest: +SKIP
        (800, 512)
    """
    image_slots, text_slots = task.slots()
    counts = (len(image_slots), len(text_slots))
    images, texts = (
        _read_rows(Path(file), task, part, count, is_only) for part, count in zip(PARTS, counts, strict=True)
    )
    if images.shape[1] != texts.shape[1]:
        raise ValueError(f"{file}: images have size {images.shape[1]} and texts {texts.shape[1]}; they must be equal.")
    by_image = _assign([image.key for image in image_slots], images, f"{file}: {task.name} has {{}} images")
    by_text = _assign(text_slots, texts, f"{file}: {task.name} has {{}} texts")
    return GivenEmbeddings(by_image, by_text)


def _read_rows(file: Path, task: Task, part: str, slots: int, is_only: bool) -> np.ndarray:
    """One array of the file as unit-norm rows (N, D) in float32; `slots` rows are expected."""
    if not file.is_file():
        raise FileNotFoundError(f"There is no file {file.absolute()}.")
    if not zipfile.is_zipfile(file):
        raise ValueError(f"{file} is no .npz file, or it is cut short; write it with numpy.savez.")
    with np.load(file, allow_pickle=False) as arrays:
        names = [f"{task.name}/{part}", *([part] if is_only else [])]
        name = next((name for name in names if name in arrays), None)
        if name is None:
            raise ValueError(f"{file} has no array {' or '.join(names)}; it has {', '.join(arrays) or 'none'}.")
        try:
            rows = arrays[name]
        except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
            raise ValueError(f"{file}: the array {name} cannot be read ({error}).") from error
    if rows.dtype.kind != "f":
        raise ValueError(
            f"{file}: {name} has type {rows.dtype}; expected floating-point numbers, such as float32. Convert "
            "quantized embeddings back with their scale."
        )
    _check_shape(rows.shape, task, part, slots, f"{file}: {name}")
    return _unit_rows(rows.reshape(-1, rows.shape[-1]), f"{name} in {file}")


def _check_shape(shape: tuple[int, ...], task: Task, part: str, slots: int, title: str) -> None:
    """Refuse an axis that is not that of the items: rows in another order would be scored as if they were in order."""
    by_item = None
    if isinstance(task, ChoiceTask):
        counts = {len(item) for item in (task.item_images if part == "images" else task.item_texts)}
        by_item = (len(task), *counts) if len(counts) == 1 else None
    if not shape or not shape[-1] or (len(shape) != 2 and shape[:-1] != by_item):
        items = f" or {by_item}"[:-1] + ", D), item by item" if by_item else ""
        raise ValueError(f"{title} has shape {shape}; expected ({slots}, D){items}.")


def _unit_rows(rows: np.ndarray, title: str) -> np.ndarray:
    """Rows (N, D) with unit norm, in float32."""
    require_finite(rows, f"numbers of {title}")
    rows = rows.astype(np.result_type(rows, np.float64))
    largest = np.abs(rows).max(axis=1, keepdims=True)
    if not largest.all():
        raise ValueError(f"Row {int(largest.argmin())} of {title} is all 0, which is no embedding.")
    rows = rows / largest  # else the squares of very large or small numbers leave the range of floats
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _assign(keys: Sequence[Key], rows: np.ndarray, title: str) -> dict[Key, np.ndarray]:
    """Give each image or text its row; the rows of one that occurs several times must be about equal."""
    if len(keys) != len(rows):
        raise ValueError(
            f"{title.format(f'{len(keys):,}')}, and the file {len(rows):,} rows. One row is needed for each, in the "
            "benchmark's order: that of `task.slots()`, which leaves out missing images and empty texts."
        )
    assigned: dict[Key, np.ndarray] = {}
    for number, (key, row) in enumerate(zip(keys, rows, strict=True)):
        known = assigned.setdefault(key, row)
        if np.abs(known - row).max() > SAME:
            raise ValueError(
                f"{title.format(f'{len(keys):,}')}; the one of row {number} has another embedding in an earlier row. "
                "The rows are not in the benchmark's order."
            )
    return assigned
