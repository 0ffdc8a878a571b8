"""Open a photo: the one way for all rooms, so that training and evaluation see the same pixels."""

import struct
import zlib
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image, ImageOps

from .skip_reasons import MAX_PIXELS, MIN_SIDE, MISSING, TOO_DEEP, TOO_LARGE, TOO_SMALL, UNREADABLE


T = TypeVar("T")

# What Pillow's readers raise at broken files, besides `UnidentifiedImageError`, which is an OSError.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, OverflowError, struct.error, zlib.error)


class UnusableImage(ValueError):
    """An image that cannot be looked at; the message is the reason, the same for all images of that kind."""


def upright_rgb(image: Image.Image) -> Image.Image:
    """The image in RGB, turned as its EXIF orientation says. An image that is upright stays as it is.

    Args:
        image: An image of any mode. Of an animation, the first frame is taken.
    """
    return ImageOps.exif_transpose(image).convert("RGB")


def open_photo(source: str | Path | BytesIO) -> Image.Image:
    """Open an encoded photo, upright and in RGB.

    Args:
        source: A file or its content.

    Raises:
        UnusableImage: See `read_photo`.
    """
    return read_photo(source, upright_rgb)


def read_photo(source: str | Path | BytesIO, prepare: Callable[[Image.Image], T]) -> T:
    """What `prepare` makes of an encoded photo as it is stored.

    Args:
        source: A file or its content.
        prepare: Called while the file is open; what it raises at broken photos is known here.

    Raises:
        UnusableImage: If the photo is missing, broken, too small, too large, or has more than 8 bits a channel.
    """
    try:
        with Image.open(source) as photo:
            if photo.width * photo.height > MAX_PIXELS:
                raise UnusableImage(TOO_LARGE)
            if min(photo.size) < MIN_SIDE:
                raise UnusableImage(TOO_SMALL)
            if photo.mode.startswith(("I", "F")):
                raise UnusableImage(TOO_DEEP)
            return prepare(photo)
    except UnusableImage:
        raise
    except FileNotFoundError as error:
        raise UnusableImage(MISSING) from error
    except Image.DecompressionBombError as error:
        raise UnusableImage(TOO_LARGE) from error
    except _BROKEN as error:
        raise UnusableImage(UNREADABLE) from error


def photo_source(image: Mapping[str, Any] | None) -> str | BytesIO:
    """What `read_photo` opens, of an image as `datasets.Image(decode=False)` gives it.

    Raises:
        UnusableImage: If it has neither bytes nor a path.
    """
    if image and image.get("bytes"):
        return BytesIO(image["bytes"])
    if image and image.get("path"):
        return str(image["path"])
    raise UnusableImage(MISSING)


def _upright_thumbnail(photo: Image.Image) -> Image.Image:
    """A JPEG is decoded at an eighth of its size, which is enough to see that it is whole."""
    photo.draft("RGB", (64, 64))
    return upright_rgb(photo)


def image_problem(image: Mapping[str, Any] | None) -> str | None:
    """Say why an encoded image cannot be trained on, or None if it can.

    Args:
        image: {"bytes": ..., "path": ...} as `datasets.Image(decode=False)` gives it. Gray, CMYK and rotated photos
            are fine: they are turned into upright RGB when they are loaded.
    """
    try:
        read_photo(photo_source(image), _upright_thumbnail)
    except UnusableImage as problem:
        return str(problem)
    return None
