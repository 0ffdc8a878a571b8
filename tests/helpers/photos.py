"""Small photos that differ from each other, as files, as bytes and as rows."""

from io import BytesIO

import numpy as np
from PIL import Image


def photo(number, size=(40, 32)):
    """Noise that `number` chooses."""
    width, height = size
    pixels = np.random.default_rng(number).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)


def encoded(number, kind="JPEG", **settings):
    """The content of a photo's file."""
    buffer = BytesIO()
    photo(number).save(buffer, kind, **settings)
    return buffer.getvalue()


def write_photos(folder, names):
    """A photo file for each name; returns the folder."""
    for number, name in enumerate(names):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(number))
    return folder
