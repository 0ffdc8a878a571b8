"""What's Up: captions that name the right or a wrong position of things.

Kamath et al. 2023, https://arxiv.org/abs/2310.19785.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ...data.files import read_json
from ...data.lazy_images import ImageFile, find_image
from ..tasks import ChoiceTask, Task


DOWNLOAD = (
    "Put the JSON files and image folders of the Google Drive folder that https://github.com/amitakamath/whatsup_vlms "
    "links to in {folder}: controlled_images_dataset.json with controlled_images/, controlled_clevr_dataset.json with "
    "controlled_clevr/, coco_qa_one_obj.json and coco_qa_two_obj.json with val2017/, vg_qa_one_obj.json and "
    "vg_qa_two_obj.json with vg_images/."
)
# The first caption is true. Items of two captions lack the last two.
ONE_OF_FOUR = np.array([[True, False, False, False]])
CONTROLLED = {
    "controlled_a": ("controlled_images_dataset.json", "controlled_images"),
    "controlled_b": ("controlled_clevr_dataset.json", "controlled_clevr"),
}
QUESTIONS = {
    "coco_one": ("coco_qa_one_obj.json", "val2017", "{:0>12}.jpg"),
    "coco_two": ("coco_qa_two_obj.json", "val2017", "{:0>12}.jpg"),
    "vg_one": ("vg_qa_one_obj.json", "vg_images", "{}.jpg"),
    "vg_two": ("vg_qa_two_obj.json", "vg_images", "{}.jpg"),
}


def _read_list(file: Path) -> list[Any]:
    if not file.is_file():
        raise FileNotFoundError(f"There is no {file}.")
    rows = read_json(file)
    if not isinstance(rows, list) or not rows:
        raise ValueError(f"{file} must hold a list with items; download the authors' file again.")
    return rows


def load(source: str) -> list[Task]:
    """Load the six sets as groups of one task. Each photo is an item, as in the authors' individual accuracy."""
    folder, task = Path(source), ChoiceTask("whatsup", ONE_OF_FOUR)
    for group, (file, images) in CONTROLLED.items():
        for i, row in enumerate(_read_list(folder / file)):
            try:
                # The paths in the files begin with the authors' data folder.
                image: ImageFile | None = find_image(folder / images, [Path(row["image_path"]).name])
                task.add(group, f"{group}/{i}", [image], row["caption_options"])
            except (KeyError, TypeError) as error:
                raise ValueError(f"Row {i} of {folder / file} lacks {error}; download the file again.") from error
    for group, (file, images, name) in QUESTIONS.items():
        for i, row in enumerate(_read_list(folder / file)):
            if not isinstance(row, list) or len(row) != 3:
                raise ValueError(f"Row {i} of {folder / file} is not [image id, true caption, false caption]: {row}.")
            task.add(group, f"{group}/{i}", [find_image(folder / images, [name.format(row[0])])], row[1:])
    return [task.require_items(f"Photos are looked for in {folder}.")]
