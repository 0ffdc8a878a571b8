"""Which rows make a batch: twins side by side, and single images for the rest.

Batches are composed for one process each, so twins come to one process, in one loss. Rows are drawn in turn: all are
drawn once before any is drawn again. What batch i of epoch e holds follows from the seed, i and e alone, so that a
resumed training needs no more than these.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import Sampler

from ..columns import CAPTION, IMAGE_ID, PAIR_ID
from .arguments import HardNegCLIPTrainingArguments


HALF_TWINS = 0.5  # the share of twins in a batch, if both twins and single images are there
PAIRS, SINGLES = range(2)  # what is drawn, in the seeds of the two orders


class TwinRows(NamedTuple):
    """Which rows of N are twins.

    Attributes:
        pairs: (P, 2) numbers of rows.
        singles: (S,) numbers of the rows that have no twin; N = 2 P + S.
    """

    pairs: np.ndarray
    singles: np.ndarray


def find_twin_rows(rows: Any) -> TwinRows:
    """Find the twins among training rows by their `pair_id`; rows without one are single images.

    Args:
        rows: A data set with a length. It may have the columns `pair_id` and `image_id`; no other is read.

    Raises:
        ValueError: If a pair id is no whole number, a pair has one row or more than two, or its two rows have one
            image id: losses would not compare them.
    """
    if PAIR_ID not in (getattr(rows, "column_names", None) or ()):
        return TwinRows(np.empty((0, 2), np.int64), np.arange(len(rows)))
    of_pair: dict[Any, list[int]] = {}
    singles = []
    for i, pair_id in enumerate(rows[PAIR_ID][:]):
        if pair_id is None:
            singles.append(i)
        elif not isinstance(pair_id, int | np.integer):
            raise ValueError(f"pair_id is {pair_id!r} in row {i}; it must be a whole number, or null without a twin.")
        else:
            of_pair.setdefault(pair_id, []).append(i)
    wrong = {pair_id: len(members) for pair_id, members in of_pair.items() if len(members) != 2}
    if wrong:
        pair_id, number = next(iter(wrong.items()))
        raise ValueError(
            f"{len(wrong)} of {len(of_pair)} pairs are no twins: pair_id {pair_id!r} has {number} row"
            f"{'s' if number > 1 else ''}, and a pair has two. Single images have no pair_id (null)."
        )
    image_ids = rows[IMAGE_ID][:] if of_pair else []
    alike = [pair_id for pair_id, (i, j) in of_pair.items() if image_ids[i] == image_ids[j]]
    if alike:
        raise ValueError(
            f"Twins are two images, and both rows of pair_id {alike[0]!r} have the image_id "
            f"{image_ids[of_pair[alike[0]][0]]}: give each image an id of its own ({len(alike)} pairs)."
        )
    return TwinRows(np.array(list(of_pair.values()), np.int64).reshape(-1, 2), np.array(singles, np.int64))


def count_pairs(share: float, batch_size: int) -> int:
    """Count the pairs of twins in a batch: those that come nearest to the share of its rows.

    Args:
        share: The share of the rows that are twins, 0 to 1.
        batch_size: Rows of a batch of one process.

    Raises:
        ValueError: If the share is above 0 and leaves no room for a pair, or below 1 and leaves none for a single
            image.

    Examples:
        >>> count_pairs(0.5, 64), count_pairs(0.5, 7), count_pairs(1, 7), count_pairs(0, 7)
        (16, 2, 3, 0)
    """
    pairs = min(math.floor(share * batch_size / 2 + 0.5), batch_size // 2)
    if share and not pairs:
        raise ValueError(
            f"twin_share {share:g} of a batch of {batch_size} row{'s' if batch_size > 1 else ''} is less than one "
            "pair of twins: raise twin_share or per_device_train_batch_size."
        )
    if share < 1 and 2 * pairs == batch_size:
        raise ValueError(
            f"twin_share {share:g} of a batch of {batch_size} rows leaves no room for a single image: set twin_share "
            "to 1, or raise per_device_train_batch_size."
        )
    return pairs


def find_share(share: float | None, twins: TwinRows) -> float:
    """The share of twins in each batch.

    Args:
        share: What the user asked for; None takes `HALF_TWINS`, or all where there is nothing else.
        twins: The rows.

    Raises:
        ValueError: If a share was asked for and there are no twins.
    """
    if share is None:
        return 0.0 if not len(twins.pairs) else HALF_TWINS if len(twins.singles) else 1.0
    if share and not len(twins.pairs):
        raise ValueError(
            f"twin_share is {share:g}, and no row has a twin: name a set of twins with --twins, give the rows a "
            "pair_id, or set twin_share to 0."
        )
    return share


def draw_in_turn(number: int, start: int, stop: int, seed: Sequence[int]) -> np.ndarray:
    """Draw some items of an endless row of shuffles: each shuffle holds every item once.

    Args:
        number: How many items there are, at least 1.
        start: The place in the row of the first item drawn.
        stop: The place after the last one.
        seed: Whole numbers of 0 or more.

    Returns:
        (stop - start,) numbers of items.

    Examples:
        >>> draw_in_turn(3, 0, 6, [2]).tolist(), draw_in_turn(3, 2, 5, [2]).tolist()
        ([2, 0, 1, 0, 2, 1], [1, 0, 2])
    """
    if stop <= start:
        return np.empty(0, np.int64)
    first, last = start // number, (stop - 1) // number
    shuffles = [np.random.default_rng([*seed, turn]).permutation(number) for turn in range(first, last + 1)]
    return np.concatenate(shuffles)[start - first * number : stop - first * number]


@dataclass(frozen=True)
class BatchPlan:
    """How the batches of an epoch are composed.

    Attributes:
        size: Rows of a batch of one process.
        pairs: Pairs of twins in it; the rest are single images.
        batches: Batches of an epoch, of all processes together.
    """

    size: int
    pairs: int
    batches: int

    @property
    def singles(self) -> int:
        """Single images in a batch."""
        return self.size - 2 * self.pairs


def plan_batches(
    twins: TwinRows,
    share: float,
    batch_size: int,
    num_processes: int = 1,
    drop_last: bool = False,
    split_batches: bool = False,
) -> BatchPlan:
    """Plan batches in which no twin is torn from the other: as many as Trainer makes of so many rows.

    Args:
        twins: The rows.
        share: The share of the rows of a batch that are twins, above 0 and at most 1.
        batch_size: Rows of a batch of one process; with `split_batches`, of all processes.
        num_processes: How many processes train.
        drop_last: Whether rows that do not fill a batch are left out. Otherwise rows of the next turn fill it.
        split_batches: As accelerate has it.

    Raises:
        ValueError: If the share leaves no room, or there are fewer pairs or single images than a batch takes.
    """
    number = 2 * len(twins.pairs) + len(twins.singles)
    whole = batch_size if split_batches else batch_size * num_processes
    size = whole // num_processes
    pairs = count_pairs(share, size)
    plan = BatchPlan(size, pairs, (number // whole if drop_last else -(-number // whole)) * num_processes)
    if len(twins.pairs) < pairs:
        raise ValueError(
            f"twin_share {share:g} of a batch of {size} rows is {pairs} pairs of twins, and there are only "
            f"{len(twins.pairs)}: lower twin_share or per_device_train_batch_size, or have more twins."
        )
    if plan.singles and not len(twins.singles):
        fill = "an even per_device_train_batch_size" if pairs == size // 2 else "twin_share 1"
        raise ValueError(
            f"Twins take {2 * pairs} of {size} rows of a batch, and there are no single images for the rest: set "
            f"{fill}, or name single images with --dataset."
        )
    if len(twins.singles) < plan.singles:
        raise ValueError(
            f"A batch takes {plan.singles} single images beside {pairs} pairs of twins, and there are only "
            f"{len(twins.singles)}: raise twin_share, or lower per_device_train_batch_size."
        )
    return plan


class TwinSampler(Sampler[int]):
    """Numbers of rows in an order that falls into batches of one process each: twins side by side, then single images.

    Args:
        twins: The rows.
        plan: How batches are composed.
        seed: Decides the order, 0 or more.
    """

    def __init__(self, twins: TwinRows, plan: BatchPlan, seed: int) -> None:
        self.twins, self.plan, self.seed, self.epoch = twins, plan, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch; each begins where the one before has ended in the turns."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Rows of an epoch, of all processes together."""
        return self.plan.batches * self.plan.size

    def __iter__(self) -> Iterator[int]:
        """The rows of an epoch."""
        plan, (pairs, singles) = self.plan, self.twins
        twins = pairs[self._draw(PAIRS, len(pairs), plan.pairs)].reshape(plan.batches, 2 * plan.pairs)
        others = singles[self._draw(SINGLES, len(singles), plan.singles)].reshape(plan.batches, plan.singles)
        return iter(np.concatenate([twins, others], axis=1).ravel().tolist())

    def _draw(self, kind: int, number: int, per_batch: int) -> np.ndarray:
        in_epoch = self.plan.batches * per_batch
        return draw_in_turn(number, self.epoch * in_epoch, (self.epoch + 1) * in_epoch, [self.seed, kind])


