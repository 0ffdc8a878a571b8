"""Twins among the training data: sets of pairs become rows, beside single images or alone."""

import logging
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, Image, Value, concatenate_datasets

from ..columns import CAPTION, IMAGE, IMAGE_ID, PAIR_ID
from ..data.leakage import IN_CHALLENGE_SET
from ..data.long_captions import drop_equal_negatives, tell_apart
from ..data.photo_files import content_digest, size_and_time
from ..data.photo_ids import read_source_ids
from ..data.photo_sources import is_table
from ..data.skip_reasons import NEGATIVE_IS_TWIN, describe_reasons
from ..data.twin_sets import (
    SAME_CAPTION,
    SIDES,
    TWINS,
    KnownPhotos,
    TwinPair,
    holds_twins,
    number_images,
    read_twins,
    rows_of_twins,
)
from ..lexicon.concepts import CONCEPTS, load_lexicon
from ..scenes.scenes_folder import TWIN_SCENES
from ..scenes.world import scene_twins
from .arguments import SCENES, Arguments, DataArguments
from .twin_batches import find_twin_rows


logger = logging.getLogger(__name__)

HELD_OUT = TWINS.format(reason="a photo is held out")
JUDGED = TWINS.format(reason=IN_CHALLENGE_SET)
TORN = "the other twin was left out"


