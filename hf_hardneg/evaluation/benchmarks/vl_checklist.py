"""VL-CheckList: objects, attributes and relations, with one word replaced.

Zhao et al. 2022, https://arxiv.org/abs/2207.00221.
"""

from pathlib import Path

from ...data.files import read_json
from ...data.lazy_images import find_image
from ..tasks import ONE_TRUE_TEXT, ChoiceTask, Task
from ._files import first_existing


DOWNLOAD = (
    "Clone https://github.com/om-ai-lab/VL-CheckList to {folder} (it has data/Attribute, data/Object and "
    "data/Relation) and put the photos in {folder}/images/vg/VG_100K and VG_100K_2, images/swig and images/hake, as "
    "its DATASETS.md says."
)
TASK_TYPES = ("Object", "Attribute", "Relation")
NO_PHOTOS = "the photos of this source are missing"
EMPTY_FILE = "the authors' file is empty"


def _corpus(name: str) -> str:
    """The corpus of a file's photos. VAW uses the photos of Visual Genome.

    Examples:
        >>> _corpus("Attribute/vaw/color"), _corpus("Object/Size/hake_size/hake_obj_small")
        ('vg', 'hake')
    """
    return next(corpus for corpus, part in (("hake", "hake"), ("swig", "swig"), ("vg", "v")) if f"/{part}" in name)


def load(source: str) -> list[Task]:
    """Load one task for each type, with one group for each of the authors' files.

    Files whose photos are missing are counted as skipped. Like the authors' program, only the first text of POS and of
    NEG is taken.
    """
    data, images = first_existing(source, "data"), first_existing(source, "images", "data/images")
    tasks = []
    for kind in TASK_TYPES:
        task = ChoiceTask(f"vl_checklist_{kind.lower()}", ONE_TRUE_TEXT)
        for file in sorted((data / kind).glob("**/*.json")):
            _read_group(task, file, str(file.relative_to(data).with_suffix("")), images)
        if not len(task) and not task.skipped:
            raise FileNotFoundError(f"{data / kind} has no JSON files.")
        tasks.append(task)
    usable = [task for task in tasks if len(task)]
    if not usable:
        tasks[0].require_items(f"Photos are looked for in {images}.")
    return [*usable]


def _read_group(task: ChoiceTask, file: Path, group: str, images: Path) -> None:
    rows = read_json(file)
    if not rows:
        task.skipped[group][EMPTY_FILE] += 1
        return
    folder = images / _corpus(group)
    if not folder.is_dir():
        task.skipped[group][NO_PHOTOS] += len(rows)
        return
    for i, row in enumerate(rows):
        try:
            path, texts = row
            pair = [texts["POS"][0], texts["NEG"][0]]
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise ValueError(f"Row {i} of {file} is not [path, {{POS: [..], NEG: [..]}}]: {row}.") from error
        task.add(group, f"{group}/{i}", [find_image(folder, [path])], pair)
