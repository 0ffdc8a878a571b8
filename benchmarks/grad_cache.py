"""GradCache: the memory of a batch of 1,024, and what it costs beside two forward passes and one backward.

    python benchmarks/grad_cache.py CAPTIONS.jsonl PHOTOS TOKENIZER [--rows 1024] [--chunk 32]

A random-weight ViT-B/32 with three negatives, AdamW in float32. Peak memory is that of whole processes which train
some steps of 64 rows, or one of --rows in chunks. The ideal is measured on the same chunks in the same process: a
forward pass without gradient, then one with gradient and its backward pass, no loss over all chunks. Writes
grad_cache.json.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from vit_b32 import build, in_child, loop_arguments, peak_memory, rows_with_photos, texts_with_three, write_result

from hf_hardneg import HardNegCLIPTrainer, HardNegCLIPTrainingArguments


PLAIN_ROWS, PLAIN_STEPS, OVERHEAD_CHUNKS, ROUNDS = 64, 3, 4, 3


def make_trainer(texts: list[list[str]], photos: str, tokenizer: str, folder: str, **changes: Any) -> Any:
    """The trainer of this package on the photos of a folder."""
    model, processor = build(tokenizer)
    args = loop_arguments(folder, HardNegCLIPTrainingArguments, dataloader_num_workers=0, **changes)
    return HardNegCLIPTrainer(model, args, train_dataset=rows_with_photos(texts, photos), processing_class=processor)


def ideal_seconds(trainer: Any, chunks: list[Mapping[str, torch.Tensor]]) -> float:
    """Both forward passes and the backward pass of each chunk by itself."""
    began = time.perf_counter()
    for chunk in chunks:
        with torch.no_grad():
            trainer._embed(trainer.model, chunk)
        outputs = trainer._embed(trainer.model, chunk)
        (outputs["image_embeds"].sum() + outputs["text_embeds"].sum()).backward()
    return time.perf_counter() - began


def measure_overhead(trainer: Any) -> dict[str, list[float]]:
    """Seconds of GradCache's step and of the ideal on the same chunks, in turns."""
    batch = next(iter(trainer.get_train_dataloader()))
    seconds: dict[str, list[float]] = {"grad_cache": [], "ideal": []}
    for _ in range(ROUNDS + 1):
        trainer.model.zero_grad()
        began = time.perf_counter()
        trainer.training_step(trainer.model, batch)
        seconds["grad_cache"].append(round(time.perf_counter() - began, 2))
        trainer.model.zero_grad()
        seconds["ideal"].append(round(ideal_seconds(trainer, batch["chunks"]), 2))
    return {name: values[1:] for name, values in seconds.items()}  # the first round warms up


def measure(what: str, args: argparse.Namespace) -> dict[str, Any]:
    """One of the three measurements, in this process."""
    texts = json.loads(Path(args.texts).read_text())
    rows = {"plain": PLAIN_ROWS, "cached": args.rows, "overhead": OVERHEAD_CHUNKS * args.chunk}[what]
    steps = PLAIN_STEPS if what == "plain" else 1
    changes = {"per_device_train_batch_size": rows, "max_steps": steps}
    if what != "plain":
        changes["grad_cache_rows"] = args.chunk
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(texts[: rows * steps], args.photos, args.tokenizer, folder, **changes)
        if what == "overhead":
            trainer.current_gradient_accumulation_steps = 1  # Trainer sets it when it trains
            return measure_overhead(trainer)
        trainer.train()
    return {"peak_memory_gib": peak_memory()}


def main() -> None:
    """Measure, write and print; with --what, one of the measurements in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions")
    parser.add_argument("photos")
    parser.add_argument("tokenizer")
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--chunk", type=int, default=32)
    parser.add_argument("--texts", help=argparse.SUPPRESS)
    parser.add_argument("--what", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.what:
        print(json.dumps(measure(args.what, args)))
        return
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(texts_with_three(args.captions, args.rows), file)
        file.flush()
        same = [args.captions, args.photos, args.tokenizer, "--texts", file.name]
        same += ["--rows", str(args.rows), "--chunk", str(args.chunk)]
        found = {what: in_child(*same, "--what", what) for what in ("plain", "cached", "overhead")}
    memory = found["cached"]["peak_memory_gib"] / found["plain"]["peak_memory_gib"]
    ratios = [a / b for a, b in zip(found["overhead"]["grad_cache"], found["overhead"]["ideal"], strict=True)]
    result = {
        "command": "python benchmarks/grad_cache.py CAPTIONS.jsonl PHOTOS TOKENIZER",
        "rows": args.rows,
        "chunk": args.chunk,
        "peak_memory_over_batch_of_64": {"ratio": round(memory, 3), "bar": 1.2},
        "seconds_over_two_forward_and_one_backward": round(sorted(ratios)[len(ratios) // 2], 3),
        **found,
    }
    write_result(__file__, result)


if __name__ == "__main__":
    main()
