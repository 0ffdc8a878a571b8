"""Sets of pairs that differ in one concept, to train on: from InpaintCOCO's columns to two rows a pair."""

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset

from ..columns import CAPTION, IMAGE, IMAGE_ID, OTHER_CAPTIONS, PAIR_ID, TWIN_ROW_FEATURES
from .files import require_columns
from .image_columns import refuse_urls, undecoded
from .inpainted_pairs import NEEDED, image_id_of
from .leakage import count_refused, ids_of_pairs, refuse_split, source_columns, tells_source
from .photo_files import FoundFile, PhotoFile, find_files, look_at_files
from .photo_rows import on_disk
from .skip_reasons import EMPTY, MISSING, describe_reasons
from .sources import open_source, parse_source


logger = logging.getLogger(__name__)

SIDES = (("coco_image", "coco_caption", "coco_details"), ("inpaint_image", "inpaint_caption", "inpaint_details"))
SAME_CAPTION, SAME_IMAGE = "both captions are the same", "both images are the same"
TWINS = "twins: {reason}"  # what counts say of a pair that is left out
SINGLE = "a row became a single image: {reason}"


class TwinSide(NamedTuple):
    """One of two twins.

    Attributes:
        path: The file of its image.
        digest: Of the image's bytes.
        caption: What is true of this image only.
        others: More captions of the image.
        told_id: The id of its photo, if the set says it and no editor changed the photo.
    """

    path: str
    digest: str
    caption: str
    others: Sequence[str]
    told_id: int | None


class TwinPair(NamedTuple):
    """Two images and two captions that differ in one concept.

    Attributes:
        concept: Which one, or None.
        sides: Both twins.
        photo_ids: COCO ids of all photos that the images show or are made of, as far as the set says them.
    """

    concept: str | None
    sides: tuple[TwinSide, TwinSide]
    photo_ids: frozenset[int] = frozenset()


def open_twins(source: str, split: str | None = None, config: str | None = None) -> Dataset:
    """Open a set of twins: the split that is named, else "train", else "test", which most sets of pairs have.

    Args:
        source: As `sources.open_source` takes it.
        split: The split if the source names none.
        config: The configuration if the source names none.

    Raises:
        FileNotFoundError: If there is neither a folder nor a data set of that name.
        ValueError: If the split is not there.
    """
    if split or parse_source(source).split:
        return open_source(source, split or "train", config)
    try:
        return open_source(source, "train", config)
    except ValueError:
        return open_source(source, "test", config)


def holds_twins(source: str, split: str | None = None, config: str | None = None) -> bool:
    """Whether a source can be opened and has InpaintCOCO's columns."""
    try:
        names = open_twins(source, split, config).column_names
    except (ValueError, OSError):
        return False
    return set(NEEDED) <= set(names)


def read_twins(
    source: str,
    challenge: Collection[int] | None,
    num_proc: int | None = None,
    split: str | None = None,
    config: str | None = None,
) -> tuple[list[TwinPair], Counter[str]]:
    """Read the pairs of a set that can be trained on, and count the others by reason.

    Args:
        source: A folder or Hub id with the columns `inpainted_pairs.NEEDED`, as `open_twins` takes it.
        challenge: COCO ids that are refused, as `captioned_images.load_captioned_images` explains.
        num_proc: Processes that check the images.
        split: As `open_twins` takes it.
        config: As `open_twins` takes it.

    Raises:
        FileNotFoundError: As `open_twins`.
        ValueError: As `open_twins`; or if a column is missing, all photos are refused, or no pair is left.
    """
    if challenge is not None:
        refuse_split(parse_source(source).split or split or "", source)
    dataset = open_twins(source, split, config)
    require_columns(dataset.column_names, NEEDED, source)
    place = Path(parse_source(source).name).expanduser()
    root = place.parent if place.is_file() else place
    found = [find_files(undecoded(dataset, image), image, root, num_proc) for image, *_ in SIDES]
    for (image, *_), of_side in zip(SIDES, found, strict=True):
        refuse_urls([one.name for one in of_side], image, source)
    about = _sources_of(dataset)
    kept, skipped = _find_allowed(about, found, challenge, source)
    paths = [of_side[i].path for of_side in found for i in kept]
    files = look_at_files([path for path in paths if path], num_proc)
    texts = dataset.select_columns(_text_columns(dataset))
    pairs = []
    for i in kept:
        row = texts[i]
        problem = _find_problem(row, [of_side[i] for of_side in found], files)
        if problem:
            skipped[TWINS.format(reason=problem)] += 1
        else:
            sides = _sides(row, [of_side[i].path for of_side in found], files)
            pairs.append(TwinPair(row.get("concept"), sides, frozenset(ids_of_pairs([about[i]]))))
    if not pairs:
        raise ValueError(f"None of {len(dataset)} pairs of {source} can be used: {describe_reasons(skipped)}.")
    return pairs, skipped


