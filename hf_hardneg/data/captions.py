"""Captions without images, from wherever they are: JSONL, CSV, Parquet, COCO's JSON, a dataset folder, a Hub id."""

import ast
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Value

from ..columns import CAPTION, CATEGORIES, IMAGE_ID, NEGATIVE_SOURCES, OTHER_CAPTIONS, ROW_FEATURES
from ..json_files import read_json
from .coco_annotations import CaptionsOnly, captions_by_image, read_categories
from .files import CAPTION_COLUMNS, find_column, open_dataset
from .image_ids import find_id_column, number_images
from .skip_reasons import EMPTY


_FEATURES = {name: ROW_FEATURES[name] for name in NEGATIVE_SOURCES}
TEXT_FIELDS = ("raw", CAPTION, "text", "sentence")  # where an object says a caption; "raw" is Karpathy's


def _spelled_list(text: str) -> list[str] | None:
    """The texts of a list that a CSV cell spells as Python or JSON code; None if it spells none."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        values = ast.literal_eval(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return values if isinstance(values, list) and all(isinstance(value, str) for value in values) else None


def caption_texts(value: Any) -> list[str]:
    """The captions of one cell.

    Args:
        value: A string, an object that says the caption in one of `TEXT_FIELDS`, a list of these, null, or a string
            that spells a list of strings.

    Returns:
        The captions as they are written. A null becomes an empty string, so that it can be counted.

    Raises:
        ValueError: If it is a number, a list of lists, or an object without a caption; the message says which.

    Examples:
        >>> caption_texts("a cat"), caption_texts([{"raw": "a cat", "sentid": 3}, None]), caption_texts('["a", "b"]')
        (['a cat'], ['a cat', ''], ['a', 'b'])
    """
    if isinstance(value, list | tuple):
        return [text for one in value for text in _texts_of_one(one)]
    spelled = _spelled_list(value.strip()) if isinstance(value, str) else None
    return _texts_of_one(value) if spelled is None else spelled


def _texts_of_one(value: Any) -> list[str]:
    """The captions of a cell or of an element of its list; an object of lists is how Arrow keeps lists of objects."""
    if value is None or isinstance(value, str):
        return [value or ""]
    if isinstance(value, Mapping):
        for name in TEXT_FIELDS:
            if name in value:
                inner = value[name]
                if inner is None or isinstance(inner, str):
                    return [inner or ""]
                if isinstance(inner, list) and all(text is None or isinstance(text, str) for text in inner):
                    return [text or "" for text in inner]
        raise ValueError(f"an object with {sorted(value)}, and no caption in one of {', '.join(TEXT_FIELDS)}")
    kind = "a list of lists" if isinstance(value, list | tuple) else f"{type(value).__name__} {str(value)[:40]}"
    raise ValueError(f"{kind}, where a caption is a string")


def read_cells(values: Iterable[Any], column: str, source: str | Path) -> Iterator[list[str]]:
    """`caption_texts` of every cell of a column.

    Raises:
        ValueError: Names the source, the column and the row of the first cell that holds no captions.
    """
    for i, value in enumerate(values):
        try:
            yield caption_texts(value)
        except ValueError as error:
            raise ValueError(f"Column {column!r} of {source} holds in row {i} {error}.") from error


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
            IMAGE_ID: number_images(list(captions)),
            CAPTION: [[one.get("caption") for one in annotations] for annotations in captions.values()],
            CATEGORIES: [sorted(categories.get(image_id, ())) for image_id in captions],
        }
    )


def _open(source: str, split: str, config: str | None) -> Dataset:
    """Any source as a Dataset with one row for each caption or each image."""
    file = Path(source).expanduser()
    if file.suffix.lower() == ".json" and file.is_file() and file.stat().st_size:
        data: Any = read_json(file, object)
        if isinstance(data, dict) and "annotations" in data:
            return _read_coco(file)
    return open_dataset(source, split, config)


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
    """The columns that captions are made from, with integers that tell the images: no image is read."""
    id_column = find_id_column(dataset)
    ids = number_images(dataset[id_column][:]) if id_column else list(range(len(dataset)))
    names = [name for name in (OTHER_CAPTIONS, CATEGORIES) if name in dataset.column_names]
    for name in names:
        deque(read_cells(dataset[name], name, source), maxlen=0)
    return dataset.select_columns([caption_column, *names]).add_column(IMAGE_ID, ids, feature=Value("int64"))


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
    other captions; `image_ids.find_id_column` tells the images. Without such a column each row is its own image.

    Args:
        source: What `files.open_dataset` opens, or COCO's captions_*.json (instances_*.json beside it is used).
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
