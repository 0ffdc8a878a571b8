"""Zero-shot classification of a folder of images by class, or of a labeled dataset on the Hub. It shows forgetting."""

import re
from pathlib import Path

from datasets import ClassLabel, Dataset

from ...data.files import read_json, require_columns
from ...data.image_columns import find_image_column
from ...data.lazy_images import ImageFile
from ..classification import PROMPTS, UNLABELED, ClassificationTask
from ..tasks import Task
from ._files import IMAGE_ADVICE, is_dataset_folder, open_table, table_images


DOWNLOAD = (
    "Put images in {folder}/CLASS/ (or {folder}/test/CLASS/), a folder for each class. Beside these folders, "
    "classes.json may map their names to class names, and templates.json may list prompts with {{}} for the class. Or "
    "use zero_shot=ID:SPLIT of a dataset on the Hub with images and labels (SPLIT is test if it is left out)."
)
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"}
LABEL_COLUMNS = ("label", "labels", "fine_label", "class", "category", "target")
TEST_SPLITS = ("test", "val", "validation")
NO_CLASSES = (
    "__MACOSX",
    "__pycache__",
    "lost+found",
)  # programs leave them


def load(
    source: str, split: str | None = None, image_column: str | None = None, label_column: str | None = None
) -> list[Task]:
    """Load one task: how often the right class is the best, and among the best five.

    Args:
        source: A folder with a folder for each class, a local dataset, or a Hub id.
        split: By default "test" of a dataset; of a folder the first of test/, val/ and validation/ that is there, or
            else the folder itself.
        image_column: Of a dataset; by default it is found.
        label_column: Of a dataset: its labels with their names (ClassLabel); by default it is found.
    """
    folder = Path(source)
    if folder.is_dir() and not is_dataset_folder(folder):
        return [_from_folder(folder, split)]
    return [_from_table(source, split or "test", image_column, label_column)]


def _from_table(source: str, split: str, image_column: str | None, label_column: str | None) -> ClassificationTask:
    table = open_table(source, split)
    image, label = (
        find_image_column(image_column, table.features, source, IMAGE_ADVICE),
        _find_label_column(table, source, label_column),
    )
    about = f"split {split}, image column {image}, label column {label}"
    names = [name.replace("_", " ") for name in table.features[label].names]
    task = ClassificationTask("zero_shot", names, about=about)
    for picture, number in zip(table_images(table, image, source), table[label], strict=True):
        task.add(picture, number)
    if len(table) and task.skipped["all"][UNLABELED] == len(table):
        splits = f"; it has the splits {sorted(table.info.splits)}" if table.info.splits else ""
        raise ValueError(
            f"All {len(table):,} images in the split {split!r} of {source} are unlabeled. Choose another one with "
            f"zero_shot={source}:SPLIT{splits}."
        )
    return task


def _find_label_column(table: Dataset, source: str, wish: str | None) -> str:
    """The wished column, or the one of `LABEL_COLUMNS` or the only one that has labels with names (ClassLabel)."""
    labeled = [name for name, feature in table.features.items() if isinstance(feature, ClassLabel)]
    if wish is not None:
        require_columns(table.column_names, [wish], source)
    usual = [name for name in ([wish] if wish else LABEL_COLUMNS) if name in labeled]
    if not usual and (wish or len(labeled) != 1):
        raise ValueError(
            f"{source} has the columns {table.features}. The labels must be a ClassLabel, which has the names of the "
            f"classes; {labeled or 'none'} are. Rename one to label, or name it with --label_column of hf-hardneg "
            "evaluate."
        )
    return (usual or labeled)[0]


def _is_left_over(path: Path) -> bool:
    """Whether a program made a file or folder beside those of the user, such as .ipynb_checkpoints or ._1.jpg."""
    return path.name.startswith(".") or path.name in NO_CLASSES


def _class_root(folder: Path, split: str | None) -> Path:
    """The folder that has the folders of the classes."""
    if split is not None and not (folder / split).is_dir():
        found = sorted(path.name for path in folder.iterdir() if path.is_dir())
        raise ValueError(f"{folder} has no folder {split!r}, but {found[:10]}.")
    return next((folder / name for name in ([split] if split else TEST_SPLITS) if (folder / name).is_dir()), folder)


def _from_folder(folder: Path, split: str | None) -> ClassificationTask:
    root = _class_root(folder, split)
    class_folders = {path.name: path for path in sorted(root.iterdir()) if path.is_dir() and not _is_left_over(path)}
    if len(class_folders) < 2 or class_folders.keys() <= {"train", *TEST_SPLITS}:
        raise FileNotFoundError(f"{root} has the class folders {sorted(class_folders)}; it needs two or more.")
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
    about = "" if root == folder else f"folder {root.name}"
    task = ClassificationTask("zero_shot", list(names.values()), templates=templates, about=about)
    for label, path in enumerate(class_folders.values()):
        images = (file for file in sorted(path.iterdir()) if file.suffix.lower() in IMAGE_SUFFIXES)
        files = [file for file in images if not _is_left_over(file)]
        if not files:
            task.skipped["all"][f"the class {path.name} has no images"] += 1
        for file in files:
            task.add(ImageFile(file), label)
    return task
