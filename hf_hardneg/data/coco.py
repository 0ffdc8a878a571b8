"""Where rows come from: a COCO-format folder, or any dataset on the Hub or on disk. All give the same columns."""

from collections import Counter, defaultdict
from collections.abc import Collection
from pathlib import Path

from datasets import Dataset

from ..columns import CATEGORIES, IMAGE, IMAGE_ID
from .challenge import count_refused, refuse_split
from .files import read_json
from .photos import PHOTO_FEATURES, clean_captions, rows_from_photos
from .reasons import NO_IMAGE


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
            "captions": [clean_captions(captions[image_id], skipped) for image_id in ids],
            CATEGORIES: [sorted(categories.get(image_id, ())) for image_id in ids],
        },
        features=PHOTO_FEATURES,
    )
    return rows_from_photos(photos, skipped, num_proc), +skipped


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
