"""SVO-Probes: a sentence, an image of it, and an image with another subject, verb or object.

Hendricks and Nematzadeh 2021, https://arxiv.org/abs/2106.09141.
"""

import csv
from pathlib import Path

from ...data.lazy_images import ImageFile
from ..tasks import ONE_TRUE_IMAGE, ChoiceTask, Task
from ._files import first_existing


DOWNLOAD = (
    "Put svo_probes.csv of https://github.com/google-deepmind/svo_probes in {folder} and the images of its pos_url "
    "and neg_url in {folder}/images, named by pos_image_id and neg_image_id (123.jpg)."
)
KINDS = {"subj_neg": "subject", "verb_neg": "verb", "obj_neg": "object"}
COLUMNS = ("sentence", "pos_image_id", "neg_image_id", *KINDS)
# The authors' notebook leaves these items out, too.
SEVERAL = "not exactly one of subject, verb and object differs"


def load(source: str) -> list[Task]:
    """Load one task: which of two images fits the sentence? The groups say what differs between the images."""
    file, folder = first_existing(source, "svo_probes.csv"), first_existing(source, "images")
    images = {path.stem: ImageFile(path) for path in sorted(Path(folder).iterdir())}
    task = ChoiceTask("svo_probes", ONE_TRUE_IMAGE)
    with open(file, encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise ValueError(f"{file} has the columns {rows.fieldnames}, not {', '.join(missing)}.")
        for i, row in enumerate(rows):
            kinds = [kind for name, kind in KINDS.items() if (row[name] or "").strip().lower() == "true"]
            if len(kinds) != 1:
                task.skipped["several"][SEVERAL] += 1
                continue
            pair = [images.get(row[name].strip()) for name in ("pos_image_id", "neg_image_id")]
            task.add(kinds[0], str(i), pair, [row["sentence"]])
    return [task.require_items(f"Images are looked for in {folder}.")]
