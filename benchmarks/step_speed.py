"""What a training step with three hard negatives costs: forward and backward of a random-weight ViT-B/32.

    python benchmarks/step_speed.py CAPTIONS.jsonl TOKENIZER [--rows 32] [--rounds 5]

CAPTIONS.jsonl has {"image_id": ..., "captions": [...]} on each line; TOKENIZER is a folder or id of CLIP's tokenizer.
All ways take the same rows, in turns within each round, so that ratios hold whatever else the machine does; the median
over the rounds counts. Writes step_speed.json beside this file.
"""

import argparse
import json
import platform
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, CLIPConfig, CLIPModel

from hf_hardneg.captions import read_captions
from hf_hardneg.dual_encoder import TextFormat, embed_images, find_text_format, take_collated_batches
from hf_hardneg.embeddings import split_embeddings
from hf_hardneg.losses import batch_negatives_loss, own_negatives_loss
from hf_hardneg.negatives import BATCH, AddHardNegatives, fit_slot_model


BARS = {"padded_77_K0": 0.65, "padded_77_K3": 0.28, "padded_longest_K3": 0.62, "image_tower": 1.25}


def rows_with_three(file: str, size: int) -> list[list[str]]:
    """Captions with three negatives each, drawn at random; a high temperature gives many such captions."""
    rows, _ = read_captions(file)
    made = AddHardNegatives(model=fit_slot_model(rows.iter(BATCH)), temperature=2.0)(rows[:])
    found = [[c, *n] for c, n in zip(rows["caption"][:], made["negatives"], strict=True) if len(n) == 3]
    return random.Random(0).sample(found, size)


def make_step(
    model: Any, pixels: torch.Tensor, tokenizer: Any, rows: list[list[str]], k: int, form: TextFormat
) -> Any:
    """One forward and backward pass of `rows`, tokens made beforehand, and how many tokens it encodes."""
    texts = [row[0] for row in rows] + [negative for row in rows for negative in row[1 : 1 + k]]
    tokens = form.tokenize(tokenizer, texts)
    ids = torch.arange(len(rows))
    mask = torch.ones(len(rows), k, dtype=torch.bool)

    def step() -> None:
        outputs = model(pixel_values=pixels, image_id=ids, **tokens)
        batch = split_embeddings(outputs["image_embeds"], outputs["text_embeds"], mask, ids)
        loss = batch_negatives_loss(batch, logit_scale=outputs["logit_scale"])
        if k:
            loss = loss + own_negatives_loss(batch, logit_scale=outputs["logit_scale"])
        loss.backward()

    return step, tokens["input_ids"].numel()


def measure(steps: dict[str, Callable[[], None]], model: Any, rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round, after one round to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds + 1):
        for name, step in steps.items():
            model.zero_grad(set_to_none=True)
            began = time.perf_counter()
            step()
            seconds[name].append(round(time.perf_counter() - began, 3))
    return {name: values[1:] for name, values in seconds.items()}


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions")
    parser.add_argument("tokenizer")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(args.tokenizer)
    model: Any = CLIPModel(CLIPConfig())  # the defaults are ViT-B/32
    take_collated_batches(model)
    rows = rows_with_three(args.captions, args.rows)
    pixels = torch.randn(args.rows, 3, 224, 224)
    ours = find_text_format(model, tokenizer)
    longest = find_text_format(model, tokenizer, "padded")
    full = replace(longest, padding="max_length")
    forms = {
        "ours_K3": (3, ours),
        "padded_77_K0": (0, full),
        "padded_77_K3": (3, full),
        "padded_longest_K3": (3, longest),
    }
    forms["padded_longest_K0"] = (0, longest)
    made = {name: make_step(model, pixels, tokenizer, rows, *form) for name, form in forms.items()}
    model.train()
    steps = {name: step for name, (step, _) in made.items()}
    steps["image_tower"] = lambda: embed_images(model, {"pixel_values": pixels}).sum().backward()
    seconds = measure(steps, model, args.rounds)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = {
        name: statistics.median(a / b for a, b in zip(seconds["ours_K3"], seconds[name], strict=True)) for name in BARS
    }
    result = {
        "command": f"python benchmarks/step_speed.py {Path(args.captions).name} TOKENIZER --rows {args.rows}",
        "ours_over": {name: {"ratio": round(ratios[name], 3), "bar": BARS[name]} for name in BARS},
        "tree": ours.tree,
        "tokens": {name: size for name, (_, size) in made.items()},
        "seconds": {"median": middle, "rounds": seconds},
        "machine": {"cpu": platform.machine(), "threads": torch.get_num_threads()},
        "versions": {name: version(name) for name in ("torch", "transformers")},
        "seed": 0,
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
