"""Train on negatives that somebody already has, instead of new ones."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datasets import Dataset

from ..columns import CAPTION, IMAGE_ID
from ..data.coco import is_coco_folder
from ..data.files import open_dataset
from ..data.given_negatives import (
    GivenNegatives,
    Join,
    Negative,
    add_given_negatives,
    find_negatives_column,
    join_negatives,
    read_given_negatives,
)
from ..data.karpathy import karpathy_file
from .arguments import SCENES, DataArguments


logger = logging.getLogger(__name__)

NOT_GIVEN = "the given negatives have none for the caption"


def find_given_negatives(args: DataArguments) -> GivenNegatives | None:
    """The negatives that `negatives` names, or those of a column of the training data; None if there are none.

    Raises:
        FileNotFoundError: If the source is not there.
        ValueError: If the source is broken, lacks a column, or has no negative that can be used.
    """
    own = _own_column(args)
    if args.negatives:
        if own:
            logger.warning(f"Column {own!r} of {args.dataset} is not used: --negatives names {args.negatives}.")
        return read_given_negatives(args.negatives)
    if own is None:
        return None
    logger.warning(f"The negatives are those of column {own!r} of {args.dataset}. Rename it to have new ones made.")
    return read_given_negatives(args.dataset, args.caption_column, args.dataset_split or "train", args.dataset_config)


def _own_column(args: DataArguments) -> str | None:
    """The column of negatives in the training data, if they are a table and have one."""
    if args.dataset == SCENES or is_coco_folder(args.dataset) or karpathy_file(args.dataset):
        return None
    rows = open_dataset(args.dataset, args.dataset_split or "train", args.dataset_config)
    return find_own_negatives(rows, rows.column_names, args.dataset)


def find_own_negatives(rows: Mapping[str, Iterable[Any]], columns: Sequence[str], source: str) -> str | None:
    """The column of negatives in training data, or None; a column of such a name that holds labels is named."""
    name, labels = find_negatives_column(rows, columns)
    if labels:
        logger.warning(
            f"Column {labels[0]!r} of {source} holds numbers or yes and no, so it is not used as negatives."
        )
    return name


def use_given_negatives(
    given: GivenNegatives, rows: Dataset, held_out: Dataset, most: int
) -> tuple[Dataset, Dataset, set[str]]:
    """Add given negatives to the training rows and the held-out rows, and say how many captions have some.

    Args:
        given: The negatives.
        rows: The training rows.
        held_out: The held-out rows.
        most: The most that a caption keeps, 1 or more.

    Returns:
        Both with the columns `negatives` and `negative_concepts`, and the concepts of all negatives.

    Raises:
        ValueError: If no caption is among those of the negatives.
    """
    ids, captions = ([value for part in (rows, held_out) for value in part[name]] for name in (IMAGE_ID, CAPTION))
    join = join_negatives(given, ids, captions)
    of_rows, of_held_out = join.rows[: len(rows)], join.rows[len(rows) :]
    logger.warning(_describe(given, join, of_rows, of_held_out, most))
    concepts = {concept for of_row in join.rows for _, concept in of_row[:most]}
    return add_given_negatives(rows, of_rows, most), add_given_negatives(held_out, of_held_out, most), concepts


def _describe(
    given: GivenNegatives,
    join: Join,
    of_rows: Sequence[Sequence[Negative]],
    of_held_out: Sequence[Sequence[Negative]],
    most: int,
) -> str:
    """How many captions have negatives, in one sentence or two."""
    parts = [
        f"{sum(map(bool, of_rows)):,} of {len(of_rows):,} training captions and {sum(map(bool, of_held_out)):,} of "
        f"{len(of_held_out):,} held-out captions got negatives from {given.source!r}, joined by {join.by}.",
        f"{join.unmatched_captions:,} captions of {given.source!r} are not among them: other data, or left out here.",
    ]
    if join.most > most:
        parts.append(f"A caption has up to {join.most} negatives; the first {most} are used.")
    return " ".join(parts)
