"""Small pictures of the items that a report shows, kept so that it can be made again without the photos."""

from collections import Counter
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from ..data.lazy_images import UnusableImage
from ..evaluation.tasks import Task


FILE = "report_images.parquet"
SIDE = 224  # pixels of the longer side: sharp at 112 points of a phone
MAX_BYTES = 12_000  # of one picture: 224 x 224 photos take 6,000 to 10,000 at quality 75
QUALITIES = (75, 50, 25)

Thumbnails = dict[tuple[str, str], bytes]
"""WebP by task and name of the image."""


def make_thumbnail(image: Image.Image, side: int = SIDE) -> bytes:
    """WebP of at most `MAX_BYTES`, of lower quality and then smaller where that is needed.

    Examples:
        >>> len(make_thumbnail(Image.effect_noise((500, 400), 200).convert("RGB"))) <= MAX_BYTES
        True
    """
    small = image.convert("RGB")
    if max(small.size) < side // 2:  # of pixel art such as the rendered scenes, pixels stay pixels
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
    """Those of the images that can be read, by task and name; one image is open at a time."""
    names: dict[str, set[str]] = {}
    for task, name in wanted:
        names.setdefault(task, set()).add(name)
    made = {}
    for task, of_task in names.items():
        images = {image.key: image for image in tasks[task].all_images() if image.name in of_task}
        counts = Counter(image.name for image in images.values())
        for image in images.values():
            if counts[image.name] > 1:  # which of them was meant is not told by the name: rather none than another
                continue
            try:
                made[task, image.name] = make_thumbnail(image.read())
            except UnusableImage:  # was there a moment ago; the page says that it is not there now
                continue
    return made


def save_thumbnails(thumbnails: Thumbnails, folder: Path) -> None:
    """Write report_images.parquet: task, image (name), webp."""
    schema = pa.schema([("task", pa.string()), ("image", pa.string()), ("webp", pa.binary())])
    rows = [{"task": task, "image": name, "webp": data} for (task, name), data in thumbnails.items()]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / FILE)


def read_thumbnails(folder: Path) -> Thumbnails:
    """What `save_thumbnails` wrote, nothing where that is not there."""
    if not (folder / FILE).is_file():
        return {}
    return {(row["task"], row["image"]): row["webp"] for row in pq.read_table(folder / FILE).to_pylist()}
