"""Where rows come from: a COCO-format folder, or any dataset on the Hub or on disk. All give the same columns."""

import json
import logging
import struct
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, Features, Image, List, Value, load_dataset, load_from_disk
from PIL import Image as PillowImage

from .challenge import SOURCE_COLUMNS, count_refused, refuse_split
from .columns import CAPTION, CATEGORIES, IMAGE, IMAGE_ID, ROW_FEATURES
from .negatives import EMPTY
from .suggestions import did_you_mean


logger = logging.getLogger(__name__)

MIN_SIDE = 8  # pixels; below this a photo shows nothing, and 1 x 1 images are taken for channel-first arrays
MAX_PIXELS = 89_478_485  # Pillow's own limit against decompression bombs
MISSING, UNREADABLE = "the image is missing", "the image cannot be read"
TOO_SMALL, TOO_LARGE = f"the image is under {MIN_SIDE} pixels a side", "the image is over 89 million pixels"
TOO_DEEP = "the image has more than 8 bits a channel"
NO_IMAGE = "the annotation has no image"
TOO_LONG = "the caption is longer than the model's position table"

# One row per image, before its captions are spread over rows.
_PHOTO_FEATURES = Features(
    {
        IMAGE: Image(decode=False),
        IMAGE_ID: Value("int64"),
        "captions": List(Value("string")),
        CATEGORIES: List(Value("string")),
    }
)


def image_problem(image: Mapping[str, Any] | None) -> str | None:
    """Say why an encoded image cannot be trained on, or None if it can; decodes JPEG at an eighth of the size.

    Args:
        image: {"bytes": ..., "path": ...} as `datasets.Image(decode=False)` gives it. Gray, CMYK and rotated photos
            are fine: they are turned into upright RGB when they are loaded.
    """
    if image is None or not (image["bytes"] or image["path"]):
        return MISSING
    try:
        with PillowImage.open(BytesIO(image["bytes"]) if image["bytes"] else image["path"]) as photo:
            if photo.width * photo.height > MAX_PIXELS:
                return TOO_LARGE
            if min(photo.size) < MIN_SIDE:
                return TOO_SMALL
            if photo.mode.startswith(("I", "F")):
                return TOO_DEEP
            photo.draft("RGB", (64, 64))
            photo.load()
    except FileNotFoundError:
        return MISSING
    except PillowImage.DecompressionBombError:
        return TOO_LARGE
    except (OSError, SyntaxError, ValueError, EOFError, struct.error):
        return UNREADABLE
    return None


def _find_problems(images: Sequence[Mapping[str, Any] | None]) -> dict[str, list[str | None]]:
    return {"problem": [image_problem(image) for image in images]}


def _spread_captions(batch: Mapping[str, Sequence]) -> dict[str, list]:
    """One row per caption; the other captions of the image go along."""
    rows: dict[str, list] = {name: [] for name in ROW_FEATURES}
    for image, image_id, captions, categories in zip(
        batch[IMAGE], batch[IMAGE_ID], batch["captions"], batch[CATEGORIES], strict=True
    ):
        for i, caption in enumerate(captions):
            values = (image, image_id, caption, captions[:i] + captions[i + 1 :], categories)
            for name, value in zip(rows, values, strict=True):
                rows[name].append(value)
    return rows


def _rows_from_photos(photos: Dataset, skipped: Counter[str], num_proc: int | None) -> Dataset:
    """Leave out photos that cannot be read, counting why, and spread the captions over rows."""
    checked = photos.map(_find_problems, input_columns=IMAGE, batched=True, num_proc=num_proc, desc="Checking images")
    problems = checked["problem"][:]
    skipped.update(problem for problem in problems if problem)
    good = checked.select([i for i, problem in enumerate(problems) if problem is None]).remove_columns("problem")
    rows = good.map(
        _spread_captions, batched=True, batch_size=100, remove_columns=photos.column_names, desc="Spreading captions"
    )
    if not len(rows):
        raise ValueError(f"No usable row is left of {len(photos)} images. Skipped: {dict(skipped)}.")
    return rows.cast(ROW_FEATURES)


