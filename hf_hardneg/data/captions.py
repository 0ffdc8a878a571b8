"""Captions without images, from wherever they are: JSONL, CSV, Parquet, COCO's JSON, a dataset folder, a Hub id."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, List, Value, load_dataset
from datasets.exceptions import DatasetGenerationError

from ..columns import CAPTION, CATEGORIES, IMAGE_ID, NEGATIVE_SOURCES, OTHER_CAPTIONS, ROW_FEATURES
from ..json_files import read_json, require_json_rows
from ..user_errors import naming
from .coco_annotations import CaptionsOnly, captions_by_image, read_categories
from .files import CAPTION_COLUMNS, find_column, open_dataset
from .skip_reasons import EMPTY


BUILDERS = {".jsonl": "json", ".ndjson": "json", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}
_FEATURES = {name: ROW_FEATURES[name] for name in NEGATIVE_SOURCES}


def _read_coco(file: Path) -> Dataset:
    """COCO's captions_*.json, with the categories of the instances_*.json beside it, if there is one."""
    captions = captions_by_image(read_json(file, CaptionsOnly))
    beside = file.with_name(file.name.replace("captions", "instances"))
    categories = read_categories(beside) if beside != file else {}
    return Dataset.from_dict(
        {
            IMAGE_ID: list(captions),
            CAPTION: [[one.get("caption") for one in annotations] for annotations in captions.values()],
            CATEGORIES: [sorted(categories.get(image_id, ())) for image_id in captions],
        }
    )


def _open(source: str, split: str) -> Dataset:
    """Any source as a Dataset with one row for each caption or each image."""
    file = Path(source)
    ending = file.suffix.lower()
    if not file.is_file():
        if ending in BUILDERS:
            raise FileNotFoundError(f"There is no {source}.")
        return open_dataset(source, split)
    if ending not in BUILDERS:
        raise ValueError(f"{source} ends in {ending!r}; known are {', '.join(BUILDERS)}, dataset folders and Hub ids.")
    if not file.stat().st_size:
        raise ValueError(f"{source} is empty; check how it was written.")
    if ending == ".json":
        data: Any = read_json(file, object)
        if isinstance(data, dict):
            if "annotations" not in data:
                raise ValueError(f"{source} holds {sorted(data)[:5]}; COCO's captions hold images and annotations.")
            return _read_coco(file)
    if BUILDERS[ending] == "json":
        require_json_rows(file)
    options = {"sep": "\t"} if ending == ".tsv" else {}
    try:
        with naming(source):
            return load_dataset(BUILDERS[ending], data_files=source, split="train", **options)
    except (DatasetGenerationError, ValueError, StopIteration) as error:
        why = error.__cause__ or error
        raise ValueError(f"{source} is no valid {ending} file ({why}); check how it was written.") from error


def _spread(batch: Mapping[str, Sequence], indices: Sequence[int], column: str) -> dict[str, list]:
    """One row per caption, the others of the image beside it; empty captions are left out."""
    rows: dict[str, list] = {name: [] for name in _FEATURES}
    categories = batch.get(CATEGORIES) or [[] for _ in indices]
    ids = batch.get(IMAGE_ID) or indices
    known = batch.get(OTHER_CAPTIONS) or [[] for _ in indices]
    for image_id, texts, others, of_image in zip(ids, batch[column], known, categories, strict=True):
        texts = [text for text in (texts if isinstance(texts, list) else [texts]) if text and text.strip()]
        for i, text in enumerate(texts):
            values = (image_id, text, [*texts[:i], *texts[i + 1 :], *(others or [])], of_image or [])
            for name, value in zip(rows, values, strict=True):
                rows[name].append(value)
    return rows


def _add_others(rows: Dataset) -> Dataset:
    """Fill `other_captions` where an image has several rows."""
    of_image = defaultdict(list)
    for image_id, caption in zip(rows[IMAGE_ID], rows[CAPTION], strict=True):
        of_image[image_id].append(caption)
    if len(of_image) == len(rows):
        return rows
    others = [
        list(dict.fromkeys([*known, *(text for text in of_image[image_id] if text != caption)]))
        for image_id, caption, known in zip(rows[IMAGE_ID], rows[CAPTION], rows[OTHER_CAPTIONS], strict=True)
    ]
    rows = rows.remove_columns(OTHER_CAPTIONS).add_column(OTHER_CAPTIONS, others, feature=_FEATURES[OTHER_CAPTIONS])
    return rows.select_columns(NEGATIVE_SOURCES)


def read_captions(
    source: str, caption_column: str | None = None, split: str = "train"
) -> tuple[Dataset, Counter[str]]:
    """Read captions, one or a list of them in a row.

    Columns `image_id` (integers), `other_captions` and `categories` are used where they are there; rows of one
    `image_id` become each other's other captions. Without it every row is an image of its own.

    Args:
        source: A .jsonl, .json, .csv, .tsv or .parquet file, COCO's captions_*.json (instances_*.json beside it is
            used), a folder that `datasets` opens, or a Hub id.
        caption_column: Its name; None takes the first of `CAPTION_COLUMNS` that is there.
        split: Of a folder or Hub id.

    Returns:
        Rows with the columns of `columns.NEGATIVE_SOURCES`, one per caption, and what was skipped by reason.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is broken, of another format, lacks a column, or holds no caption.
    """
    dataset = _open(source, split)
    columns = dataset.column_names
    name = find_column(caption_column, CAPTION_COLUMNS, columns, source, "--caption_column")
    feature = dataset.features[name]
    if feature not in (Value("string"), Value("large_string"), List(Value("string")), List(Value("large_string"))):
        raise ValueError(f"Column {name!r} of {source} holds {feature}, not strings or lists of strings.")
    if IMAGE_ID in columns and not str(getattr(dataset.features[IMAGE_ID], "dtype", "")).startswith(("int", "uint")):
        raise ValueError(f"Column {IMAGE_ID!r} of {source} must hold integers; rename it or number the images.")
    total = sum(len(text) if isinstance(text, list) else 1 for text in dataset[name])
    rows = dataset.map(
        _spread,
        batched=True,
        with_indices=True,
        fn_kwargs={"column": name},
        remove_columns=columns,
        features=Features(_FEATURES),
        desc="Reading captions",
    )
    if not len(rows):
        raise ValueError(f"{source} holds no caption: all {total} are empty.")
    return _add_others(rows), +Counter({EMPTY: total - len(rows)})
