"""Read retrieval sets: Karpathy's split files, COCO's official layout, and datasets with an image and its captions.

The splits are those of Karpathy and Fei-Fei 2015, https://arxiv.org/abs/1412.2306.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from ...data.caption_cells import read_cells
from ...data.coco import is_coco_folder
from ...data.coco_annotations import CAPTIONS, annotation_file, captions_by_image, find_splits, read_annotations
from ...data.files import CAPTION_COLUMNS
from ...data.image_columns import find_image_column
from ...data.karpathy import PHOTO_FOLDERS, KarpathyImage, read_karpathy, sentences_of
from ...data.lazy_images import find_image
from ...data.photo_places import coco_folders
from ...data.row_photos import find_row_photos, warn_of_single_rows
from ...data.same_photo import plain_id
from ...data.skip_reasons import MISSING, NO_IMAGE
from ..retrieval import RetrievalTask
from ._files import IMAGE_ADVICE, is_dataset_folder, open_table, table_images


# Of an image. A few have six or seven, but the usual 25,000 captions of COCO are the first five.
MAX_CAPTIONS = 5
SIZES = {"coco": 5000, "flickr30k": 1000}  # images of Karpathy's test splits


def load_retrieval(
    name: str, source: str, split: str | None = None, image_column: str | None = None, folds: int = 1
) -> RetrievalTask:
    """Load a split of a retrieval set.

    Args:
        name: "coco" or "flickr30k".
        source: A folder or a Hub id.
        split: By default "test" of Karpathy's split and of datasets, and of COCO's official layout the one whose name
            begins with "val".
        image_column: Of a dataset; by default it is found.
        folds: If above 1, recall is also measured within so many parts. A set of another size than the benchmark's has
            no folds, and its results have its size for a label.

    Raises:
        FileNotFoundError: If the source has no data of a known form, or photos are missing: retrieval among fewer
            photos is easier, so its scores are not those of the benchmark.
        ValueError: If there is no such split, or a file has another form than expected, or contradicts itself about an
            id.
    """
    task = _read(name, source, split, image_column)
    if len(task.listed) == SIZES[name]:
        task.folds = folds
    else:
        task.group = f"{len(task.listed):,} images"
    missing = sum(counts[MISSING] for counts in task.skipped.values())
    if missing:
        raise FileNotFoundError(
            f"{missing:,} of the {len(task.listed):,} photos that {source} lists are missing. Retrieval among fewer "
            f"photos is easier, so {name} is not scored without them."
        )
    if len(task) < 2:
        counts = {group: dict(reasons) for group, reasons in task.skipped.items()}
        raise ValueError(f"{source} has {len(task)} images that can be used; retrieval needs two. Skipped: {counts}.")
    return task


def _read(name: str, source: str, split: str | None, image_column: str | None) -> RetrievalTask:
    file = Path(source) / f"dataset_{name}.json"
    has_official = is_coco_folder(source)
    if file.is_file() and not (has_official and split in find_splits(Path(source))):
        return _from_karpathy(name, file, split or "test")
    if has_official:
        return _from_official(name, source, split)
    if Path(source).is_dir() and not is_dataset_folder(Path(source)):
        raise FileNotFoundError(f"{source} has no {file.name}.")
    return _from_table(name, source, split or "test", image_column)


def _from_karpathy(name: str, file: Path, split: str) -> RetrievalTask:
    images = read_karpathy(file, (split,))
    task = RetrievalTask(name, about=f"split {split}")
    for image, captions in zip(images, sentences_of(images, file), strict=True):
        _check_image(image, file)
        image_id = image.filename if image.imgid is None else image.imgid
        if image_id in task.listed:
            raise ValueError(f"{file} has two images with the id {image_id}; download it again.")
        names = [str(Path(folder) / image.filename) for folder in (image.filepath, *PHOTO_FOLDERS)]
        task.add(image_id, find_image(file.parent, names), captions[:MAX_CAPTIONS])
    return task


def _check_image(image: KarpathyImage, file: Path) -> None:
    """Raise a ValueError if a file contradicts itself about an image: its captions would be of another one."""
    others = [one["imgid"] for one in image.sentences if one.get("imgid", image.imgid) != image.imgid]
    if others:
        raise ValueError(
            f"{file} disagrees about {image.filename}: image {image.imgid} has a caption of image {others[0]}."
        )
    coco_id = "".join(filter(str.isdigit, Path(image.filename).stem.split("_")[-1]))
    if image.cocoid is not None and int(coco_id or -1) != image.cocoid:
        raise ValueError(f"{file} disagrees about {image.filename}: its cocoid is {image.cocoid}.")


def _official_split(name: str, source: str, split: str | None) -> str:
    """The split of COCO's official layout: the named one, the only one, or the only one that begins with "val"."""
    splits = find_splits(Path(source))
    if split in splits:
        return str(split)
    usual = splits if len(splits) == 1 else [one for one in splits if one.startswith("val")]
    if split is None and len(usual) == 1:
        return usual[0]
    wanted = "several to evaluate on" if split is None else f"no captions of {split!r}"
    raise ValueError(f"{source} has {wanted}; choose one of the splits {splits}: {name}={source}:SPLIT.")


def _from_official(name: str, source: str, split: str | None) -> RetrievalTask:
    folder, split = Path(source), _official_split(name, source, split)
    data = read_annotations(annotation_file(folder, CAPTIONS, split), CAPTIONS)
    captions = captions_by_image(data)
    task = RetrievalTask(name, about=f"split {split}")
    for image in data["images"]:
        image_id = plain_id(image["id"])
        if image_id in captions:
            file = image["file_name"]
            found = find_image(folder, [str(place / file) for place in coco_folders(Path(), split)])
            task.add(image_id, found, [one.get("caption") for one in captions[image_id]][:MAX_CAPTIONS])
    lost = sum(len(texts) for image_id, texts in captions.items() if image_id not in task.listed)
    task.skipped[task.group] += Counter({NO_IMAGE: lost})
    return task


def _from_table(name: str, source: str, split: str, image_column: str | None) -> RetrievalTask:
    table = open_table(source, split)
    if "split" in table.column_names:  # nlphuji/flickr30k has all images in 'test', and Karpathy's split in a column
        table = table.select([i for i, of_row in enumerate(table["split"]) if of_row == split])
    column = next((name for name in CAPTION_COLUMNS if name in table.column_names), None)
    if column is None:
        raise ValueError(f"{source} has the columns {table.column_names}, none of {', '.join(CAPTION_COLUMNS)}.")
    of_images = find_image_column(image_column, table.features, source, IMAGE_ADVICE)
    task = RetrievalTask(name, about=f"split {split}, image column {of_images}, caption column {column}")
    cells = list(read_cells(table[column], column, source))
    images = table_images(table, of_images, source)
    row_photos = find_row_photos(table, source, of_images, column)
    warn_of_single_rows(row_photos, table, column, source)
    photos: dict[int, tuple[Any, list[str]]] = {}
    for number, image, texts in zip(row_photos.numbers, images, cells, strict=True):
        known, captions = photos.get(number, (None, []))
        photos[number] = (known or image, captions + texts)
    for number, (image, captions) in photos.items():
        task.add(number, image, captions[:MAX_CAPTIONS])
    return task