def _clean_captions(captions: Sequence[str | None], skipped: Counter[str]) -> list[str]:
    kept = [caption.strip() for caption in captions if caption and caption.strip()]
    skipped[EMPTY] += len(captions) - len(kept)
    return kept


def read_json(file: Path) -> Any:
    """What a JSON file holds.

    Raises:
        ValueError: If it is not valid JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is not valid JSON ({error}); fetch it again.") from error


def is_coco_folder(folder: str | Path) -> bool:
    """Whether `folder` holds COCO's official layout, annotations/captions_*.json."""
    return any(Path(folder).glob("annotations/captions_*.json"))


def load_coco(
    folder: str | Path,
    split: str | None = None,
    num_proc: int | None = None,
    challenge: Collection[int] | None = None,
) -> tuple[Dataset, Counter[str]]:
    """Read annotations/captions_SPLIT.json, the photos in SPLIT/ and, if there, annotations/instances_SPLIT.json.

    Args:
        folder: Root of a COCO-format data set.
        split: For instance "train2017"; may be left out where there is only one.
        num_proc: Processes that check the images.
        challenge: For training: COCO ids to leave out; then COCO's val2017 is left out, too, by the name of the split
            or by `coco_url`. None leaves nothing out.

    Returns:
        Rows with `columns.ROW_FEATURES`, and how often each reason led to a skip (of an image, annotation or caption).

    Raises:
        FileNotFoundError: If the captions file of the split is not there; the message lists those that are.
        ValueError: If a file is not what it should be, nothing usable is left, or the split is not to be trained on.
    """
    folder = Path(folder)
    splits = sorted(file.stem.removeprefix("captions_") for file in folder.glob("annotations/captions_*.json"))
    if split is None and len(splits) == 1:
        split = splits[0]
    if split not in splits:
        raise FileNotFoundError(
            f"{folder} has captions for the splits {splits}; set dataset_split to one (got {split})."
        )
    if challenge is not None:
        refuse_split(split, folder)
    data = read_json(folder / "annotations" / f"captions_{split}.json")
    if not isinstance(data, dict) or not {"images", "annotations"} <= data.keys():
        raise ValueError(f"captions_{split}.json holds {sorted(data)[:5]}; COCO's holds images and annotations.")
    skipped: Counter[str] = Counter()
    captions = defaultdict(list)
    for annotation in data["annotations"]:
        captions[annotation["image_id"]].append(annotation.get("caption"))
    files = {image["id"]: folder / split / image["file_name"] for image in data["images"]}
    skipped[NO_IMAGE] += sum(len(texts) for image_id, texts in captions.items() if image_id not in files)
    categories = coco_categories(folder / "annotations" / f"instances_{split}.json")
    ids = [image_id for image_id in files if captions[image_id]]
    if challenge is not None:
        urls = {image["id"]: image.get("coco_url") for image in data["images"]}
        about = ({"image_id": image_id, "coco_url": urls[image_id]} for image_id in ids)
        kept, refused = count_refused(about, challenge, folder)
        ids = [ids[i] for i in kept]
        skipped += refused
    photos = Dataset.from_dict(
        {
            IMAGE: [{"path": str(files[image_id]), "bytes": None} for image_id in ids],
            IMAGE_ID: ids,
            "captions": [_clean_captions(captions[image_id], skipped) for image_id in ids],
            CATEGORIES: [sorted(categories.get(image_id, ())) for image_id in ids],
        },
        features=_PHOTO_FEATURES,
    )
    return _rows_from_photos(photos, skipped, num_proc), +skipped


