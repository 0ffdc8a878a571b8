"""What the benchmarks of the engine share: a random-weight ViT-B/32, captions with three negatives, processes."""

import argparse
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, Image
from transformers import (
    AutoTokenizer,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPProcessor,
    TrainerCallback,
    TrainingArguments,
)

from hf_hardneg.data.captions import read_captions
from hf_hardneg.negatives.add_negatives import BATCH, AddHardNegatives, fit_slot_model


ROWS, STEPS, WARM_UP = 32, 7, 2


def texts_with_three(file: str, size: int) -> list[list[str]]:
    """Captions with three negatives each, drawn at random; a high temperature gives many such captions."""
    rows, _ = read_captions(file)
    made = AddHardNegatives(model=fit_slot_model(rows.iter(BATCH)), temperature=2.0)(rows[:])
    found = [[c, *n] for c, n in zip(rows["caption"][:], made["negatives"], strict=True) if len(n) == 3]
    return random.Random(0).sample(found, size)


def rows_with_photos(texts: Sequence[Sequence[str]], photos: str) -> Dataset:
    """Rows for training: the photos of a folder in turns, each text list a caption and its negatives."""
    files = sorted(str(file) for file in Path(photos).glob("*.jpg"))
    columns = {
        "image": [files[i % len(files)] for i in range(len(texts))],
        "image_id": list(range(len(texts))),
        "caption": [text[0] for text in texts],
        "negatives": [list(text[1:]) for text in texts],
        "negative_concepts": [["object"] * (len(text) - 1) for text in texts],
    }
    return Dataset.from_dict(columns).cast_column("image", Image())


def build(tokenizer: str) -> tuple[CLIPModel, CLIPProcessor]:
    """A ViT-B/32 of random weights, in training mode, and its processor."""
    torch.manual_seed(0)
    processor = CLIPProcessor(CLIPImageProcessorPil(), AutoTokenizer.from_pretrained(tokenizer))
    return CLIPModel(CLIPConfig()).train(), processor  # the defaults are ViT-B/32


def loop_arguments(folder: str, kind: type[TrainingArguments], **changes: Any) -> Any:
    """Arguments of the loops that are compared: ROWS rows a step, AdamW in float32, two loading workers."""
    same = {
        "use_cpu": True,
        "per_device_train_batch_size": ROWS,
        "max_steps": STEPS,
        "learning_rate": 5e-6,
        "weight_decay": 0.1,
        "dataloader_num_workers": 2,
        "dataloader_pin_memory": False,
        "report_to": "none",
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
    }
    return kind(output_dir=folder, **(same | changes))


class Clock(TrainerCallback):
    """Seconds at which steps ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        """Look at the clock; called by Trainer."""
        self.ends.append(time.perf_counter())


def samples_per_second(trainer: Any) -> float:
    """Train, and take the median step: from the end of the one before, data loading included, after WARM_UP steps."""
    clock = Clock()
    trainer.add_callback(clock)
    trainer.train()
    steps = [end - begin for begin, end in zip(clock.ends[WARM_UP - 1 :], clock.ends[WARM_UP:], strict=False)]
    return round(trainer.args.train_batch_size / statistics.median(steps), 3)


def peak_memory() -> float:
    """The most memory that this process held so far, in GiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3)


def in_child(*argv: str) -> dict[str, Any]:
    """Run this program again with other arguments, in a process of its own; the last line that it prints is JSON."""
    command = [sys.executable, sys.argv[0], *argv]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


Results = dict[str, list[dict[str, Any]]]


def compare_loops(description: str | None, sides: Sequence[str], measure: Callable[..., dict[str, Any]]) -> Results:
    """Measure each side in turns, in processes of their own, on the same texts; the program's arguments are read here.

    `measure` takes a side, the texts, the folder of photos and the tokenizer. In such a process it is called, its
    result printed, and the program ends.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions")
    parser.add_argument("photos")
    parser.add_argument("tokenizer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", help=argparse.SUPPRESS)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        texts = json.loads(Path(args.texts).read_text())
        print(json.dumps(measure(args.side, texts, args.photos, args.tokenizer)))
        sys.exit()
    found: Results = {side: [] for side in sides}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(texts_with_three(args.captions, ROWS * STEPS), file)
        file.flush()
        for _ in range(args.rounds):
            for side in sides:
                own = ("--texts", file.name, "--side", side)
                found[side].append(in_child(args.captions, args.photos, args.tokenizer, *own))
    return found


def ratio_of(found: Results, name: str) -> float:
    """The median over the rounds of the first side's figure over the second's."""
    first, second = found.values()
    return round(statistics.median(a[name] / b[name] for a, b in zip(first, second, strict=True)), 3)


def write_result(program: str, result: dict[str, Any], packages: Sequence[str] = ()) -> None:
    """Write the result beside the program as JSON, with the machine and versions, and print it."""
    names = ("torch", "transformers", "datasets", *packages)
    result |= {
        "machine": {"cpu": platform.machine(), "cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "versions": {name: version(name) for name in names},
        "seed": 0,
    }
    Path(program).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
