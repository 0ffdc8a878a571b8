"""Photos and their captions before they are rows: which photos can be used, one row for each caption."""

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from datasets import Dataset, Features, Image, List, Value
from PIL import Image as PillowImage

from ..columns import CATEGORIES, IMAGE, IMAGE_ID, ROW_FEATURES
from .skip_reasons import EMPTY, MAX_PIXELS, MIN_SIDE, MISSING, TOO_DEEP, TOO_LARGE, TOO_SMALL, UNREADABLE


# One row per image, before its captions are spread over rows.
PHOTO_FEATURES = Features(
    {
        IMAGE: Image(decode=False),
        IMAGE_ID: Value("int64"),
        "captions": List(Value("string")),
        CATEGORIES: List(Value("string")),
    }
)


def image_problem(image: Mapping[str, Any] | None) -> str | None:
    """Say why an encoded image cannot be trained on, or None if it can; decodes JPEG at an eighth of the size.

    Args:
        image: {"bytes": ..., "path": ...} as `datasets.Image(decode=False)` gives it. Gray, CMYK and rotated photos
            are fine: they are turned into upright RGB when they are loaded.
    """
    if image is None or not (image["bytes"] or image["path"]):
        return MISSING
    try:
        with PillowImage.open(BytesIO(image["bytes"]) if image["bytes"] else image["path"]) as photo:
            if photo.width * photo.height > MAX_PIXELS:
                return TOO_LARGE
            if min(photo.size) < MIN_SIDE:
                return TOO_SMALL
            if photo.mode.startswith(("I", "F")):
                return TOO_DEEP
            photo.draft("RGB", (64, 64))
            photo.load()
    except FileNotFoundError:
        return MISSING
    except PillowImage.DecompressionBombError:
        return TOO_LARGE
    except (OSError, SyntaxError, ValueError, EOFError, struct.error):
        return UNREADABLE
    return None


def _find_problems(images: Sequence[Mapping[str, Any] | None]) -> dict[str, list[str | None]]:
    return {"problem": [image_problem(image) for image in images]}


def _spread_captions(batch: Mapping[str, Sequence]) -> dict[str, list]:
    """One row per caption; the other captions of the image go along."""
    rows: dict[str, list] = {name: [] for name in ROW_FEATURES}
    for image, image_id, captions, categories in zip(
        batch[IMAGE], batch[IMAGE_ID], batch["captions"], batch[CATEGORIES], strict=True
    ):
        for i, caption in enumerate(captions):
            values = (image, image_id, caption, captions[:i] + captions[i + 1 :], categories)
            for name, value in zip(rows, values, strict=True):
                rows[name].append(value)
    return rows


def rows_from_photos(photos: Dataset, skipped: Counter[str], num_proc: int | None) -> Dataset:
    """Leave out photos that cannot be read, counting why, and spread the captions over rows."""
    checked = photos.map(_find_problems, input_columns=IMAGE, batched=True, num_proc=num_proc, desc="Checking images")
    problems = checked["problem"][:]
    skipped.update(problem for problem in problems if problem)
    good = checked.select([i for i, problem in enumerate(problems) if problem is None]).remove_columns("problem")
    rows = good.map(
        _spread_captions, batched=True, batch_size=100, remove_columns=photos.column_names, desc="Spreading captions"
    )
    if not len(rows):
        raise ValueError(f"No usable row is left of {len(photos)} images. Skipped: {dict(skipped)}.")
    return rows.cast(ROW_FEATURES)


def clean_captions(captions: Sequence[str | None], skipped: Counter[str]) -> list[str]:
    """Strip captions; leave out empty ones and count them in `skipped`."""
    kept = [caption.strip() for caption in captions if caption and caption.strip()]
    skipped[EMPTY] += len(captions) - len(kept)
    return kept
