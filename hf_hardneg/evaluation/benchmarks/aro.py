"""ARO's Visual Genome Relation and Attribution.

Yuksekgonul et al. 2023, https://arxiv.org/abs/2210.01936.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from ...data.lazy_images import ImageFile, find_image
from ..tasks import ONE_TRUE_TEXT, ChoiceTask, Task
from ._files import BOX_COLUMNS, crop_box, first_existing, read_rows


DOWNLOAD = (
    "Let the authors' code (https://github.com/mertyg/vision-language-models-are-bows, VG_Relation and VG_Attribution "
    "with download=True) fetch visual_genome_relation.json, visual_genome_attribution.json and images/ to {folder}."
)
COLUMNS = ("image_path", "true_caption", "false_caption", *BOX_COLUMNS)
MIN_ITEMS = 25  # the authors leave pairs of attributes with fewer items out of their mean
RARE = f"fewer than {MIN_ITEMS} items have these attributes"


def _crop(images: Path, row: dict[str, Any]) -> ImageFile | None:
    """The part of the photo that the caption is about, or None if there is no such photo."""
    photo = find_image(images, [row["image_path"]])
    return crop_box(photo, row) if photo else None


def load(source: str) -> list[Task]:
    """Load two tasks: relations grouped by relation, and attributes grouped by pair of attributes.

    For attributes, "macro" is the authors' score. For relations, the authors' notebook leaves out symmetric relations;
    here all relations count, and metrics.json has each of them.
    """
    images = first_existing(source, "images")
    relations, attributes = ChoiceTask("aro_relation", ONE_TRUE_TEXT), ChoiceTask("aro_attribution", ONE_TRUE_TEXT)
    rows = read_rows(Path(source) / "visual_genome_relation.json", (*COLUMNS, "relation_name"))
    for key, row in rows.items():
        relations.add(row["relation_name"], key, [_crop(images, row)], [row["true_caption"], row["false_caption"]])
    rows = read_rows(Path(source) / "visual_genome_attribution.json", (*COLUMNS, "attributes"))
    labels = ["_".join(row["attributes"][:2]) for row in rows.values()]
    counts = Counter(labels)
    for (key, row), label in zip(rows.items(), labels, strict=True):
        if counts[label] < MIN_ITEMS:
            attributes.skipped["rare attributes"][RARE] += 1
        else:
            attributes.add(label, key, [_crop(images, row)], [row["true_caption"], row["false_caption"]])
    advice = f"Photos are looked for in {images}."
    return [relations.require_items(advice), attributes.require_items(advice)]
