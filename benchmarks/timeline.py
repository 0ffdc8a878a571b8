"""Where a training step's time goes: waiting for data, forward, backward, optimizer; and how fast data alone comes.

    python benchmarks/timeline.py CAPTIONS.jsonl PHOTOS TOKENIZER

This package's trainer with a random-weight ViT-B/32, 32 rows a step, three negatives, two loading workers: photos of
the folder PHOTOS decoded from JPEG, texts tokenized and packed. Writes timeline.json.
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from vit_b32 import (
    ROWS,
    STEPS,
    WARM_UP,
    Clock,
    build,
    loop_arguments,
    rows_with_photos,
    texts_with_three,
    write_result,
)

from hf_hardneg import HardNegCLIPTrainer, HardNegCLIPTrainingArguments


class Timeline(Clock):
    """Seconds of the parts of each step, by wrapping what Trainer calls; the rest is Trainer's own work."""

    def __init__(self, trainer: Any) -> None:
        super().__init__()
        self.parts: dict[str, list[float]] = defaultdict(list)
        trainer._embed = self.timed("forward", trainer._embed)
        trainer._loss = self.timed("loss", trainer._loss)
        trainer.accelerator.backward = self.timed("backward", trainer.accelerator.backward)
        trainer.get_batch_samples = self.timed("data", trainer.get_batch_samples)

    def timed(self, name: str, call: Callable) -> Callable:
        """The same function, which notes how long it took."""

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                self.parts[name].append(time.perf_counter() - began)

        return wrapped

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        """The optimizer exists from here on; called by Trainer."""
        optimizer = kwargs["optimizer"]
        optimizer.step = self.timed("optimizer", optimizer.step)


def data_alone(trainer: Any) -> float:
    """Rows a second of the loader when nothing is trained, workers running."""
    batches = iter(trainer.get_train_dataloader())
    next(batches)
    began = time.perf_counter()
    count = sum(1 for _ in batches)
    return round(count * ROWS / (time.perf_counter() - began), 1)


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions")
    parser.add_argument("photos")
    parser.add_argument("tokenizer")
    args = parser.parse_args()
    model, processor = build(args.tokenizer)
    rows = rows_with_photos(texts_with_three(args.captions, ROWS * STEPS), args.photos)
    with tempfile.TemporaryDirectory() as folder:
        arguments = loop_arguments(folder, HardNegCLIPTrainingArguments)
        trainer = HardNegCLIPTrainer(model, arguments, train_dataset=rows, processing_class=processor)
        alone = data_alone(trainer)
        timeline = Timeline(trainer)
        trainer.add_callback(timeline)
        trainer.train()
    ends = timeline.ends
    step = statistics.median(b - a for a, b in zip(ends[WARM_UP - 1 :], ends[WARM_UP:], strict=False))
    parts = {name: round(statistics.median(values[WARM_UP:STEPS]), 3) for name, values in timeline.parts.items()}
    result = {
        "command": "python benchmarks/timeline.py CAPTIONS.jsonl PHOTOS TOKENIZER",
        "rows": ROWS,
        "seconds_a_step": {**parts, "all": round(step, 3)},
        "share_of_waiting_for_data": round(parts["data"] / step, 4),
        "rows_per_second": {"data_alone_2_workers": alone, "training": round(ROWS / step, 2)},
    }
    write_result(__file__, result)


if __name__ == "__main__":
    main()