def process_batch_size(args: HardNegCLIPTrainingArguments, batch_size: int) -> int:
    """Rows of a batch of one process, which accelerate's `split_batches` makes smaller than Trainer's batch."""
    accelerator: Any = args.accelerator_config
    return batch_size // args.world_size if accelerator.split_batches else batch_size


def make_twin_sampler(rows: Any, args: HardNegCLIPTrainingArguments, batch_size: int) -> TwinSampler | None:
    """Make the sampler of a training, or None if rows are sampled without looking at twins.

    Args:
        rows: The training rows, as `find_twin_rows` takes them.
        args: Those of the training.
        batch_size: Rows of a batch as Trainer counts them.

    Raises:
        ValueError: If the rows, or the share of twins in so small a batch, cannot be used.
    """
    twins = find_twin_rows(rows)
    share = _find_used_share(args, twins)
    if not share:
        return None
    if args.train_sampling_strategy != "random":
        raise ValueError(
            f"train_sampling_strategy is {args.train_sampling_strategy!r}, and twins are drawn at random: leave it "
            "out, or set twin_share to 0."
        )
    _check_captions(rows, twins)
    accelerator: Any = args.accelerator_config
    plan = plan_batches(
        twins, share, batch_size, args.world_size, args.dataloader_drop_last, bool(accelerator.split_batches)
    )
    return TwinSampler(twins, plan, args.seed if args.data_seed is None else args.data_seed)


