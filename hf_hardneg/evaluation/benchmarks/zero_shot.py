"""Zero-shot classification of a folder of images by class, or of a labeled dataset on the Hub. It shows forgetting."""

import re
from pathlib import Path

from datasets import ClassLabel

from ...columns import IMAGE
from ...data.files import read_json
from ...data.lazy_images import ImageFile, row_images
from ..classification import PROMPTS, ClassificationTask
from ..tasks import Task
from ._files import open_table


DOWNLOAD = (
    "Put images in {folder}/CLASS/ (or {folder}/test/CLASS/), a folder for each class. Beside these folders, "
    "classes.json may map their names to class names, and templates.json may list prompts with {{}} for the class. Or "
    "use zero_shot=ID of a dataset on the Hub with the columns image and label and the split test."
)
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"}
LABEL_COLUMNS = ("label", "labels", "fine_label")


def load(source: str) -> list[Task]:
    """Load one task: how often the right class is the best, and among the best five."""
    folder = Path(source)
    if folder.is_dir() and not any(folder.glob("**/*.parquet")) and not (folder / "dataset_info.json").is_file():
        return [_from_folder(folder)]
    table = open_table(source, "test", [IMAGE])
    column = next((name for name in LABEL_COLUMNS if name in table.column_names), None)
    feature = column and table.features[column]
    if not isinstance(feature, ClassLabel):
        raise ValueError(
            f"{source} has the columns {table.features}; one of {', '.join(LABEL_COLUMNS)} must be a ClassLabel."
        )
    task = ClassificationTask("zero_shot", [name.replace("_", " ") for name in feature.names])
    for image, label in zip(row_images(table, IMAGE), table[column], strict=True):
        task.add(image, label)
    return [task]


def _from_folder(folder: Path) -> ClassificationTask:
    root = folder / "test" if (folder / "test").is_dir() else folder
    class_folders = {path.name: path for path in sorted(root.iterdir()) if path.is_dir()}
    if len(class_folders) < 2:
        raise FileNotFoundError(f"{root} has {len(class_folders)} class folders; it needs two or more.")
    names = {name: name.replace("_", " ") for name in class_folders}
    if (folder / "classes.json").is_file():
        given = read_json(folder / "classes.json")
        if not isinstance(given, dict) or not set(class_folders) <= set(given):
            raise ValueError(f"{folder / 'classes.json'} must map every folder of {root} to a class name.")
        names = {name: given[name] for name in class_folders}
    elif all(re.fullmatch(r"n\d{8}", name) for name in class_folders):
        raise ValueError(f"The folders of {root} are WordNet ids; map them to class names in {folder}/classes.json.")
    templates = PROMPTS
    if (folder / "templates.json").is_file():
        templates = tuple(read_json(folder / "templates.json"))
        if not templates or not all("{}" in template for template in templates):
            raise ValueError(f"{folder / 'templates.json'} must list prompts with {{}} in each, not {templates}.")
    task = ClassificationTask("zero_shot", list(names.values()), templates=templates)
    for label, path in enumerate(class_folders.values()):
        files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in IMAGE_SUFFIXES]
        if not files:
            task.skipped["all"][f"the class {path.name} has no images"] += 1
        for file in files:
            task.add(ImageFile(file), label)
    return task
