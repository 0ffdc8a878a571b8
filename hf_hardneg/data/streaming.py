"""Streams: rows of photos and captions that are read while a model trains, from any number of shards.

A stream is an `IterableDataset` of `datasets` whose photos are not decoded. `open_stream` makes one of a Hub id, of
Parquet, JSON or CSV shards, and of WebDataset archives. Several readers share a stream: `part_of` tells which rows
each of them reads.
"""

import hashlib
import os
import random
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import fsspec
from datasets import IterableDataset, load_dataset
from datasets.distributed import split_dataset_by_node
from datasets.packaged_modules.csv.csv import Csv

from ..columns import CAPTION, CATEGORIES, IMAGE, IMAGE_ID, NEGATIVE_CONCEPTS, NEGATIVES, OTHER_CAPTIONS
from .builders import FILE_BUILDERS, folder_builder, hub_builder
from .caption_cells import caption_texts
from .files import CAPTION_COLUMNS, find_column, is_saved_dataset, open_dataset, refuse_config
from .given_negatives import find_negatives_column, name_concepts, usable_negatives
from .image_columns import find_image_column, guess_features, refuse_urls
from .leakage import refuse_split, source_columns, why_refused
from .photo_files import path_of
from .photos import image_problem
from .same_photo import IMAGE_ID_COLUMNS, matching_columns, plain_id
from .shard_files import STREAM_BUILDERS, find_shards, is_empty
from .shard_rows import open_csv_shards, open_json_shards
from .skip_reasons import EMPTY


# WebDataset calls a column after the ending of its files.
WEBDATASET_IMAGES = ("jpg", "jpeg", "png", "webp")
WEBDATASET_TEXT = "txt"
READ_AT_ONCE = 32  # raw rows; more would cost memory where a row holds a photo
SHARDS_OF_A_SAVED_DATASET = 64

Item = TypeVar("Item")


@dataclass(frozen=True)
class StreamColumns:
    """Where a raw row has its photo and its captions.

    Attributes:
        images: Columns of photos; each row's photo is in the first that is not empty.
        caption: The column of one caption or several.
        folder: What the paths of photos are relative to.
        negatives: The column of negatives that are trained on, or None.
        source: What the user named, for errors.
    """

    images: tuple[str, ...]
    caption: str
    folder: str
    negatives: str | None = None
    source: str = ""


class Photo(NamedTuple):
    """A photo with its captions.

    Attributes:
        image: {"bytes": ..., "path": ...}, not decoded.
        image_id: Equal for rows that show the same photo.
        captions: Those of one raw row, none of them empty.
        categories: The names of annotated objects.
    """

    image: dict[str, Any]
    image_id: int
    captions: list[str]
    categories: list[str]


def _open_shards(files: list[str], source: str, columns: list[str] | None) -> IterableDataset:
    endings = {Path(file).suffix.lower() for file in files}
    if len(endings) > 1:
        raise ValueError(f"{source} names files of several kinds ({', '.join(sorted(endings))}); give one kind.")
    (ending,) = endings
    try:
        full = [file for file in files if not is_empty(file)]
    except tarfile.TarError as error:
        raise ValueError(f"A shard of {source} is no tar archive ({error}); check how it was written.") from error
    if not full:
        raise ValueError(f"{source} holds no rows: all its {len(files)} files are empty.")
    kind = {**STREAM_BUILDERS, **FILE_BUILDERS}[ending]
    if kind == "csv":
        return open_csv_shards(full)
    if kind == "json":
        return open_json_shards(full)
    options: dict[str, Any] = {"columns": columns} if columns and kind == "parquet" else {}
    return load_dataset(kind, data_files={"train": full}, split="train", streaming=True, **options)


def _open_split(builder: Any, source: str, split: str) -> IterableDataset:
    """A split of what `datasets` opens; CSV is read by us, so that a wrong row is named and not filled up."""
    is_csv = isinstance(builder, Csv)
    found = builder.config.data_files if is_csv else builder.as_streaming_dataset()
    if split not in found:
        raise ValueError(f"{source} has the splits {sorted(map(str, found))}, not {split!r}; name one of them.")
    return open_csv_shards(list(map(str, found[split]))) if is_csv else found[split]


def _refuse_slice(split: str, source: str) -> None:
    if "[" in split:
        raise ValueError(
            f"{source} is streamed, and a stream has no slices such as {split!r}, since the number of its rows is not "
            "known: name a whole split and say with --max_steps how long to train, or leave out --streaming."
        )