def _check_captions(rows: Any, twins: TwinRows) -> None:
    """Raise a ValueError if twins have equal captions: each would be right and wrong for both images."""
    if CAPTION not in rows.column_names:
        return
    captions = rows[CAPTION][:]
    alike = [int(i) for i, j in twins.pairs if captions[i].strip().lower() == captions[j].strip().lower()]
    if alike:
        raise ValueError(
            f"Twins differ in their captions, and both rows of pair_id {rows[PAIR_ID][alike[0]]} have the caption "
            f"{captions[alike[0]]!r}: leave out such pairs ({len(alike)} of {len(twins.pairs)})."
        )


def pairs_beside_stream(stream: Any, args: HardNegCLIPTrainingArguments, batch_size: int) -> int:
    """Count the pairs of twins in each batch of a stream; the stream gives single images.

    Args:
        stream: A stream; `twins`, if it has that, are rows as `find_twin_rows` takes them.
        args: Those of the training.
        batch_size: Rows of a batch of one process.

    Raises:
        ValueError: If the share leaves no room, there are fewer pairs than a batch takes, or there are none and a
            share was asked for.
    """
    rows = getattr(stream, "twins", None)
    twins = TwinRows(np.empty((0, 2), np.int64) if rows is None else find_twin_rows(rows).pairs, np.arange(batch_size))
    share = _find_used_share(args, twins)
    pairs = plan_batches(twins, share, batch_size).pairs if share else 0
    if 2 * pairs == batch_size:
        raise ValueError(f"twin_share is {share:g}, and leaves no room in a batch for the stream: lower it.")
    return pairs


def _find_used_share(args: HardNegCLIPTrainingArguments, twins: TwinRows) -> float:
    share = find_share(args.twin_share, twins)
    if args.twin_weight and not share:
        why = "twin_share is 0" if len(twins.pairs) else "no row has a twin"
        raise ValueError(f"twin_weight is {args.twin_weight:g}, and {why}: set twin_weight to 0.")
    return share
