"""Retrieval sets: Karpathy's split files, COCO's official layout, and data sets with an image and its captions."""

from pathlib import Path
from typing import Any

from ...columns import IMAGE
from ...data.coco import is_coco_folder, load_coco
from ...data.files import CAPTION_COLUMNS, read_json
from ...data.lazy_images import find_image, row_images
from ..retrieval import RetrievalTask, rows_task
from ._files import open_table


CAPTIONS = 5  # an image; a few have six or seven, and the usual 25,000 of COCO are the first five
IMAGE_FOLDERS = ("flickr30k-images", "flickr30k_images", "images", "")


def load_retrieval(name: str, source: str, folds: int = 1) -> RetrievalTask:
    """A retrieval task of the test split.

    Raises:
        FileNotFoundError: If there is nothing of a known form.
        ValueError: If a file is not what it should be, or contradicts itself about an id.
    """
    task = _read(name, source, folds)
    if len(task) < 2:
        counts = {group: dict(reasons) for group, reasons in task.skipped.items()}
        raise ValueError(f"{source} has {len(task)} images that can be used; retrieval needs two. Skipped: {counts}.")
    return task


def _read(name: str, source: str, folds: int) -> RetrievalTask:
    file = Path(source) / f"dataset_{name}.json"
    if file.is_file():
        return _from_karpathy(name, file, folds)
    if is_coco_folder(source):
        rows, skipped = load_coco(source)
        task = rows_task(name, rows)
        task.captions = {image_id: captions[:CAPTIONS] for image_id, captions in task.captions.items()}
        task.skipped[task.group] += skipped
        return task
    if Path(source).is_dir() and not any(Path(source).glob("**/*.parquet")):
        raise FileNotFoundError(f"{source} holds no {file.name}.")
    return _from_table(name, source, folds)


def _from_karpathy(name: str, file: Path, folds: int) -> RetrievalTask:
    data = read_json(file)
    if not isinstance(data, dict) or not isinstance(data.get("images"), list):
        raise ValueError(f"{file} is no split file of Karpathy's: it has no list 'images'; fetch it again.")
    entries = [entry for entry in data["images"] if entry.get("split") == "test"]
    if not entries:
        raise ValueError(f"{file} has {len(data['images'])} images, but none of the split 'test'; fetch it again.")
    task = RetrievalTask(name, folds=folds if len(entries) % folds == 0 and len(entries) // folds > 1 else 1)
    for entry in entries:
        _check(entry, file)
        if entry["imgid"] in task.captions:
            raise ValueError(f"{file} has two images of the id {entry['imgid']}; fetch it again.")
        names = [str(Path(folder) / entry["filename"]) for folder in (entry.get("filepath", ""), *IMAGE_FOLDERS)]
        captions = [sentence["raw"] for sentence in entry["sentences"][:CAPTIONS]]
        task.add(entry["imgid"], find_image(file.parent, names), captions)
    if not len(task):
        raise FileNotFoundError(f"None of {len(entries)} photos of {file} is there.")
    return task


def _check(entry: dict[str, Any], file: Path) -> None:
    try:
        ids = {sentence["imgid"] for sentence in entry["sentences"]}
        filename = entry["filename"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"An image of {file} lacks {error}; fetch it again.") from error
    if ids - {entry["imgid"]}:
        raise ValueError(f"{file} disagrees about {filename}: image {entry['imgid']} has captions of {sorted(ids)}.")
    number = "".join(filter(str.isdigit, Path(filename).stem.split("_")[-1]))
    if "cocoid" in entry and int(number or -1) != entry["cocoid"]:
        raise ValueError(f"{file} disagrees about {filename}: its cocoid is {entry['cocoid']}.")


def _from_table(name: str, source: str, folds: int) -> RetrievalTask:
    table = open_table(source, "test", [IMAGE])
    if "split" in table.column_names:  # nlphuji/flickr30k has all of Flickr30k as 'test', and Karpathy's in a column
        table = table.select([i for i, split in enumerate(table["split"]) if split == "test"])
    column = next((name for name in CAPTION_COLUMNS if name in table.column_names), None)
    if column is None:
        raise ValueError(f"{source} has the columns {table.column_names}, none of {', '.join(CAPTION_COLUMNS)}.")
    task = RetrievalTask(name, folds=folds if len(table) % folds == 0 and len(table) // folds > 1 else 1)
    for i, (image, texts) in enumerate(zip(row_images(table, IMAGE), table[column], strict=True)):
        task.add(i, image, (texts if isinstance(texts, list) else [texts])[:CAPTIONS])
    return task
