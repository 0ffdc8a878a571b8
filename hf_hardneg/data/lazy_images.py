"""Images that are opened when they are needed: files, crops of files, and rows of a data set."""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from datasets import Dataset
from datasets import Image as ImageFeature
from PIL import Image

from .photos import UnusableImage, open_photo, photo_source, read_photo, upright_rgb
from .skip_reasons import MIN_SIDE, TOO_SMALL


EMPTY_CROP = "the crop lies outside the image"


class LazyImage(Protocol):
    """What a task knows of an image before it is opened."""

    @property
    def key(self) -> Hashable:
        """Equal for images that look the same: they are encoded once."""

    @property
    def name(self) -> str:
        """Names the image in reports and fingerprints, on any machine."""

    @property
    def photo(self) -> str:
        """Equal for crops of one photo: intervals draw them together, and no split tears them apart."""

    def read(self) -> Image.Image:
        """The image, upright and in RGB; raises `UnusableImage`."""


@dataclass(frozen=True)
class ImageFile:
    """An image file, or a crop of one.

    Attributes:
        path: The file.
        box: (left, upper, right, lower) in pixels of the photo as it is stored, or None for all of it.
    """

    path: Path
    box: tuple[int, int, int, int] | None = None

    @property
    def key(self) -> Hashable:
        """Path and crop."""
        return str(self.path), self.box

    @property
    def name(self) -> str:
        """Folder, file and crop."""
        return self.photo + (f"#{','.join(map(str, self.box))}" if self.box else "")

    @property
    def photo(self) -> str:
        """Folder and file."""
        return f"{self.path.parent.name}/{self.path.name}"

    def read(self) -> Image.Image:
        """The image, upright and in RGB; raises `UnusableImage`."""
        return read_photo(self.path, self._crop)

    def _crop(self, photo: Image.Image) -> Image.Image:
        if not self.box:
            return upright_rgb(photo)
        left, upper, right, lower = self.box
        box = max(0, left), max(0, upper), min(photo.width, right), min(photo.height, lower)
        if box[0] >= box[2] or box[1] >= box[3]:
            raise UnusableImage(EMPTY_CROP)
        if min(box[2] - box[0], box[3] - box[1]) < MIN_SIDE:
            raise UnusableImage(TOO_SMALL)
        return upright_rgb(photo.crop(box))  # a crop keeps the orientation of its photo


@dataclass(frozen=True)
class RowImage:
    """An image in a row of a data set; `table` has the one column, undecoded."""

    table: Dataset = field(repr=False, hash=False, compare=False)
    column: str
    row: int
    key: Hashable
    photo: str

    @property
    def name(self) -> str:
        """Column and digest of the image."""
        return f"{self.column}/{self.photo}"

    def read(self) -> Image.Image:
        """The image, upright and in RGB; raises `UnusableImage`."""
        return open_photo(photo_source(self.table[self.row][self.column]))


def _identity(value: Mapping[str, Any]) -> tuple[bytes, bytes]:
    if value["bytes"]:
        return value["bytes"], value["bytes"]
    return str(value["path"]).encode(), Path(value["path"]).name.encode()


def row_images(dataset: Dataset, column: str) -> list[RowImage | None]:
    """One for each row, None where there is no image; embedded images of equal bytes have equal keys.

    Raises:
        ValueError: If the column holds no images.
    """
    feature = dataset.features[column]
    if not isinstance(feature, ImageFeature):
        raise ValueError(f"Column {column!r} holds {feature}, not images.")
    table = dataset.select_columns([column]).cast_column(column, ImageFeature(decode=False))
    images: list[RowImage | None] = []
    for i, row in enumerate(table):
        value = row[column]
        if value is None or not (value["bytes"] or value["path"]):
            images.append(None)
            continue
        # Of a linked file the path is taken for its content, and the name for what is the same on any machine.
        digest, photo = (hashlib.sha256(part).hexdigest()[:16] for part in _identity(value))
        images.append(RowImage(table, column, i, digest, photo))
    return images


def find_image(folder: Path, names: Sequence[str]) -> ImageFile | None:
    """The first of the files `names` that is in `folder`, or None."""
    return next((ImageFile(folder / name) for name in names if (folder / name).is_file()), None)
