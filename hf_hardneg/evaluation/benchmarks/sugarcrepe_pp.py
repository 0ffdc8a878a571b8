"""SugarCrepe++: two captions that mean the same and a false one.

Dumpala et al. 2024, https://arxiv.org/abs/2406.11171.
"""

from ...data.lazy_images import find_image
from ..tasks import TWO_TRUE_TEXTS, ChoiceTask, Task
from ._files import first_existing, read_rows
from .sugarcrepe import COCO_FOLDERS, SUBSETS


DOWNLOAD = (
    "Clone https://github.com/Sri-Harsha/scpp to {folder} (it has data/swap_obj.json and four more) and put COCO's "
    "val2017 photos (http://images.cocodataset.org/zips/val2017.zip) in {folder}/val2017."
)


def load(source: str) -> list[Task]:
    """Load one task. The authors' image-to-text accuracy is image_to_text, their text-only accuracy text_to_text."""
    data = first_existing(source, "data/swap_obj.json", "swap_obj.json").parent
    images = first_existing(source, *COCO_FOLDERS)
    task = ChoiceTask("sugarcrepe_pp", TWO_TRUE_TEXTS)
    for subset in SUBSETS:
        rows = read_rows(data / f"{subset}.json", ("filename", "caption", "caption2", "negative_caption"))
        if not rows:
            raise ValueError(f"{data / subset}.json has no items; download the authors' file again.")
        for key, row in rows.items():
            texts = [row["caption"], row["caption2"], row["negative_caption"]]
            task.add(subset, f"{subset}/{key}", [find_image(images, [row["filename"]])], texts)
    return [task.require_items(f"Photos are looked for in {images}.")]
