"""SugarCrepe: a COCO photo, its caption and a fluent false one (Hsieh et al. 2023, arXiv 2306.14610)."""

from collections.abc import Sequence

from ...data.lazy_images import find_image
from ..tasks import ONE_TRUE_TEXT, ChoiceTask, Task
from ._files import first_existing, read_rows


WHERE = (
    "Clone https://github.com/RAIVNLab/sugar-crepe to {folder} (it has data/add_att.json and six more) and put COCO's "
    "val2017 photos (http://images.cocodataset.org/zips/val2017.zip) in {folder}/val2017."
)
SUBSETS = ("replace_obj", "replace_att", "replace_rel", "swap_obj", "swap_att")
# "The shorter one" is right in 99 % of these, so that they are no part of the mean over the others.
LENGTH_SUBSETS = ("add_obj", "add_att")
IMAGE_FOLDERS = ("val2017", "data/coco/images/val2017", "images/val2017", "images")


def _read(source: str, name: str, subsets: Sequence[str]) -> ChoiceTask:
    data = first_existing(source, "data/replace_obj.json", "replace_obj.json").parent
    images = first_existing(source, *IMAGE_FOLDERS)
    task = ChoiceTask(name, ONE_TRUE_TEXT)
    for subset in subsets:
        rows = read_rows(data / f"{subset}.json", ("filename", "caption", "negative_caption"))
        if not rows:
            raise ValueError(f"{data / subset}.json holds no items; fetch the authors' file again.")
        for i, row in enumerate(rows):
            image = find_image(images, [row["filename"]])
            task.add(subset, f"{subset}/{i}", [image], [row["caption"], row["negative_caption"]])
    return task.check(f"Photos are looked for in {images}.")


def load(source: str) -> list[Task]:
    """Five subsets of replaced and swapped words, and apart from them the two of added ones.

    The papers' mean of seven is (5 x macro of "sugarcrepe" + 2 x macro of "sugarcrepe_add") / 7.
    """
    return [_read(source, "sugarcrepe", SUBSETS), _read(source, "sugarcrepe_add", LENGTH_SUBSETS)]