def _text_columns(dataset: Dataset) -> list[str]:
    wanted = ("concept", *(name for side in SIDES for name in side[1:]))
    return [name for name in wanted if name in dataset.column_names]


def _sources_of(dataset: Dataset) -> Sequence[Mapping[str, Any]]:
    """What each row says of its photos' sources; no image is read."""
    names = source_columns(dataset.features)
    return list(dataset.select_columns(names)) if names else [{}] * len(dataset)


def _find_allowed(
    rows: Sequence[Mapping[str, Any]],
    found: Sequence[Sequence[FoundFile]],
    challenge: Collection[int] | None,
    source: str,
) -> tuple[list[int], Counter[str]]:
    """The pairs whose photos may be trained on, by their number, and how many are refused, by reason."""
    kept, skipped = list(range(len(rows))), Counter[str]()
    if challenge is None:
        return kept, skipped
    told = False
    for of_side in found:
        about = [{**rows[i], IMAGE: {"path": of_side[i].name}} for i in kept]
        told |= any(map(tells_source, about))
        allowed, refused = count_refused(about, challenge, source)
        kept = [kept[i] for i in allowed]
        skipped.update({TWINS.format(reason=reason): number for reason, number in refused.items()})
    if challenge and not told:
        logger.warning(f"{source} says no COCO image id: whether its photos are in the challenge sets is not known.")
    return kept, skipped


def _find_problem(row: Mapping[str, Any], found: Sequence[FoundFile], files: Mapping[str, PhotoFile]) -> str | None:
    """Why a pair cannot be trained on, or None."""
    captions = [_plain(row[caption]) for _, caption, _ in SIDES]
    problems = [MISSING if one.path is None else files[one.path].problem for one in found]
    if any(problems):
        return next(filter(None, problems))
    if not all(captions):
        return EMPTY
    if captions[0] == captions[1]:
        return SAME_CAPTION
    first, second = (files[str(one.path)].digest for one in found)
    return SAME_IMAGE if first == second else None


def _sides(row: Mapping[str, Any], paths: Sequence[str | None], files: Mapping[str, PhotoFile]) -> Any:
    """Both twins of a row whose images are there."""
    ids = (image_id_of(row), None)  # `source_image_id` may be the photo that a cut-out was taken from
    sides = []
    for (_, caption, details), path, told_id in zip(SIDES, paths, ids, strict=True):
        text, about = row[caption].strip(), row.get(details) or {}
        told = [*(about.get("captions") or []), about.get("caption") or ""]
        others = list(dict.fromkeys(one.strip() for one in told if one and one.strip() not in ("", text)))
        sides.append(TwinSide(str(path), str(files[str(path)].digest), text, others, told_id))
    return tuple(sides)


class KnownPhotos(NamedTuple):
    """What else is trained and judged on, so that twins of one of these photos are known.

    Attributes:
        by_digest: The image id of the photos whose bytes may be those of a twin.
        own_ids: The image ids that the training data themselves say.
        taken: All image ids of the training data.
        held_out: The image ids that are held out.
        held_photos: COCO ids of photos that are held out.
        judged: Digests of the images that models are judged on.
    """

    by_digest: Mapping[str, int] = {}
    own_ids: Collection[int] = ()
    taken: Collection[int] = ()
    held_out: Collection[int] = ()
    held_photos: Collection[int] = ()
    judged: Collection[str] = ()


