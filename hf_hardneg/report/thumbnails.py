"""Small pictures of the items in the report, saved so that the report can be made again without the photos."""

from collections import Counter
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from ..data.photos import UnusableImage, upright_rgb
from ..evaluation.tasks import Task
from .report_files import require_parquet


IMAGES_FILE = "report_images.parquet"
SIDE = 224  # pixels of the longer side: sharp on a phone, which shows it 112 points wide
MAX_BYTES = 12_000  # of one picture; photos of 224 x 224 pixels take 6,000 to 10,000 bytes at quality 75
QUALITIES = (75, 50, 25)

Thumbnails = dict[tuple[str, str], bytes]
"""WebP bytes, by task and name of the image."""


def make_thumbnail(image: Image.Image, side: int = SIDE) -> bytes:
    """Make a WebP of at most `MAX_BYTES` bytes, if needed of lower quality, and then smaller.

    Args:
        image: An image of any mode.
        side: The longer side in pixels.

    Examples:
        >>> len(make_thumbnail(Image.effect_noise((500, 400), 200).convert("RGB"))) <= MAX_BYTES
        True
    """
    small = upright_rgb(image)
    if max(small.size) < side // 2:  # small pictures, such as rendered scenes, are enlarged and keep sharp pixels
        times = side // max(small.size)
        small = small.resize((small.width * times, small.height * times), Image.Resampling.NEAREST)
    small.thumbnail((side, side))
    for quality in QUALITIES:
        buffer = BytesIO()
        small.save(buffer, "WEBP", quality=quality)
        if buffer.tell() <= MAX_BYTES:
            return buffer.getvalue()
    return make_thumbnail(small, side * 3 // 4)


def make_thumbnails(tasks: Mapping[str, Task], wanted: Iterable[tuple[str, str]]) -> Thumbnails:
    """Make pictures of the images that can be read.

    Args:
        tasks: Tasks by name.
        wanted: Task and name of each image.
    """
    names: dict[str, set[str]] = {}
    for task, name in wanted:
        names.setdefault(task, set()).add(name)
    thumbnails = {}
    for task, wanted_names in names.items():
        images = {image.key: image for image in tasks[task].all_images() if image.name in wanted_names}
        counts = Counter(image.name for image in images.values())
        for image in images.values():
            if counts[image.name] > 1:  # two images of one name: no picture is better than a wrong one
                continue
            try:
                thumbnails[task, image.name] = make_thumbnail(image.read())
            except UnusableImage:  # it was readable during the evaluation; the report says that it is missing now
                continue
    return thumbnails


def save_thumbnails(thumbnails: Thumbnails, folder: Path) -> None:
    """Write report_images.parquet: task, image (name), webp."""
    schema = pa.schema([("task", pa.string()), ("image", pa.string()), ("webp", pa.binary())])
    rows = [{"task": task, "image": name, "webp": data} for (task, name), data in thumbnails.items()]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / IMAGES_FILE)


def read_thumbnails(folder: Path) -> Thumbnails:
    """Read report_images.parquet; an empty dict if there is no such file."""
    if not (folder / IMAGES_FILE).is_file():
        return {}
    require_parquet(folder / IMAGES_FILE, {"task": pa.string(), "image": pa.string(), "webp": pa.binary()})
    return {(row["task"], row["image"]): row["webp"] for row in pq.read_table(folder / IMAGES_FILE).to_pylist()}
