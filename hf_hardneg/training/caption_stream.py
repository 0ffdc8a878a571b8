"""`CaptionStream`: training rows with hard negatives, made while a stream is read."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, compress, islice
from typing import Any

import datasets
import torch
from datasets import Image
from torch.utils.data import IterableDataset, get_worker_info

from ..columns import CAPTION, IMAGE, IMAGE_ID, NEGATIVE_CONCEPTS, NEGATIVES, REJECTIONS
from ..data.leakage import IN_CHALLENGE_SET, IN_VAL2017
from ..data.long_captions import cut_text, tell_apart
from ..data.skip_reasons import (
    CUT,
    EMPTY,
    EQUAL_NEGATIVE,
    MISSING,
    NEGATIVE_EMPTY,
    NEGATIVE_IS_CAPTION,
    TOO_DEEP,
    TOO_LARGE,
    TOO_LONG,
    TOO_SMALL,
    UNREADABLE,
)
from ..data.streaming import StreamColumns, examples, part_of, photo_rows, shuffle_in_buffer
from .gather import sum_numbers


MAX_ADDED_TOKENS = 4  # the tokens that a replacement may add to a caption
PHOTOS_AT_ONCE = 64  # whose captions get their negatives together; more would cost memory
HELD_OUT = "the image is held out"
NO_NEGATIVE_LEFT = "the caption has no hard negative"
WAS_CUT = CUT.format(reason=TOO_LONG)
REASONS = (
    MISSING,
    UNREADABLE,
    TOO_SMALL,
    TOO_LARGE,
    TOO_DEEP,
    EMPTY,
    TOO_LONG,
    WAS_CUT,
    IN_CHALLENGE_SET,
    IN_VAL2017,
    HELD_OUT,
    NEGATIVE_EMPTY,
    NEGATIVE_IS_CAPTION,
    EQUAL_NEGATIVE,
    NO_NEGATIVE_LEFT,
)


class SkipCounts:
    """Counts of what was left out, by reason, that the workers of a data loader share with their process.

    Args:
        num_workers: The most workers that count.
    """

    def __init__(self, num_workers: int) -> None:
        # Each worker has a row of its own, so that none overwrites what another has just counted.
        self.table = torch.zeros(num_workers + 1, len(REASONS), dtype=torch.int64).share_memory_()

    def add(self, reason: str, number: int = 1) -> None:
        """Count rows, captions, photos or negatives that were left out."""
        worker = get_worker_info()
        self.table[0 if worker is None else worker.id + 1, REASONS.index(reason)] += number

    def clear(self) -> None:
        """Count from 0."""
        self.table.zero_()

    def total(self) -> Counter[str]:
        """What all workers of all processes counted; every process must call it."""
        numbers = sum_numbers(self.table.sum(0))
        return +Counter(dict(zip(REASONS, numbers.tolist(), strict=True)))


@dataclass
class CaptionStream(IterableDataset):
    """One row per caption of a stream, with its photo and its hard negatives.

    Rows come from all shards, are shuffled in a buffer, and have the same negatives in each pass, whoever reads them.

    Attributes:
        raw: From `data.streaming.open_stream`.
        columns: Where `raw` has photos and captions.
        add: Makes negatives (`AddHardNegatives`) or takes those that there are (`TakeGivenNegatives`); None for none.
        tokenizer: The model's.
        max_tokens: Longer captions are left out, or cut.
        text_limit: The most tokens that the model reads. Negatives with the tokens of their caption are left out.
        cut_long: Whether they are cut.
        challenge: COCO ids that are not trained on; None if all photos may be.
        held_out: Image ids that are not trained on.
        shuffle_buffer: How many rows the buffer holds; 0 keeps the order of the stream.
        seed: Decides the order.
        keep_without_negatives: Whether captions that have no negative are rows, too.
        skipped: Counts what is left out.
        twins: Rows with a `pair_id` that the loader puts beside those of the stream; None for none.
    """

    raw: datasets.IterableDataset
    columns: StreamColumns
    add: Callable[[Mapping[str, Any]], Mapping[str, list]] | None
    tokenizer: Any
    max_tokens: int
    text_limit: int
    cut_long: bool
    challenge: Collection[int] | None
    held_out: Collection[int]
    shuffle_buffer: int
    seed: int
    keep_without_negatives: bool
    skipped: SkipCounts
    twins: datasets.Dataset | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """All rows of the first pass, read alone."""
        return iter(self.rows(reader=0, readers=1, epoch=0))

    def rows(self, reader: int, readers: int, epoch: int, skip: int = 0) -> Iterator[Any]:
        """The rows that one of several readers reads in one pass; together they read each row once.

        Args:
            reader: Its number.
            readers: How many there are.
            epoch: The number of the pass; each has an order of its own.
            skip: How many rows at the start were already trained on: they come as None, and their photos are not
                decoded.
        """
        order = f"{self.seed}/{epoch}/{reader}/{readers}"
        rows = shuffle_in_buffer(self._in_order(reader, readers, epoch), self.shuffle_buffer, order)
        for i, row in enumerate(rows):
            yield None if i < skip else {**row, IMAGE: Image().decode_example(row[IMAGE])}

    def _in_order(self, reader: int, readers: int, epoch: int) -> Iterator[dict[str, Any]]:
        raw = self.raw
        if self.shuffle_buffer:
            raw = raw.shuffle(seed=self.seed + epoch, buffer_size=1)  # the order of the shards
        raw_rows = examples(part_of(raw, reader, readers))
        photos = (photo_rows(one, self.columns, self.challenge, self.skipped.add) for one in raw_rows)
        while some := list(islice(photos, PHOTOS_AT_ONCE)):
            yield from self._finish(list(chain.from_iterable(some)))

    def _finish(self, rows: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        """Leave out rows that are held out or too long, and add negatives."""
        rows = self._keep(rows, [row[IMAGE_ID] not in self.held_out for row in rows], HELD_OUT)
        rows = self._fit(rows)
        if self.add is None or not rows:
            return rows
        made = self.add({name: [row[name] for row in rows] for name in rows[0] if name != IMAGE})
        kept = tell_apart([row[CAPTION] for row in rows], made[NEGATIVES], self.tokenizer, self.text_limit)
        for i, row in enumerate(rows):
            for name, values in made.items():
                row[name] = values[i] if name == REJECTIONS else list(compress(values[i], kept[i]))
            self.skipped.add(EQUAL_NEGATIVE, kept[i].count(False))
        if self.keep_without_negatives:
            return rows
        return self._keep(rows, [bool(row[NEGATIVES]) for row in rows], NO_NEGATIVE_LEFT)

    def _fit(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Leave out captions that are too long, or cut them."""
        texts = [row[CAPTION] for row in rows]
        lengths = [len(ids) for ids in self.tokenizer(texts, verbose=False)["input_ids"]] if rows else []
        fits = [length <= self.max_tokens for length in lengths]
        for i, row in enumerate(rows):
            if not fits[i] and self.cut_long:
                row[CAPTION] = cut_text(texts[i], self.tokenizer, self.max_tokens)
                if NEGATIVES in row:  # They are of the whole caption, and may be true of its beginning.
                    row.update({NEGATIVES: [], NEGATIVE_CONCEPTS: []})
                if row[CAPTION]:
                    fits[i] = True
                    self.skipped.add(WAS_CUT)
        return self._keep(rows, fits, TOO_LONG)

    def _keep(self, rows: list[dict[str, Any]], wanted: list[bool], reason: str) -> list[dict[str, Any]]:
        self.skipped.add(reason, wanted.count(False))
        return [row for row, keeps in zip(rows, wanted, strict=True) if keeps]
