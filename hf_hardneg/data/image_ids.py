"""Which rows show one image, told by the column that names it: a number, a text, or a path."""

from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset, Value

from ..columns import IMAGE, IMAGE_ID


# What published sets call an image, the surest first: this project, Karpathy, open_clip (filepath), ImageFolder
# (file_name), SugarCrepe (filename). `image` counts where it holds a path or a name instead of the image itself.
IMAGE_ID_COLUMNS = (IMAGE_ID, "cocoid", "coco_id", "imgid", "img_id", "photo_id")
IMAGE_PATH_COLUMNS = ("filepath", "file_path", "image_path", "filename", "file_name", "path", IMAGE)
_TEXTS = (Value("string"), Value("large_string"))
_WHOLE = ("int", "uint", "float")


def find_id_column(dataset: Dataset) -> str | None:
    """The column that tells which rows show one image, or None if every row is an image of its own."""
    features = dataset.features
    for name in IMAGE_ID_COLUMNS:
        if features.get(name) in _TEXTS or str(getattr(features.get(name), "dtype", "")).startswith(_WHOLE):
            return name
    return next((name for name in IMAGE_PATH_COLUMNS if features.get(name) in _TEXTS), None)


def as_integer(value: Any) -> int | None:
    """A whole number that Arrow can hold, also one that is written as 139.0 or "139"; None for all else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return int(value) if abs(value) < 2**62 else None  # further images are numbered above it
    return None


def number_images(values: Sequence[Any]) -> list[int]:
    """An integer for each row, equal for rows of one image.

    Whole numbers are kept. If any value is something else, or two values are one number ("7" and "007"), all are
    numbered in the order in which they come. An empty value is an image of its own.

    Examples:
        >>> number_images([139, 139.0, "285"]), number_images(["a.jpg", "b.jpg", "a.jpg", None, None])
        ([139, 139, 285], [0, 1, 0, 2, 3])
    """
    empty = [value is None or value == "" or value != value for value in values]
    whole = {value: as_integer(value) for value, no in zip(values, empty, strict=True) if not no}
    integers = {value: number for value, number in whole.items() if number is not None}
    if len(set(integers.values())) < len(whole):
        integers = {value: i for i, value in enumerate(whole)}
    following = max(integers.values(), default=-1) + 1
    numbers = []
    for value, no in zip(values, empty, strict=True):
        numbers.append(following if no else integers[value])
        following += no
    return numbers


def batch_image_ids(batch: Mapping[str, Sequence], size: int) -> Sequence[Any]:
    """The image ids of a batch of B = `size` rows. Without that column they are all "": numbers would depend on order.

    Examples:
        >>> batch_image_ids({"image_id": [7]}, 1), batch_image_ids({}, 2)
        ([7], ['', ''])
    """
    return batch[IMAGE_ID] if IMAGE_ID in batch else [""] * size