def open_stream(
    source: str, split: str | None = None, columns: list[str] | None = None, config: str | None = None
) -> IterableDataset:
    """Open rows of photos and captions without downloading or decoding any.

    Args:
        source: A Hub id, ID@REVISION, a folder that `datasets` opens, or shards: WebDataset archives (.tar), Parquet,
            JSONL or CSV files, as a folder, a file, a glob or a brace list such as `data/{000..099}.tar`.
        split: Its name; None for "train".
        columns: Of Parquet files, read no others.
        config: The configuration of a folder or a Hub id that has several.

    Raises:
        FileNotFoundError: If a named file is not there.
        ValueError: If shards are of several kinds or all empty, the split is a slice, or the split or the
            configuration is not there.
    """
    _refuse_slice(split or "", source)
    folder = Path(source).expanduser()
    if is_saved_dataset(folder):
        saved = open_dataset(source, split or "train", config)
        stream = saved.to_iterable_dataset(num_shards=min(SHARDS_OF_A_SAVED_DATASET, max(1, len(saved))))
    elif files := find_shards(source, split, config):
        refuse_config(source, config)
        stream = _open_shards(files, source, columns)
    else:
        is_folder = folder.is_dir()
        builder = (
            folder_builder(folder, config, columns) if is_folder else hub_builder(source, folder, config, columns)
        )
        stream = _open_split(builder, source, split or "train")
    return stream.decode(False) if stream.features else stream


