"""Winoground: two images and two captions of the same words.

Thrush et al. 2022, https://arxiv.org/abs/2204.03162.
"""

import json
from pathlib import Path

from ...data.lazy_images import find_image, row_images
from ..tasks import PAIR, ChoiceTask, Task
from ._files import first_existing, open_table, row_ids


DOWNLOAD = (
    "Accept the terms of https://huggingface.co/datasets/facebook/winoground, then use "
    "winoground=facebook/winoground, or put its data/examples.jsonl and the content of its data/images.zip (folder "
    "images/) in {folder}."
)
COLUMNS = ("image_0", "image_1", "caption_0", "caption_1", "collapsed_tag")


def load(source: str, split: str = "test") -> list[Task]:
    """Load the items, grouped by collapsed tag: objects, relations or both are swapped."""
    if (Path(source) / "examples.jsonl").is_file() or (Path(source) / "data" / "examples.jsonl").is_file():
        if split != "test":
            raise ValueError(f"The authors' files in {source} have no split {split!r}; leave it out.")
        return [_from_files(source)]
    table = open_table(source, split, COLUMNS)
    task = ChoiceTask("winoground", PAIR)
    images = zip(row_images(table, "image_0"), row_images(table, "image_1"), strict=True)
    texts = zip(table["caption_0"], table["caption_1"], strict=True)
    for key, tag, pair, captions in zip(row_ids(table), table["collapsed_tag"], images, texts, strict=True):
        task.add(tag, key, pair, captions)
    return [task.require_items(f"Look at the rows of {source}.")]


def _from_files(source: str) -> ChoiceTask:
    file = first_existing(source, "data/examples.jsonl", "examples.jsonl")
    images = first_existing(source, "data/images", "images")
    task = ChoiceTask("winoground", PAIR)
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            pair = [find_image(images, [f"{row[name]}.png", f"{row[name]}.jpg"]) for name in COLUMNS[:2]]
            task.add(row["collapsed_tag"], str(row["id"]), pair, [row["caption_0"], row["caption_1"]])
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(
                f"Line {number} of {file} is not a row of Winoground ({error}); download it again."
            ) from error
    return task.require_items(f"Images are looked for in {images}.")
