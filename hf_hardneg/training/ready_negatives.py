"""Train on negatives that somebody already has, instead of new ones."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from ..columns import CAPTION, IMAGE_ID, NEGATIVE_CONCEPTS, NEGATIVES
from ..data.files import open_dataset
from ..data.given_negatives import (
    UNKNOWN_CONCEPT,
    GivenNegatives,
    Join,
    Negative,
    add_given_negatives,
    find_negatives_column,
    join_negatives,
    read_given_negatives,
)
from ..data.photo_sources import is_table
from .arguments import SCENES, DataArguments
from .prepare_twins import is_set_of_twins


logger = logging.getLogger(__name__)

NOT_GIVEN = "the given negatives have none for the caption"


def find_given_negatives(args: DataArguments) -> GivenNegatives | None:
    """The negatives that `negatives` names, or those of a column of the training data; None if there are none.

    Raises:
        FileNotFoundError: If the source is not there.
        ValueError: If the source is broken, lacks a column, or has no negative that can be used.
    """
    own = _own_column(args)
    say_which_are_used(args, own)
    if args.negatives:
        return read_given_negatives(args.negatives)
    if own is None:
        return None
    split = args.dataset_split or "train"
    return read_given_negatives(args.dataset, args.caption_column, split, args.dataset_config, args.image_column)


def say_which_are_used(args: DataArguments, own: str | None) -> None:
    """Say that the data's own column of negatives, if there is one, is used or not."""
    if own and args.negatives:
        logger.warning(f"Column {own!r} of {args.dataset} is not used: --negatives names {args.negatives}.")
    elif own:
        logger.warning(
            f"The negatives are those of column {own!r} of {args.dataset}. Rename it to have new ones made."
        )


def _own_column(args: DataArguments) -> str | None:
    """The column of negatives in the training data, if they are a table and have one."""
    if args.dataset == SCENES or not is_table(args.dataset) or is_set_of_twins(args):
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


def order_concepts(found: Collection[str], known: Sequence[str]) -> tuple[str, ...]:
    """The concepts of given negatives by name, those that the run knows first."""
    return tuple(sorted(found, key=lambda name: (name not in known, name)))


@dataclass(frozen=True)
class TakeGivenNegatives:
    """Takes the negatives of each caption of a stream from a source, or from the caption's own row.

    Attributes:
        given: From `read_given_negatives`; None takes the columns `negatives` and `negative_concepts` of the rows.
        most: The most that a caption keeps, 1 or more.
        concepts: Any other concept becomes `UNKNOWN_CONCEPT`; None keeps all.
    """

    given: GivenNegatives | None
    most: int
    concepts: tuple[str, ...] | None = None

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[list[str]]]:
        """The columns `negatives` and `negative_concepts` of B rows."""
        found = [of_row[: self.most] for of_row in self._find(batch)]
        return {
            NEGATIVES: [[text for text, _ in of_row] for of_row in found],
            NEGATIVE_CONCEPTS: [[self._name(concept) for _, concept in of_row] for of_row in found],
        }

    def _find(self, batch: Mapping[str, Any]) -> Sequence[Sequence[Negative]]:
        if self.given is not None:
            return self.given.find(batch[IMAGE_ID], batch[CAPTION])
        if NEGATIVES not in batch:  # twins beside a stream with negatives of its own
            return [[]] * len(batch[CAPTION])
        columns = zip(batch[NEGATIVES], batch[NEGATIVE_CONCEPTS], strict=True)
        return [list(zip(*of_row, strict=True)) for of_row in columns]

    def _name(self, concept: str) -> str:
        return concept if self.concepts is None or concept in self.concepts else UNKNOWN_CONCEPT

    def add_to(self, rows: Dataset) -> Dataset:
        """The rows with both columns; no photo is read."""
        own = [name for name in (NEGATIVES, NEGATIVE_CONCEPTS) if name in rows.column_names]
        made = self(rows.select_columns([IMAGE_ID, CAPTION, *own])[:])
        negatives = [list(zip(*of_row, strict=True)) for of_row in zip(*made.values(), strict=True)]
        return add_given_negatives(rows.remove_columns(own), negatives, self.most)
