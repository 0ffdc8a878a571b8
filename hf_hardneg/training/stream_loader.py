"""The loader of a stream: equal numbers of batches for all processes, pass after pass, and where to go on.

Trainer's own loader does not fit. For an `IterableDataset` it lets the first process read, joins batches along their
first axis, and cuts them into slices. Our texts have another first axis than our images: a batch of B rows has B + N
texts, of another length than those of the next batch. So negatives would be cut off, and joining fails.

Here each process reads rows of its own. With `dispatch_batches` the first one reads for all, and sends whole batches.
A process that has no row left takes part with a filler, which `gather_embeddings` leaves out, until all are done.
"""

import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import datasets
import torch
from accelerate.data_loader import DataLoaderStateMixin
from accelerate.state import GradientState
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState
from transformers.trainer_utils import seed_worker

from ..columns import IMAGE_ID, NEGATIVE_CONCEPTS, PAIR_ID
from ..data.streaming import examples, part_of
from .caption_stream import CaptionStream
from .collator import NO_NEGATIVE
from .gather import NO_ROW, collect_numbers, scatter_objects, send_object
from .twin_batches import draw_in_turn, find_twin_rows


logger = logging.getLogger(__name__)

NOTHING, NO_BATCH, BATCH = range(3)  # what a process can give to a step


def is_stream(dataset: Any) -> bool:
    """Whether rows can only be read one after the other."""
    return isinstance(dataset, IterableDataset)


@dataclass(frozen=True)
class LoaderSettings:
    """How a stream is read.

    Attributes:
        batch_size: Rows of a batch of one process.
        num_workers: Workers of one process.
        process: The number of this process.
        num_processes: How many processes train.
        is_dispatched: Whether the first process reads for all.
        device: Where processes exchange messages.
        seed: Of the workers' random generators.
        drop_last: Whether incomplete batches are left out.
        options: More arguments of `torch.utils.data.DataLoader`.
        pairs: Pairs of twins in a batch, which come from `CaptionStream.twins`.
    """

    batch_size: int
    num_workers: int
    process: int
    num_processes: int
    is_dispatched: bool
    device: torch.device
    seed: int
    drop_last: bool
    options: dict[str, Any]
    pairs: int = 0

    @classmethod
    def of_trainer(
        cls, args: TrainingArguments, batch_size: int, is_training: bool, pairs: int = 0
    ) -> "LoaderSettings":
        """Take the settings from a trainer's arguments."""
        accelerator: Any = args.accelerator_config
        return cls(
            batch_size=batch_size,
            num_workers=args.dataloader_num_workers,
            process=args.process_index,
            num_processes=args.world_size,
            is_dispatched=bool(accelerator.dispatch_batches) and args.world_size > 1,
            device=args.device,
            seed=args.seed,
            drop_last=args.dataloader_drop_last and is_training,
            pairs=pairs,
            options={"pin_memory": args.dataloader_pin_memory, "prefetch_factor": args.dataloader_prefetch_factor},
        )

    @property
    def reading(self) -> tuple[int, int]:
        """The number of this process among those that read, and how many read."""
        return (0, 1) if self.is_dispatched else (self.process, self.num_processes)


@dataclass
class _Part(IterableDataset):
    """What one process, and in it one worker, reads in one pass."""

    stream: Any
    settings: LoaderSettings
    epoch: int
    skip: int

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        # Workers take turns, so each gave at least this many of the batches to skip, or all that it has.
        batches = self.skip // workers
        process, processes = self.settings.reading
        reader, readers = number * processes + process, workers * processes
        if isinstance(self.stream, CaptionStream):
            singles = self.settings.batch_size - 2 * self.settings.pairs
            rows = self.stream.rows(reader, readers, self.epoch, batches * singles)
            return self._with_twins(rows, (reader, readers), batches) if self.settings.pairs else rows
        skip = batches * self.settings.batch_size
        return (None if i < skip else row for i, row in enumerate(self._rows(reader, readers)))

    def _with_twins(self, rows: Iterator[Any], reader: tuple[int, int], skip: int) -> Iterator[Any]:
        """Put whole pairs before the single images of each batch; each reader draws pairs in an order of its own."""
        size, pairs, twins = self.settings.batch_size, self.settings.pairs, self.stream.twins
        of_pairs = find_twin_rows(twins).pairs
        seed = [self.settings.seed, self.epoch, *reader]
        for batch in itertools.count():
            singles = list(islice(rows, size - 2 * pairs))
            if not singles:
                return
            drawn = of_pairs[draw_in_turn(len(of_pairs), batch * pairs, (batch + 1) * pairs, seed)].ravel().tolist()
            yield from (None if batch < skip else twins[i] for i in drawn)
            # All rows of a batch have the column, so that each chunk of GradCache has it.
            yield from (None if row is None else {**row, PAIR_ID: None} for row in singles)

    def _rows(self, reader: int, readers: int) -> Iterator[Any]:
        stream = self.stream
        if isinstance(stream, datasets.IterableDataset):
            part = part_of(stream, reader, readers)
            part.set_epoch(self.epoch)
            return examples(part)
        if hasattr(stream, "set_epoch"):
            stream.set_epoch(self.epoch)
        # As accelerate does: every process makes the same stream. Its workers share it by themselves, as in PyTorch.
        process, processes = self.settings.reading
        return islice(stream, process, None, processes)


def _collate(collator: Any, rows: list[Any]) -> Any:
    """Make a batch, or None of rows that are skipped."""
    return None if rows[0] is None else collator(rows)