def load_twins(
    rows: Dataset | None,
    held_out: Dataset,
    pairs: Dataset | None,
    args: DataArguments,
    challenge: Collection[int] | None,
) -> tuple[Dataset, Counter[str]]:
    """Load the twins of all sets that `args.twins` names.

    Args:
        rows: The training rows: single images. None if they are a stream.
        held_out: The held-out rows. Twins of their photos are left out.
        pairs: The pairs to evaluate on. Twins with their images are left out.
        args: Those of the run.
        challenge: COCO ids that are not trained on; None if all photos may be.

    Returns:
        Rows with `columns.TWIN_ROW_FEATURES`, and how many pairs were left out, by reason.

    Raises:
        ValueError: If a set cannot be used, or none of its pairs is left.
    """
    found, skipped = _read_sets([name for name in args.twins if name != SCENES], challenge, args)
    parts = []
    if found:
        known = _find_known(found, rows, held_out, pairs, args)
        ids = number_images(found, known)
        reasons = [_why_left_out(pair, of_pair, known) for pair, of_pair in zip(found, ids, strict=True)]
        skipped += Counter(reason for reason in reasons if reason)
        kept = [i for i, reason in enumerate(reasons) if reason is None]
        if not kept:
            raise ValueError(
                f"None of {len(found)} pairs of {', '.join(args.twins)} is left: {describe_reasons(skipped)}."
            )
        parts.append(rows_of_twins([found[i] for i in kept], [ids[i] for i in kept]))
    if SCENES in args.twins:
        assert rows is not None  # scenes are no stream
        first_image = max(image_id for part in (*parts, rows, held_out) for image_id in part[IMAGE_ID]) + 1
        names = tuple(load_lexicon(tuple(args.concepts)).concepts)  # in files, concepts have names of their own
        numbers = count_scene_twins(max(1, len(rows) // 2), names, args.concept_weights)
        logger.warning(f"Twins of scenes: {sum(numbers.values()):,} pairs, {describe_reasons(Counter(numbers))}")
        parts.append(scene_twins(TWIN_SCENES, numbers, len(found), first_image))
    return concatenate_datasets(parts), skipped


def count_scene_twins(number: int, concepts: Sequence[str], weights: Sequence[float]) -> dict[str, int]:
    """Share out pairs of scenes among the concepts.

    Args:
        number: How many pairs there shall be.
        concepts: The concepts of the run; those that scenes do not have get no pairs.
        weights: For each of them its share of the pairs, 0 or more. Empty: all alike.

    Returns:
        For each concept that gets pairs their number.

    Raises:
        ValueError: If weights and concepts differ in number, or scenes have no concept with a weight.

    Examples:
        >>> count_scene_twins(100, ["color", "size", "location"], [1, 1, 2])
        {'color': 25, 'size': 25, 'location': 50}
    """
    if weights and len(weights) != len(concepts):
        raise ValueError(
            f"concept_weights {list(weights)} must hold one number, 0 or more and not all 0, for each of the "
            f"concepts {list(concepts)}."
        )
    weighted = zip(concepts, weights or [1.0] * len(concepts), strict=True)
    of_scenes = {concept: weight for concept, weight in weighted if concept in CONCEPTS and weight > 0}
    if not of_scenes:
        raise ValueError(
            f"--twins scenes has pairs of {', '.join(CONCEPTS)}, and of concepts {list(concepts)} none has a weight "
            "above 0: name one of these with --concepts, or write --twins without a name."
        )
    shares = np.cumsum([*of_scenes.values()]) / sum(of_scenes.values())
    numbers = np.diff(np.round(number * shares).astype(int), prepend=0).tolist()  # they add up, unlike rounded shares
    return {concept: count for concept, count in zip(of_scenes, numbers, strict=True) if count}


def add_twins(rows: Dataset, twins: Dataset) -> Dataset:
    """Put twins behind other rows. Single images among these have, or get, a `pair_id` that is null."""
    if PAIR_ID not in rows.column_names:
        return concatenate_datasets([rows.add_column(PAIR_ID, [None] * len(rows), feature=Value("int64")), twins])
    first = 1 + max([-1, *(pair_id for pair_id in rows[PAIR_ID] if pair_id is not None)])
    numbers = [first + pair_id for pair_id in twins[PAIR_ID]]
    twins = twins.remove_columns(PAIR_ID).add_column(PAIR_ID, numbers, feature=Value("int64"))
    return concatenate_datasets([rows, twins])


def is_set_of_twins(args: DataArguments) -> bool:
    """Whether the training data themselves are a set of twins, by their columns."""
    if args.dataset == SCENES or not is_table(args.dataset):
        return False
    return holds_twins(args.dataset, args.dataset_split, args.dataset_config)


def uses_twins(arguments: Arguments) -> bool:
    """Whether a run keeps twins together in its batches, as far as the arguments tell without the data."""
    share = arguments.training.twin_share
    return share != 0 and bool(arguments.data.twins or share)


def load_twins_alone(
    args: DataArguments, pairs: Dataset | None, challenge: Collection[int] | None
) -> tuple[Dataset, Dataset, Counter[str]]:
    """Load training rows and held-out rows of a data set that is a set of twins; further sets are trained on, too.

    Args:
        args: Those of the run.
        pairs: The pairs to evaluate on. Twins with their images are left out.
        challenge: COCO ids that are not trained on; None if all photos may be.

    Returns:
        Rows with the column `pair_id`; the rows of a tenth of the pairs, as single images; what was left out.

    Raises:
        ValueError: If the set cannot be used, or has fewer than two pairs.
    """
    found, skipped = read_twins(
        args.dataset, challenge, args.num_proc or os.cpu_count(), args.dataset_split, args.dataset_config
    )
    number = max(1, min(args.held_out_images // 2, len(found) // 10))
    held = {i * len(found) // number for i in range(number)}
    others, left_out = _read_sets(args.twins, challenge, args)
    found, skipped = found + others, skipped + left_out
    known = KnownPhotos(judged=_find_judged(found, pairs))
    ids = number_images(found, known)
    known = known._replace(
        held_out={image_id for i in held for image_id in ids[i]},
        held_photos=frozenset[int]().union(*(found[i].photo_ids for i in held)),
    )
    reasons = [_why_left_out(pair, of_pair, known) for pair, of_pair in zip(found, ids, strict=True)]
    trained = [i for i, reason in enumerate(reasons) if reason is None]
    skipped += Counter(reason for i, reason in enumerate(reasons) if reason and i not in held)
    if not trained:
        raise ValueError(
            f"{args.dataset} has {len(found)} pairs of twins, of which {len(held)} is held out and none is left to "
            f"train on. Skipped: {describe_reasons(skipped)}."
        )
    rows, held_out = (
        rows_of_twins([found[i] for i in some], [ids[i] for i in some]) for some in (trained, sorted(held))
    )
    return rows.select(range(_even(args.num_rows or len(rows), len(rows)))), held_out.remove_columns(PAIR_ID), +skipped


def keep_whole_twins(rows: Dataset, tokenizer: Any, max_tokens: int) -> tuple[Dataset, Counter[str]]:
    """Leave out twins whose partner was left out, and twins whose captions the model reads alike, and count both.

    Args:
        rows: One row per caption. Captions may have been left out or cut.
        tokenizer: The model's tokenizer.
        max_tokens: The most tokens that the model reads.

    Raises:
        ValueError: If no row is left.
    """
    if PAIR_ID not in rows.column_names:
        return rows, Counter()
    pair_ids = rows[PAIR_ID][:]
    number = Counter(pair_ids)
    whole = [i for i, pair_id in enumerate(pair_ids) if pair_id is None or number[pair_id] > 1]
    skipped = Counter({TORN: len(rows) - len(whole)})
    rows = rows.select(whole)
    pairs, captions = find_twin_rows(rows).pairs.tolist(), rows[CAPTION][:]
    differ = tell_apart([captions[i] for i, _ in pairs], [[captions[j]] for _, j in pairs], tokenizer, max_tokens)
    alike = {i for pair, (differs,) in zip(pairs, differ, strict=True) if not differs for i in pair}
    skipped[TWINS.format(reason=SAME_CAPTION)] += len(alike) // 2
    if len(alike) == len(rows):
        raise ValueError(f"No row is left to train on: {describe_reasons(skipped)}.")
    return rows.select([i for i in range(len(rows)) if i not in alike]), +skipped


def drop_captions_of_twins(rows: Dataset, tokenizer: Any, max_tokens: int) -> tuple[Dataset, Counter[str]]:
    """Remove negatives that are the caption of the twin, which is right for an image beside them in the batch.

    Args:
        rows: Rows with negatives.
        tokenizer: The model's tokenizer.
        max_tokens: The most tokens that the model reads.

    Returns:
        The rows, and how many negatives were removed.
    """
    pairs = find_twin_rows(rows).pairs
    if not len(pairs):
        return rows, Counter()
    captions = rows[CAPTION][:]
    of_twin = list(captions)
    for i, j in pairs.tolist():
        of_twin[i], of_twin[j] = captions[j], captions[i]
    return drop_equal_negatives(rows, tokenizer, max_tokens, of_twin, NEGATIVE_IS_TWIN)


def _even(number: int, most: int) -> int:
    return max(2, min(number, most) // 2 * 2)


def _read_sets(
    sources: Sequence[str], challenge: Collection[int] | None, args: DataArguments
) -> tuple[list[TwinPair], Counter[str]]:
    found: list[TwinPair] = []
    skipped: Counter[str] = Counter()
    for source in sources:
        of_source, left_out = read_twins(source, challenge, args.num_proc or os.cpu_count())
        concepts = Counter(pair.concept or "unknown" for pair in of_source)
        logger.warning(f"{source}: {len(of_source):,} pairs of twins, {describe_reasons(concepts)}")
        found += of_source
        skipped += left_out
    return found, skipped


def _find_known(
    found: Sequence[TwinPair], rows: Dataset | None, held_out: Dataset, pairs: Dataset | None, args: DataArguments
) -> KnownPhotos:
    """Which photos of the other data are those of twins. Only files of the same size are read."""
    sizes = _sizes(found)
    by_digest: dict[str, int] = {}
    for part in (held_out,) if rows is None else (rows, held_out):
        by_digest |= {digest: image_id for digest, image_id in _digests(part, IMAGE, sizes, part[IMAGE_ID][:])}
    own_ids: Collection[int] = ()
    if rows is None:  # A stream has an id that is a number, or a digest of 63 bits, which no set names.
        own_ids = frozenset[int]().union(*(pair.photo_ids for pair in found))
    elif args.dataset != SCENES:
        own_ids = read_source_ids(args.dataset, args.dataset_split, args.caption_column, args.dataset_config).coco
    held = set(held_out[IMAGE_ID][:])
    taken = held if rows is None else held.union(rows[IMAGE_ID][:])
    return KnownPhotos(by_digest, own_ids, taken, held, held.intersection(own_ids), _find_judged(found, pairs))


def _sizes(found: Sequence[TwinPair]) -> set[int]:
    return {size_and_time(side.path)[0] for pair in found for side in pair.sides}


def _find_judged(found: Sequence[TwinPair], pairs: Dataset | None) -> set[str]:
    """Digests of the images of pairs to evaluate on that may be twins' images."""
    if pairs is None:
        return set()
    sizes, numbers = _sizes(found), range(len(pairs))
    return {digest for name, *_ in SIDES for digest, _ in _digests(pairs, name, sizes, numbers)}


def _digests(part: Dataset, column: str, sizes: Collection[int], ids: Sequence[int]) -> Iterator[tuple[str, int]]:
    """The digest and the id of each image whose size in bytes is among `sizes`."""
    seen: set[int] = set()
    images = part.select_columns([column]).cast_column(column, Image(decode=False))
    stored = (one for batch in images.iter(100) for one in batch[column])
    for image, image_id in zip(stored, ids, strict=True):
        if image and image_id not in seen:
            seen.add(image_id)
            content, path = image.get("bytes"), image.get("path")
            if content and len(content) in sizes:
                yield content_digest(content), image_id
            elif not content and path and size_and_time(path)[0] in sizes:
                yield content_digest(Path(path).read_bytes()), image_id


def _why_left_out(pair: TwinPair, ids: tuple[int, int], known: KnownPhotos) -> str | None:
    # An edited image shows the photo that was edited, and may show a cut-out of another one.
    if any(image_id in known.held_out for image_id in ids) or not pair.photo_ids.isdisjoint(known.held_photos):
        return HELD_OUT
    return JUDGED if any(side.digest in known.judged for side in pair.sides) else None