def coco_categories(file: Path) -> dict[int, set[str]]:
    """Names of the annotated objects of each image by its id; empty where there is no instances file.

    Raises:
        ValueError: If the file is broken or names an unknown category.
    """
    if not file.is_file():
        return {}
    data = read_json(file)
    names = {category["id"]: category["name"] for category in data["categories"]}
    categories: dict[int, set[str]] = defaultdict(set)
    for annotation in data["annotations"]:
        if annotation["category_id"] not in names:
            raise ValueError(
                f"{file} annotates category {annotation['category_id']}, which it does not list; mend it."
            )
        categories[annotation["image_id"]].add(names[annotation["category_id"]])
    return categories


def require_columns(columns: Sequence[str], names: Sequence[str], source: str | Path) -> None:
    """Raise a ValueError that names the nearest column and the ones there are, unless `columns` has all of `names`."""
    for name in names:
        if name not in columns:
            raise ValueError(f"{source} has no column {name!r}, only {list(columns)}.{did_you_mean(name, columns)}")


def open_dataset(source: str, split: str, **settings: Any) -> Dataset:
    """One split of a Hub id, a `save_to_disk` folder, or a local folder of Parquet, JSON or images.

    Args:
        source: Id or folder.
        split: Its name.
        settings: Of `load_dataset`; nothing to a `save_to_disk` folder.

    Raises:
        ValueError: If the split is not there; the message lists those that are.
    """
    if (Path(source) / "dataset_info.json").is_file() or (Path(source) / "dataset_dict.json").is_file():
        dataset = load_from_disk(source)
    else:
        dataset = load_dataset(source, **settings)
    if isinstance(dataset, DatasetDict):
        if split not in dataset:
            raise ValueError(f"{source} has the splits {sorted(dataset)}, not {split!r}.")
        dataset = dataset[split]
    return dataset


def load_captioned_images(
    source: str,
    split: str,
    image_column: str = IMAGE,
    caption_column: str = CAPTION,
    num_proc: int | None = None,
    challenge: Collection[int] | None = None,
) -> tuple[Dataset, Counter[str]]:
    """Read a Hub id, Parquet or image folder with one caption or a list of captions per image.

    A column `image_id` tells which rows show the same image: integers are kept, other values numbered in the order in
    which they come. Without it every row is an image of its own. Where a data set embeds its images and has several
    captions for each, the cache holds each image once per caption. `challenge` is for training: COCO ids to leave out
    (and the split val2017, and rows whose `coco_url` says val2017), as far as `challenge.SOURCE_COLUMNS` tell.

    Returns:
        Rows with `columns.ROW_FEATURES`, and how often each reason led to a skip.

    Raises:
        ValueError: If a column is not there or of the wrong type, or nothing usable is left.
    """
    dataset = open_dataset(source, split)
    require_columns(dataset.column_names, [image_column, caption_column], source)
    if not isinstance(dataset.features[image_column], Image):
        kind = dataset.features[image_column]
        raise ValueError(f"Column {image_column!r} of {source} holds {kind}, not images; set image_column.")
    dataset = dataset.cast_column(image_column, Image(decode=False))
    skipped: Counter[str] = Counter()
    if challenge is not None:
        refuse_split(split, source)
        dataset, refused = _drop_challenge_photos(dataset, challenge, source)
        skipped += refused
    texts = dataset[caption_column][:]
    if any(text is not None and not isinstance(text, str | list) for text in texts):
        raise ValueError(f"Column {caption_column!r} of {source} must hold a string or a list of strings per image.")
    captions = [_clean_captions(text if isinstance(text, list) else [text], skipped) for text in texts]
    ids, first_rows, captions = _group_by_image(dataset, captions, source)
    photos = dataset.select_columns(image_column).select(first_rows)
    if image_column != IMAGE:
        photos = photos.rename_column(image_column, IMAGE)
    for name, column in ((IMAGE_ID, ids), ("captions", captions), (CATEGORIES, [[]] * len(ids))):
        photos = photos.add_column(name, column, feature=_PHOTO_FEATURES[name])
    return _rows_from_photos(photos, skipped, num_proc), +skipped


