"""SugarCrepe: a COCO photo, its caption and a fluent false one.

Hsieh et al. 2023, https://arxiv.org/abs/2306.14610.
"""

from collections.abc import Sequence

from ...data.lazy_images import find_image
from ..tasks import ONE_TRUE_TEXT, ChoiceTask, Task
from ._files import first_existing, read_rows


DOWNLOAD = (
    "Clone https://github.com/RAIVNLab/sugar-crepe to {folder} (it has data/add_att.json and six more) and put COCO's "
    "val2017 photos (http://images.cocodataset.org/zips/val2017.zip) in {folder}/val2017."
)
SUBSETS = ("replace_obj", "replace_att", "replace_rel", "swap_obj", "swap_att")
# In 99 % of these the shorter text is the true one, so they are a task of their own.
LENGTH_SUBSETS = ("add_obj", "add_att")
COCO_FOLDERS = ("val2017", "data/coco/images/val2017", "images/val2017", "images")


def _read_subsets(source: str, name: str, subsets: Sequence[str]) -> ChoiceTask:
    data = first_existing(source, "data/replace_obj.json", "replace_obj.json").parent
    images = first_existing(source, *COCO_FOLDERS)
    task = ChoiceTask(name, ONE_TRUE_TEXT)
    for subset in subsets:
        rows = read_rows(data / f"{subset}.json", ("filename", "caption", "negative_caption"))
        if not rows:
            raise ValueError(f"{data / subset}.json has no items; download the authors' file again.")
        for key, row in rows.items():
            image = find_image(images, [row["filename"]])
            task.add(subset, f"{subset}/{key}", [image], [row["caption"], row["negative_caption"]])
    return task.require_items(f"Photos are looked for in {images}.")


def load(source: str) -> list[Task]:
    """Load two tasks: the five subsets of replaced or swapped words, and the two subsets of added words.

    The mean over seven subsets that papers report is (5 x macro of "sugarcrepe" + 2 x macro of "sugarcrepe_add") / 7.
    """
    return [
        _read_subsets(source, "sugarcrepe", SUBSETS),
        _read_subsets(source, "sugarcrepe_add", LENGTH_SUBSETS),
    ]