def _flat(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """A raw row, with what WebDataset keeps in a JSON file beside the photo."""
    inner = raw.get("json")
    return {**inner, **raw} if isinstance(inner, dict) else raw


def find_stream_columns(
    stream: IterableDataset, source: str, image_column: str | None, caption_column: str | None
) -> StreamColumns:
    """Find the columns of photos, captions and negatives by the first rows and, where there are any, by the types.

    Args:
        stream: From `open_stream`.
        source: Its name, for errors. Paths are relative to its folder.
        image_column: The name that the user gave, or None for the usual ones.
        caption_column: The same for captions.

    Raises:
        ValueError: If there is no row or no such column.
    """
    rows = list(map(_flat, islice(examples(stream), READ_AT_ONCE)))
    if not rows:
        raise ValueError(f"{source} holds no rows.")
    features = {**guess_features(rows), **(stream.features or {})}
    image = find_image_column(image_column, features, source)
    others = [name for name in WEBDATASET_IMAGES if name in features] if image in WEBDATASET_IMAGES else []
    caption = find_column(
        caption_column, (*CAPTION_COLUMNS, WEBDATASET_TEXT), list(features), source, "--caption_column"
    )
    if caption == image:
        raise ValueError(f"Column {image!r} of {source} holds the captions, not images; set --image_column.")
    refuse_urls([row[image] for row in rows if isinstance(row.get(image), str)], image, source)
    folder = source if Path(source).is_dir() else os.path.dirname(source)
    values = {name: [row.get(name) for row in rows] for name in features}
    negatives, _ = find_negatives_column(values, list(features))
    images = tuple(dict.fromkeys([image, *others]))
    return StreamColumns(images, caption, os.path.abspath(folder), negatives, source)


def text_columns(stream: IterableDataset, columns: StreamColumns) -> list[str] | None:
    """The columns of a row's texts, and those that tell which photo it shows, without the photo; None if not known."""
    if not stream.features:
        return None
    of_photo = matching_columns(IMAGE_ID_COLUMNS, stream.features)
    wanted = {columns.caption, OTHER_CAPTIONS, CATEGORIES, *of_photo, *source_columns(stream.features)}
    wanted |= {columns.negatives, NEGATIVE_CONCEPTS} if columns.negatives else set()
    return [name for name in stream.features if name in wanted and name not in columns.images]


def _image_of(raw: Mapping[str, Any], columns: StreamColumns) -> dict[str, Any] | None:
    value = next((raw[name] for name in columns.images if raw.get(name)), None)
    if isinstance(value, bytes):
        return {"bytes": value, "path": None}
    if isinstance(value, str):
        return {"bytes": None, "path": path_of(value, columns.folder)}
    if isinstance(value, dict) and value.get("path") and not value.get("bytes"):
        return {"bytes": None, "path": path_of(str(value["path"]), columns.folder)}
    return value if isinstance(value, dict) else None


def _fetch(image: dict[str, Any] | None) -> dict[str, Any] | None:
    """Read a photo that lies in a repository of the Hub, so that it is opened like all others."""
    if image is None or image["bytes"] or "://" not in str(image["path"]):
        return image
    try:
        with fsspec.open(image["path"], "rb") as file:
            return {**image, "bytes": file.read()}
    except OSError:
        return None


def _as_number(value: int | str | bytes) -> int:
    """A number that stands for an image: a whole number itself, else a digest, alike in every process."""
    if isinstance(value, int) and 0 <= value < 2**62:
        return value
    content = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") >> 1


def image_id_of(raw: Mapping[str, Any], image: Mapping[str, Any] | None) -> int:
    """A number for each photo, made of an id column, of the path of its file, or of its embedded bytes."""
    ids = (plain_id(raw[name]) for name in matching_columns(IMAGE_ID_COLUMNS, raw))
    image = image or {}
    known = next((value for value in ids if value is not None), None)
    return _as_number(known if known is not None else image.get("bytes") or image.get("path") or "")


def _texts(raw: Mapping[str, Any], column: str, columns: StreamColumns) -> list[str]:
    """The texts of a cell; none where it is missing or empty. An error says where the row is."""
    cell = raw.get(column)
    try:
        return [] if cell is None or cell == "" else caption_texts(cell)
    except ValueError as error:
        photo = (_image_of(raw, columns) or {}).get("path")
        where = f"the row of {photo}" if photo else "a row"
        raise ValueError(f"Column {column!r} of {columns.source} holds in {where} {error}.") from error


def caption_rows(
    raw: Mapping[str, Any], columns: StreamColumns, challenge: Collection[int] | None, skip: Callable[[str], None]
) -> list[dict[str, Any]]:
    """The captions of a raw row, without its photo: one dictionary of `columns.NEGATIVE_SOURCES` each.

    With `columns.negatives`, each also holds the row's own `negatives` and `negative_concepts`.

    Args:
        raw: As the stream has it.
        columns: From `find_stream_columns`.
        challenge: COCO ids that are not trained on; None if all photos may be.
        skip: Called with the reason for each row and each caption that is left out.
    """
    raw = _flat(raw)
    refused = None if challenge is None else why_refused(raw, challenge)
    if refused:
        skip(refused)
        return []
    captions = [text.strip() for text in _texts(raw, columns.caption, columns) if text.strip()]
    if not captions:
        skip(EMPTY)
    image_id = image_id_of(raw, _image_of(raw, columns))
    told, categories = (
        [text for text in _texts(raw, name, columns) if text.strip()] for name in (OTHER_CAPTIONS, CATEGORIES)
    )
    told = [text for text in told if text not in captions]
    rows = []
    for i, caption in enumerate(captions):
        others = [*captions[:i], *captions[i + 1 :], *told]
        row = {IMAGE_ID: image_id, CAPTION: caption, OTHER_CAPTIONS: others, CATEGORIES: categories}
        rows.append({**row, **_own_negatives(raw, columns, caption, skip)})
    return rows


def _own_negatives(
    raw: Mapping[str, Any], columns: StreamColumns, caption: str, skip: Callable[[str], None]
) -> dict[str, list[str]]:
    """What a raw row says are the negatives of its caption, and their concepts; nothing without a column of them."""
    if columns.negatives is None:
        return {}
    named = name_concepts(_texts(raw, columns.negatives, columns), raw.get(NEGATIVE_CONCEPTS))
    usable = usable_negatives(caption, named, skip)
    return {NEGATIVES: list(usable), NEGATIVE_CONCEPTS: list(usable.values())}


def photo_rows(
    raw: Mapping[str, Any], columns: StreamColumns, challenge: Collection[int] | None, skip: Callable[[str], None]
) -> list[dict[str, Any]]:
    """The captions of a raw row as `caption_rows` gives them, each with its photo, not decoded.

    A photo that cannot be used leaves none.
    """
    rows = caption_rows(raw, columns, challenge, skip)
    if not rows:
        return []
    image = _fetch(_image_of(_flat(raw), columns))
    problem = image_problem(image)
    if problem:
        skip(problem)
        return []
    return [{IMAGE: image, **row} for row in rows]


def part_of(stream: IterableDataset, reader: int, readers: int) -> IterableDataset:
    """The part of a stream that one of several readers reads; together they read each row once.

    Each reader gets shards of its own. Where there are fewer shards than readers, those of one shard take turns: with
    three of them, each keeps every third row.
    """
    groups = min(max(stream.num_shards, 1), readers)
    part = stream.shard(groups, reader % groups, contiguous=False)
    beside = len(range(reader % groups, readers, groups))
    return part if beside == 1 else split_dataset_by_node(part, reader // groups, beside)


def examples(stream: IterableDataset) -> Iterator[dict[str, Any]]:
    """All rows of a stream. In a worker of a data loader, `iter` would leave some out."""
    for batch in stream.iter(READ_AT_ONCE):
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(batch, values, strict=True))


def shuffle_in_buffer(items: Iterable[Item], size: int, seed: str) -> Iterator[Item]:
    """Shuffle items as they come: each is drawn from a buffer that the next ones fill. The seed decides the order.

    Examples:
        >>> sorted(shuffle_in_buffer(range(5), 3, "seed"))
        [0, 1, 2, 3, 4]
        >>> list(shuffle_in_buffer(range(5), 0, "seed"))  # no buffer, no shuffling
        [0, 1, 2, 3, 4]
    """
    generator, rest = random.Random(seed), iter(items)
    buffer = list(islice(rest, size))
    if not buffer:
        yield from rest
    for item in rest:
        place = generator.randrange(len(buffer))
        buffer[place], item = item, buffer[place]
        yield item
    generator.shuffle(buffer)
    yield from buffer


def check_split(split: str | None, source: str, challenge: Collection[int] | None) -> None:
    """Raise a ValueError if the split is one that challenge sets are made from, unless all photos may be used."""
    if challenge is not None:
        refuse_split(split or "train", source)