def _drop_challenge_photos(dataset: Dataset, challenge: Collection[int], source: str) -> tuple[Dataset, Counter[str]]:
    names = [name for name in SOURCE_COLUMNS if name in dataset.column_names]
    if not names:
        if challenge:
            logger.warning(
                f"{source} has none of the columns {', '.join(SOURCE_COLUMNS)}: whether its photos are in the "
                "challenge sets is not known."
            )
        return dataset, Counter()
    kept, refused = count_refused(dataset.select_columns(names), challenge, source)
    return (dataset.select(kept) if refused else dataset), refused


def _group_by_image(
    dataset: Dataset, captions: list[list[str]], source: str
) -> tuple[list[int], list[int], list[list[str]]]:
    """(image ids, the first row of each image, all its captions) from the column `image_id`, if there is one."""
    if IMAGE_ID not in dataset.column_names:
        return list(range(len(dataset))), list(range(len(dataset))), captions
    keys = dataset[IMAGE_ID][:]
    if None in keys:
        raise ValueError(f"Column {IMAGE_ID!r} of {source} is empty in {keys.count(None)} rows; fill or drop it.")
    first_rows: dict[Any, int] = {}
    grouped: dict[Any, list[str]] = {}
    for i, key in enumerate(keys):
        first_rows.setdefault(key, i)
        grouped.setdefault(key, []).extend(captions[i])
    ids = list(first_rows) if all(isinstance(key, int) for key in first_rows) else list(range(len(first_rows)))
    return ids, list(first_rows.values()), list(grouped.values())


def drop_broken_pairs(pairs: Dataset) -> tuple[Dataset, Counter[str]]:
    """Leave out inpainted pairs with an image that cannot be read or an empty caption, counting why."""
    skipped: Counter[str] = Counter()
    columns = ("coco_image", "inpaint_image")
    raw = pairs
    for name in columns:
        raw = raw.cast_column(name, Image(decode=False))
    kept = []
    for i, pair in enumerate(raw):
        problem = next(filter(None, (image_problem(pair[name]) for name in columns)), None)
        if not problem and not all((pair[name] or "").strip() for name in ("coco_caption", "inpaint_caption")):
            problem = EMPTY
        if problem:
            skipped[f"pairs: {problem}"] += 1
        else:
            kept.append(i)
    if not kept:
        raise ValueError(f"None of {len(pairs)} pairs can be used: {dict(skipped)}.")
    return pairs.select(kept), skipped


def drop_long_captions(rows: Dataset, tokenizer: Any, max_tokens: int) -> tuple[Dataset, Counter[str]]:
    """Leave out captions of more than `max_tokens` tokens: cut short, they could lose the swapped word."""
    lengths = [len(ids) for ids in tokenizer(rows[CAPTION][:])["input_ids"]]
    kept = [i for i, length in enumerate(lengths) if length <= max_tokens]
    if not kept:
        raise ValueError(f"All {len(rows)} captions have more than {max_tokens} tokens, the model's limit.")
    return rows.select(kept), +Counter({TOO_LONG: len(rows) - len(kept)})


def split_by_image(rows: Dataset, held_out: int) -> tuple[Dataset, Dataset]:
    """Hold out the rows of `held_out` images, at most a tenth of them, evenly spread over the sorted image ids.

    Returns:
        (training rows, held-out rows); no image is in both.

    Raises:
        ValueError: If there are fewer than two images.
    """
    ids = sorted(set(rows[IMAGE_ID][:]))
    if len(ids) < 2:
        raise ValueError(f"There is {len(ids)} usable image; training and held-out rows need at least 2.")
    number = max(1, min(held_out, len(ids) // 10))
    held = {ids[i * len(ids) // number] for i in range(number)}
    of_rows = rows[IMAGE_ID][:]
    train = [i for i, image_id in enumerate(of_rows) if image_id not in held]
    return rows.select(train), rows.select([i for i, image_id in enumerate(of_rows) if image_id in held])