def as_filler(batch: dict[str, Any]) -> dict[str, Any]:
    """A batch of the same shapes that `gather_embeddings` leaves out, and evaluation does not count."""
    if "chunks" in batch:
        return {"chunks": [as_filler(chunk) for chunk in batch["chunks"]]}
    concepts, image_id = batch[NEGATIVE_CONCEPTS], batch[IMAGE_ID]
    return {
        **batch,
        NEGATIVE_CONCEPTS: torch.full_like(concepts, NO_NEGATIVE),
        IMAGE_ID: torch.full_like(image_id, NO_ROW),
    }


class StreamLoader(DataLoaderStateMixin):
    """Batches of a stream for this process; all processes get equally many.

    Args:
        dataset: A `CaptionStream`, an `IterableDataset` of `datasets`, or another one of PyTorch.
        collator: Makes a batch of rows.
        settings: How the stream is read.
        is_endless: Whether another pass follows the last one, for training; else one pass is made.
    """

    def __init__(self, dataset: Any, collator: Any, settings: LoaderSettings, is_endless: bool) -> None:
        self.dataset, self.collator, self.settings, self.is_endless = dataset, collator, settings, is_endless
        self.gradient_state, self._drop_last = GradientState(), True  # so that accelerate asks for no length
        self.epoch, self.batches = 0, 0  # where the next batch comes from: the pass, and its number in the pass
        self.skip = 0
        self.is_over = False
        self.last: Any = None  # A filler is made of it.

    def go_to(self, epoch: int, batches: int) -> None:
        """Begin with this batch of this pass."""
        self.epoch, self.batches, self.skip = epoch, batches, batches

    def __iter__(self) -> Iterator[Any]:
        """The batches of one pass, or of one pass after the other."""
        self.begin()
        try:
            while not self.is_over:
                self.batches, self.skip, skip = self.skip, 0, self.skip
                for batch in self._pass(skip):
                    self.batches += 1
                    yield batch
                if not self.is_endless:
                    return
                if not self.batches:
                    raise ValueError("The stream holds no row to train on: all were skipped.")
                self.epoch += 1
        finally:
            self.end()

    def _pass(self, skip: int) -> Iterator[Any]:
        """One pass without its first `skip` batches."""
        if self.settings.num_processes == 1:
            return self._own(skip)
        return self._dispatched(skip) if self.settings.is_dispatched else self._together(skip)

    def _own(self, skip: int) -> Iterator[Any]:
        """The batches that this process reads."""
        settings, part = self.settings, _Part(self.dataset, self.settings, self.epoch, skip)
        loader = DataLoader(
            part,
            batch_size=settings.batch_size,
            num_workers=settings.num_workers,
            collate_fn=partial(_collate, self.collator),
            drop_last=settings.drop_last,
            worker_init_fn=partial(seed_worker, num_workers=settings.num_workers, rank=settings.process),
            # A generator of its own, so that a loader that starts anew does not change what dropout draws.
            generator=torch.Generator().manual_seed(settings.seed + self.epoch),
            **settings.options,
        )
        return islice(loader, skip, None)

    def _together(self, skip: int) -> Iterator[Any]:
        """The batches that this process reads, and fillers until no process has a batch left."""
        own = self._own(skip)
        while True:
            batch = next(own, None)
            state = BATCH if batch is not None else NOTHING if self.last is None else NO_BATCH
            states = collect_numbers(state, self.settings.device)
            if BATCH not in states:
                return
            if NOTHING in states:  # Some process has never had a batch to make a filler of.
                sent = send_object(batch, states.index(BATCH))
                self.last = sent if self.last is None else self.last
            self.last = self.last if batch is None else batch
            yield as_filler(self.last) if batch is None else batch

    def _dispatched(self, skip: int) -> Iterator[Any]:
        """Batches that the first process reads, one for each process at each step."""
        number = self.settings.num_processes
        own = self._own(skip * number) if self.settings.process == 0 else iter(())
        while True:
            parts = list(islice(own, number))
            parts += [as_filler(parts[0]) if parts else None] * (number - len(parts))
            batch = scatter_objects(parts)
            if batch is None:
                return
            yield batch


class StreamPosition(TrainerCallback, ExportableState):
    """Keeps in each checkpoint how far the stream was read, and goes on from there."""

    def __init__(self) -> None:
        self.loader: StreamLoader | None = None
        self.goes_on = True

    def state(self) -> dict[str, Any]:
        """What Trainer writes into trainer_state.json."""
        loader = self.loader
        if loader is None:
            return {"args": {}, "attributes": {}}
        settings = loader.settings
        readers = [settings.reading[1], settings.num_workers, settings.batch_size]
        return {"args": {}, "attributes": {"epoch": loader.epoch, "batches": loader.batches, "readers": readers}}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Go to where the checkpoint was saved."""
        ours = self.state()["attributes"]
        kept: Any = state.stateful_callbacks or {}
        saved = kept.get(type(self).__name__, {}).get("attributes") if state.global_step and self.goes_on else None
        if self.loader is None or not saved:
            return
        self.loader.is_over = state.global_step >= state.max_steps
        if saved["readers"] != ours["readers"]:
            logger.warning(
                "The checkpoint was saved with other numbers of processes that read, of their workers, and of rows in "
                f"a batch ({saved['readers']}, now {ours['readers']}). In this pass some rows are seen twice, and "
                "others not."
            )
        self.loader.go_to(saved["epoch"], saved["batches"])

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Count epochs by steps: a resumed training does not begin at 0, and passes have no known length."""
        if self.loader is not None:
            state.epoch = state.global_step / state.max_steps
