"""Captions without images, from wherever they are: JSONL, CSV, Parquet, COCO's JSON, a dataset folder, a Hub id."""

from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Value

from ..columns import CAPTION, CATEGORIES, IMAGE_ID, NEGATIVE_SOURCES, OTHER_CAPTIONS, ROW_FEATURES
from ..json_files import read_json
from .caption_cells import caption_texts, read_cells
from .coco_annotations import CaptionsOnly, captions_by_image, number_images, read_categories
from .files import CAPTION_COLUMNS, find_column, open_dataset
from .karpathy import karpathy_file, number_entries, read_karpathy, sentences_of, splits_of
from .row_photos import find_row_photos, warn_of_single_rows
from .skip_reasons import EMPTY


_FEATURES = {name: ROW_FEATURES[name] for name in NEGATIVE_SOURCES}


def _read_coco(file: Path) -> Dataset:
    """COCO's captions_*.json, with the categories of the instances_*.json beside it, if there is one."""
    captions = captions_by_image(read_json(file, CaptionsOnly))
    beside = file.with_name(file.name.replace("captions", "instances"))
    categories = read_categories(beside) if beside != file else {}
    if categories and not categories.keys() & captions.keys():
        ids = f"its image ids are such as {next(iter(categories))!r}, and there {next(iter(captions), None)!r}"
        raise ValueError(f"{beside} annotates no image of {file} ({ids}); mend its image_id, or move it away.")
    return Dataset.from_dict(
        {
            IMAGE_ID: list(number_images(captions).values()),
            CAPTION: [[one.get("caption") for one in annotations] for annotations in captions.values()],
            CATEGORIES: [sorted(categories.get(image_id, ())) for image_id in captions],
        }
    )


def _read_karpathy(file: Path, split: str) -> Dataset:
    """The entries of one of Karpathy's split files."""
    images = read_karpathy(file, splits_of(split))
    return Dataset.from_dict({IMAGE_ID: number_entries(images), CAPTION: list(sentences_of(images, file))})


def _open(source: str, split: str, config: str | None) -> Dataset:
    """Any source as a Dataset with one row for each caption or each image."""
    split_file = karpathy_file(source)
    if split_file is not None:
        return _read_karpathy(split_file, split)
    file = Path(source).expanduser()
    return _read_coco(file) if is_coco_file(file) else open_dataset(source, split, config)


def is_coco_file(file: Path) -> bool:
    """Whether a file is one of COCO's, by its content."""
    if file.suffix.lower() != ".json" or not file.is_file() or not file.stat().st_size:
        return False
    data: Any = read_json(file, object)
    return isinstance(data, dict) and "annotations" in data


def _spread(batch: Mapping[str, Sequence], column: str) -> dict[str, list]:
    """One row per caption, the others of the image beside it; empty captions are left out."""
    rows: dict[str, list] = {name: [] for name in _FEATURES}
    ids = batch[IMAGE_ID]
    cells = [batch.get(name) or [None] * len(ids) for name in (column, OTHER_CAPTIONS, CATEGORIES)]
    for image_id, *of_row in zip(ids, *cells, strict=True):
        texts, others, categories = ([text for text in caption_texts(cell) if text.strip()] for cell in of_row)
        for i, text in enumerate(texts):
            beside = list(dict.fromkeys([*texts[:i], *texts[i + 1 :], *others]))
            values = (image_id, text, beside, categories)
            for name, value in zip(rows, values, strict=True):
                rows[name].append(value)
    return rows


def _needed_columns(dataset: Dataset, caption_column: str, source: str) -> Dataset:
    """The columns that captions are made from, with integers that tell the images: none is decoded."""
    photos = find_row_photos(dataset, source, caption_column=caption_column)
    warn_of_single_rows(photos, dataset, caption_column, source)
    names = [name for name in (OTHER_CAPTIONS, CATEGORIES) if name in dataset.column_names]
    for name in names:
        deque(read_cells(dataset[name], name, source), maxlen=0)
    return dataset.select_columns([caption_column, *names]).add_column(
        IMAGE_ID, photos.numbers, feature=Value("int64")
    )


def _add_others(rows: Dataset) -> Dataset:
    """Fill `other_captions` where an image has several rows in the source. All captions are in memory for it."""
    of_image = defaultdict(list)
    for image_id, caption in zip(rows[IMAGE_ID], rows[CAPTION], strict=True):
        of_image[image_id].append(caption)
    others = [
        list(dict.fromkeys([*known, *(text for text in of_image[image_id] if text != caption)]))
        for image_id, caption, known in zip(rows[IMAGE_ID], rows[CAPTION], rows[OTHER_CAPTIONS], strict=True)
    ]
    rows = rows.remove_columns(OTHER_CAPTIONS).add_column(OTHER_CAPTIONS, others, feature=_FEATURES[OTHER_CAPTIONS])
    return rows.select_columns(NEGATIVE_SOURCES)


def read_captions(
    source: str, caption_column: str | None = None, split: str = "train", config: str | None = None
) -> tuple[Dataset, Counter[str]]:
    """Read captions, one or a list of them in a row.

    Columns `other_captions` and `categories` are used where they are there. Rows of one image become each other's
    other captions; `row_photos.find_row_photos` tells the images, as for the training.

    Args:
        source: What `files.open_dataset` opens, COCO's captions_*.json (instances_*.json beside it is used), or
            Karpathy's dataset_*.json or its folder ("train" has restval).
        caption_column: Its name; None takes the first of `CAPTION_COLUMNS` that is there.
        split: Of a folder or Hub id.
        config: The name of the configuration, where a folder or a Hub id has several.

    Returns:
        Rows with the columns of `columns.NEGATIVE_SOURCES`, one per caption, and what was skipped by reason.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is broken, of another format, lacks a column, or holds no caption.
    """
    dataset = _open(source, split, config)
    name = find_column(caption_column, CAPTION_COLUMNS, dataset.column_names, source, "--caption_column")
    total = sum(map(len, read_cells(dataset[name], name, source)))
    needed = _needed_columns(dataset, name, source)
    rows = needed.map(
        _spread,
        batched=True,
        fn_kwargs={"column": name},
        remove_columns=needed.column_names,
        features=Features(_FEATURES),
        desc="Reading captions",
    )
    if not len(rows):
        raise ValueError(f"{source} holds no caption: all {total} are empty.")
    if len(needed.unique(IMAGE_ID)) < len(needed):
        rows = _add_others(rows)
    return rows, +Counter({EMPTY: total - len(rows)})
