"""ARO's Visual Genome Relation and Attribution (Yuksekgonul et al. 2023, arXiv 2210.01936)."""

from collections import Counter
from pathlib import Path
from typing import Any

from ...data.lazy_images import ImageFile, find_image
from ..tasks import ONE_TRUE_TEXT, ChoiceTask, Task
from ._files import first_existing, read_rows


WHERE = (
    "Let the authors' code (https://github.com/mertyg/vision-language-models-are-bows, VG_Relation and VG_Attribution "
    "with download=True) fetch visual_genome_relation.json, visual_genome_attribution.json and images/ to {folder}."
)
BOX = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")
COLUMNS = ("image_path", "true_caption", "false_caption", *BOX)
FEWEST = 25  # the authors leave pairs of attributes with fewer items out of their mean
RARE = f"fewer than {FEWEST} items have these attributes"


def _crop(images: Path, row: dict[str, Any]) -> ImageFile | None:
    """The part of the photo that the caption is about, as the authors cut it."""
    found = find_image(images, [row["image_path"]])
    left, upper, width, height = (round(row[name]) for name in BOX)
    return found and ImageFile(found.path, (left, upper, left + width, upper + height))


def load(source: str) -> list[Task]:
    """Two tasks: relations by relation, and attributes by pair of attributes.

    "macro" is the authors' figure for attributes. For relations their notebook leaves those out that it lists as
    symmetric; here all count, and each is in metrics.json.
    """
    images = first_existing(source, "images")
    relations, attributes = ChoiceTask("aro_relation", ONE_TRUE_TEXT), ChoiceTask("aro_attribution", ONE_TRUE_TEXT)
    for i, row in enumerate(
        read_rows(Path(source) / "visual_genome_relation.json", (*COLUMNS, "relation_name")),
    ):
        relations.add(row["relation_name"], str(i), [_crop(images, row)], [row["true_caption"], row["false_caption"]])
    rows = read_rows(Path(source) / "visual_genome_attribution.json", (*COLUMNS, "attributes"))
    labels = ["_".join(row["attributes"][:2]) for row in rows]
    counts = Counter(labels)
    for i, (row, label) in enumerate(zip(rows, labels, strict=True)):
        if counts[label] < FEWEST:
            attributes.skipped["rare attributes"][RARE] += 1
        else:
            attributes.add(label, str(i), [_crop(images, row)], [row["true_caption"], row["false_caption"]])
    where = f"Photos are looked for in {images}."
    return [relations.check(where), attributes.check(where)]