def number_images(pairs: Iterable[TwinPair], known: KnownPhotos) -> list[tuple[int, int]]:
    """The image ids of both twins of each pair: that of a known photo, else one of its own for each image.

    Losses do not compare captions of one image, so copies of a photo must have one id, and twins have two.
    """
    # Below all others: which ids a stream has is not known before it is read, but none of them is below 0.
    ids, new = dict(known.by_digest), count(min([0, *known.taken]) - 1, -1)
    numbers = []
    for pair in pairs:
        for side in pair.sides:
            if side.digest not in ids:
                told = side.told_id if side.told_id in known.own_ids else None
                ids[side.digest] = next(new) if told is None else told
        numbers.append((ids[pair.sides[0].digest], ids[pair.sides[1].digest]))
    return numbers


def rows_of_twins(pairs: Sequence[TwinPair], ids: Sequence[tuple[int, int]]) -> Dataset:
    """Two rows a pair, with `columns.TWIN_ROW_FEATURES`; pairs are numbered from 0.

    The twin's caption counts among the other captions of a row. So negatives made from one twin's caption are false
    of both twins, whose captions compete in one batch anyway.

    Args:
        pairs: P pairs, at least one.
        ids: The image ids of both twins of each.
    """
    rows: dict[str, list[Any]] = {name: [] for name in TWIN_ROW_FEATURES}
    for number, (pair, of_pair) in enumerate(zip(pairs, ids, strict=True)):
        for side, twin, image_id in zip(pair.sides, pair.sides[::-1], of_pair, strict=True):
            image, others = {"path": side.path, "bytes": None}, [*side.others, twin.caption]
            values: tuple[Any, ...] = (image, image_id, side.caption, others, [], number)
            for name, value in zip(rows, values, strict=True):
                rows[name].append(value)
    return on_disk(Dataset.from_dict(rows, features=TWIN_ROW_FEATURES))


def settle_pair_ids(rows: Dataset) -> tuple[Dataset, Counter[str]]:
    """Make single images of rows whose `pair_id` names no pair of twins, and tell twins of each other's captions.

    Args:
        rows: Rows with `columns.TWIN_ROW_FEATURES`, as somebody's table has them. No image is read.

    Returns:
        The rows, and how many of them have become single images, by reason.
    """
    of_pair: dict[int, list[int]] = {}
    captions, ids, others = (rows[name][:] for name in (CAPTION, IMAGE_ID, OTHER_CAPTIONS))
    for i, pair_id in enumerate(rows[PAIR_ID]):
        if pair_id is not None:
            of_pair.setdefault(pair_id, []).append(i)
    pair_ids: list[int | None] = [None] * len(rows)
    skipped: Counter[str] = Counter()
    for pair_id, members in of_pair.items():
        problem = _why_no_pair([captions[i] for i in members], [ids[i] for i in members])
        if problem:
            skipped[SINGLE.format(reason=problem)] += len(members)
            continue
        for i, j in (members, members[::-1]):
            pair_ids[i] = pair_id
            others[i] = list(dict.fromkeys([*others[i], captions[j]]))
    rows = rows.remove_columns([PAIR_ID, OTHER_CAPTIONS])
    for name, values in ((OTHER_CAPTIONS, others), (PAIR_ID, pair_ids)):
        rows = rows.add_column(name, values, feature=TWIN_ROW_FEATURES[name])
    return rows.select_columns(list(TWIN_ROW_FEATURES)), skipped


def _why_no_pair(captions: Sequence[str], ids: Sequence[int]) -> str | None:
    if len(captions) != 2:
        return "its pair has one row" if len(captions) == 1 else "its pair has more than two rows"
    if ids[0] == ids[1]:
        return SAME_IMAGE
    return SAME_CAPTION if _plain(captions[0]) == _plain(captions[1]) else None


def _plain(caption: str | None) -> str:
    """A caption without capitals and additional spaces."""
    return " ".join((caption or "").lower().split())
