"""Hard positives: a caption, a harmless rewrite of it, and a false caption.

Kamath et al. 2024, https://arxiv.org/abs/2409.17958.
"""

from pathlib import Path

from ...data.lazy_images import find_image
from ..tasks import TWO_TRUE_TEXTS, ChoiceTask, Task
from ._files import BOX_COLUMNS, crop_box, first_existing, read_rows


DOWNLOAD = (
    "Clone https://github.com/amitakamath/hard_positives to {folder} (it has data/ and swapped_data/) and put Visual "
    "Genome's photos in {folder}/images/VG_100K and VG_100K_2, and those of ARO (visual_genome_attribution.json) in "
    "{folder}/images."
)
# The file of each group. The paper calls the mean of the last two REPLACE.
FILES = {
    "swap": "visual_genome_attribution.json",
    "replace_attribute": "vl_checklist_attributes.json",
    "replace_relation": "vl_checklist_relations.json",
}
COLUMNS = ("image_path", "true_caption", "false_caption")


def load(source: str) -> list[Task]:
    """Load items of a caption, a rewrite with the same meaning, and a false caption.

    The paper's original accuracy is "original", its augmented accuracy "image_to_text", its brittleness "brittleness".

    Raises:
        ValueError: If the two folders disagree about an item.
    """
    images, task = first_existing(source, "images"), ChoiceTask("hard_positives", TWO_TRUE_TEXTS)
    for group, name in FILES.items():
        files = [Path(source) / folder / name for folder in ("data", "swapped_data")]
        first, second = (read_rows(file, COLUMNS) for file in files)
        if first.keys() != second.keys():
            raise ValueError(
                f"{files[0]} has {len(first)} items, {files[1]} {len(second)}, or other ids; download both again."
            )
        for key, row in first.items():
            other = second[key]
            if row["image_path"] != other["image_path"] or row["false_caption"] != other["false_caption"]:
                raise ValueError(f"{files[0]} and {files[1]} disagree about item {key}: {row} and {other}.")
            path = row["image_path"].removeprefix("data/")  # "data/VG_100K/1.jpg", and a bare name for swap
            image = find_image(images, [path])
            if image and all(name in row for name in BOX_COLUMNS):
                image = crop_box(image, row)
            texts = [row["true_caption"], other["true_caption"], row["false_caption"]]
            task.add(group, f"{group}/{key}", [image], texts)
    return [task.require_items(f"Photos are looked for in {images}.")]
