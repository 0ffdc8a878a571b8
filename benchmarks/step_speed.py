"""What a training step with three hard negatives costs: forward and backward of a random-weight ViT-B/32.

    python benchmarks/step_speed.py CAPTIONS.jsonl TOKENIZER [--rows 32] [--rounds 5]

CAPTIONS.jsonl has {"image_id": ..., "captions": [...]} on each line; TOKENIZER is a folder or id of CLIP's tokenizer.
Each round draws other rows, which all ways take in turns, so that ratios hold whatever else the machine does; the
median ratio over the rounds counts. Writes step_speed.json beside this file.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm
from vit_b32 import build, texts_with_three, write_result

from hf_hardneg.model.dual_encoder import embed_images, embed_texts, find_text_format, take_collated_batches
from hf_hardneg.model.embeddings import split_embeddings
from hf_hardneg.training.losses import batch_negatives_loss, own_negatives_loss


BARS = {"padded_77_K0": 0.65, "padded_77_K3": 0.28, "padded_longest_K3": 0.62, "image_tower": 1.25}


def make_step(
    model: Any, pixels: torch.Tensor, tokens: dict[str, torch.Tensor], rows: int, k: int
) -> Callable[[], None]:
    """One forward and backward pass of `rows` rows, whose tokens were made beforehand."""
    ids = torch.arange(rows)
    mask = torch.ones(rows, k, dtype=torch.bool)

    def step() -> None:
        image, text = embed_images(model, {"pixel_values": pixels}), embed_texts(model, tokens)
        batch, scale = split_embeddings(image, text, mask, ids), model.logit_scale.exp()
        loss = batch_negatives_loss(batch, logit_scale=scale)
        if k:
            loss = loss + own_negatives_loss(batch, logit_scale=scale)
        loss.backward()

    return step


def seconds_of(step: Callable[[], None], model: Any) -> float:
    """How long a step takes that begins without gradients."""
    model.zero_grad(set_to_none=True)
    began = time.perf_counter()
    step()
    return round(time.perf_counter() - began, 3)


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions")
    parser.add_argument("tokenizer")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    plain, processor = build(args.tokenizer)
    tokenizer = processor.tokenizer
    model = copy.deepcopy(plain)
    ours = find_text_format(model, tokenizer)
    take_collated_batches(model)  # which also prepares the layers; `plain` stays as transformers has it
    longest = find_text_format(plain, tokenizer, "padded")
    full = replace(longest, padding="max_length")
    ways = {
        "ours_K3": (model, ours, 3),
        "padded_77_K0": (plain, full, 0),
        "padded_77_K3": (plain, full, 3),
        "padded_longest_K3": (plain, longest, 3),
        "padded_longest_K0": (plain, longest, 0),
    }
    pixels = torch.randn(args.rows, 3, 224, 224)

    def image_tower() -> None:
        embed_images(plain, {"pixel_values": pixels}).sum().backward()

    found = texts_with_three(args.captions, args.rows * (args.rounds + 1))
    seconds: dict[str, list[float]] = {name: [] for name in (*ways, "image_tower")}
    sizes: dict[str, list[int]] = {name: [] for name in ways}
    for i in tqdm(range(args.rounds + 1)):
        rows = found[i * args.rows : (i + 1) * args.rows]
        for name, (of_way, form, k) in ways.items():
            texts = [row[0] for row in rows] + [negative for row in rows for negative in row[1 : 1 + k]]
            tokens = form.tokenize(tokenizer, texts)
            sizes[name].append(tokens["input_ids"].numel())
            seconds[name].append(seconds_of(make_step(of_way, pixels, tokens, args.rows, k), of_way))
        seconds["image_tower"].append(seconds_of(image_tower, plain))
    seconds = {name: values[1:] for name, values in seconds.items()}  # the first round warms up
    ratios = {
        name: statistics.median(a / b for a, b in zip(seconds["ours_K3"], seconds[name], strict=True)) for name in BARS
    }
    result = {
        "command": f"python benchmarks/step_speed.py {Path(args.captions).name} TOKENIZER --rounds {args.rounds}",
        "rows": args.rows,
        "ours_over": {name: {"ratio": round(ratios[name], 3), "bar": BARS[name]} for name in BARS},
        "tree": ours.tree,
        "tokens": {name: values[1:] for name, values in sizes.items()},
        "seconds": seconds,
        "median_seconds": {name: statistics.median(values) for name, values in seconds.items()},
    }
    write_result(__file__, result)


if __name__ == "__main__":
    main()
