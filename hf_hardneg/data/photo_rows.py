"""Photos and their captions before they are rows: one row for each caption of each photo that can be used."""

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from datasets import Dataset
from datasets.arrow_writer import ArrowWriter

from ..columns import PAIR_ID, ROW_FEATURES, TWIN_ROW_FEATURES
from .photo_files import PhotoFile, cache_folder
from .skip_reasons import EMPTY, MISSING, describe_reasons


class Photo(NamedTuple):
    """A photo with captions. A photo whose captions lie in several rows of a data set comes several times.

    Attributes:
        path: Its file, or None if there is none.
        image_id: Equal for all captions of one photo.
        captions: What is trained on, without spaces around.
        others: More captions, which only say what is true of the photo.
        categories: The names of the objects that it shows.
        pair_id: A number that the photo shares with its twin, or None.
    """

    path: str | None
    image_id: int
    captions: Sequence[str]
    others: Sequence[str] = ()
    categories: Sequence[str] = ()
    pair_id: int | None = None


def clean_captions(captions: Sequence[str | None], skipped: Counter[str]) -> list[str]:
    """Strip captions; leave out empty ones and count them in `skipped`."""
    kept = [caption.strip() for caption in captions if caption and caption.strip()]
    skipped[EMPTY] += len(captions) - len(kept)
    return kept


def rows_from_photos(photos: Sequence[Photo], files: dict[str, PhotoFile], skipped: Counter[str]) -> Dataset:
    """One row for each caption, with the photo's other captions beside it.

    Args:
        photos: N photos.
        files: What `look_at_files` says of their files.
        skipped: Counts the photos that cannot be used, by reason.

    Returns:
        Rows with `columns.ROW_FEATURES`, or `columns.TWIN_ROW_FEATURES` if a photo has a pair id. They are in the
        cache, so that what is made of them is cached, too.

    Raises:
        ValueError: If no row is left.
    """
    problems = {(photo.image_id, photo.path): _problem(photo, files) for photo in photos}
    skipped.update(problem for problem in problems.values() if problem)
    of_image: dict[int, list[Photo]] = {}
    for photo in photos:
        if not problems[photo.image_id, photo.path]:
            of_image.setdefault(photo.image_id, []).append(photo)
    rows: dict[str, list] = {name: [] for name in TWIN_ROW_FEATURES}
    for image_id, group in of_image.items():
        captions = [caption for photo in group for caption in photo.captions]
        told = [caption for photo in group for caption in photo.others if caption not in captions]
        categories = sorted({name for photo in group for name in photo.categories})
        places = [(photo.path, photo.pair_id) for photo in group for _ in photo.captions]
        for i, ((path, pair_id), caption) in enumerate(zip(places, captions, strict=True)):
            others = [*captions[:i], *captions[i + 1 :], *told]
            values = ({"path": path, "bytes": None}, image_id, caption, others, categories, pair_id)
            for name, value in zip(rows, values, strict=True):
                rows[name].append(value)
    if not rows["caption"]:
        raise ValueError(_nothing_left(photos, files, skipped))
    features = TWIN_ROW_FEATURES if any(pair_id is not None for pair_id in rows[PAIR_ID]) else ROW_FEATURES
    return on_disk(Dataset.from_dict({name: rows[name] for name in features}, features=features))


def _problem(photo: Photo, files: dict[str, PhotoFile]) -> str | None:
    return MISSING if photo.path is None else files[photo.path].problem


def _nothing_left(photos: Sequence[Photo], files: dict[str, PhotoFile], skipped: Counter[str]) -> str:
    missing = [photo.path for photo in photos if photo.path and files[photo.path].problem == MISSING]
    looked_for = f" Looked for {missing[0]}; paths in a table start at its folder." if missing else ""
    number = len({photo.image_id for photo in photos})
    return f"No usable row is left of {number} images. Skipped: {describe_reasons(skipped)}.{looked_for}"


def on_disk(rows: Dataset) -> Dataset:
    """The same rows, in a file of the cache that has one name for equal rows."""
    file = cache_folder("rows") / f"{rows._fingerprint}.arrow"
    if not file.is_file():
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            part = Path(folder) / file.name
            with ArrowWriter(path=str(part), features=rows.features) as writer:
                for batch in rows.with_format("arrow").iter(1000):
                    writer.write_table(batch)
                writer.finalize()
            os.replace(part, file)
    return Dataset.from_file(str(file))
