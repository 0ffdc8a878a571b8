"""Read retrieval sets: Karpathy's split files, COCO's official layout, and datasets with an image and its captions.

The splits are those of Karpathy and Fei-Fei 2015, https://arxiv.org/abs/1412.2306.
"""

from pathlib import Path
from typing import Any

from ...columns import IMAGE
from ...data.coco import is_coco_folder, load_coco
from ...data.files import CAPTION_COLUMNS, read_json
from ...data.lazy_images import find_image, row_images
from ..retrieval import RetrievalTask, rows_task
from ._files import open_table


MAX_CAPTIONS = (
    5  # of an image; a few images have six or seven, but the usual 25,000 captions of COCO are the first five
)
PHOTO_FOLDERS = ("flickr30k-images", "flickr30k_images", "images", "")


def load_retrieval(name: str, source: str, folds: int = 1) -> RetrievalTask:
    """Load the test split of a retrieval set.

    Args:
        name: "coco" or "flickr30k".
        source: A folder or a Hub id.
        folds: If above 1, recall is also measured within so many equal parts.

    Raises:
        FileNotFoundError: If the source has no data of a known form.
        ValueError: If a file has another form than expected, or contradicts itself about an id.
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
        task.captions = {image_id: captions[:MAX_CAPTIONS] for image_id, captions in task.captions.items()}
        task.skipped[task.group] += skipped
        return task
    if Path(source).is_dir() and not any(Path(source).glob("**/*.parquet")):
        raise FileNotFoundError(f"{source} has no {file.name}.")
    return _from_table(name, source, folds)


def _from_karpathy(name: str, file: Path, folds: int) -> RetrievalTask:
    data = read_json(file)
    if not isinstance(data, dict) or not isinstance(data.get("images"), list):
        raise ValueError(f"{file} is not one of Karpathy's split files: it has no list 'images'; download it again.")
    entries = [entry for entry in data["images"] if entry.get("split") == "test"]
    if not entries:
        raise ValueError(f"{file} has {len(data['images'])} images, but none in the split 'test'; download it again.")
    task = RetrievalTask(name, folds=folds if len(entries) % folds == 0 and len(entries) // folds > 1 else 1)
    for entry in entries:
        _check_entry(entry, file)
        if entry["imgid"] in task.captions:
            raise ValueError(f"{file} has two images with the id {entry['imgid']}; download it again.")
        names = [str(Path(folder) / entry["filename"]) for folder in (entry.get("filepath", ""), *PHOTO_FOLDERS)]
        captions = [sentence["raw"] for sentence in entry["sentences"][:MAX_CAPTIONS]]
        task.add(entry["imgid"], find_image(file.parent, names), captions)
    if not len(task):
        raise FileNotFoundError(f"None of the {len(entries)} photos that {file} names exists.")
    return task


def _check_entry(entry: dict[str, Any], file: Path) -> None:
    try:
        ids = {sentence["imgid"] for sentence in entry["sentences"]}
        filename = entry["filename"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"An image of {file} lacks {error}; download it again.") from error
    if ids - {entry["imgid"]}:
        raise ValueError(f"{file} disagrees about {filename}: image {entry['imgid']} has captions of {sorted(ids)}.")
    coco_id = "".join(filter(str.isdigit, Path(filename).stem.split("_")[-1]))
    if "cocoid" in entry and int(coco_id or -1) != entry["cocoid"]:
        raise ValueError(f"{file} disagrees about {filename}: its cocoid is {entry['cocoid']}.")


def _from_table(name: str, source: str, folds: int) -> RetrievalTask:
    table = open_table(source, "test", [IMAGE])
    if "split" in table.column_names:  # nlphuji/flickr30k has all images in 'test', and Karpathy's split in a column
        table = table.select([i for i, split in enumerate(table["split"]) if split == "test"])
    column = next((name for name in CAPTION_COLUMNS if name in table.column_names), None)
    if column is None:
        raise ValueError(f"{source} has the columns {table.column_names}, none of {', '.join(CAPTION_COLUMNS)}.")
    task = RetrievalTask(name, folds=folds if len(table) % folds == 0 and len(table) // folds > 1 else 1)
    for i, (image, texts) in enumerate(zip(row_images(table, IMAGE), table[column], strict=True)):
        task.add(i, image, (texts if isinstance(texts, list) else [texts])[:MAX_CAPTIONS])
    return task
