"""How many more rows a second text-only tuning trains than all of the model does.

    python benchmarks/text_only_speed.py CAPTIONS.jsonl PHOTOS TOKENIZER [--rounds 3]

Whole loops of this package's trainer with a random-weight ViT-B/32 and three negatives, in turns and in processes of
their own, data loading included. What encoding the images once costs is measured beside. Writes text_only_speed.json.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from vit_b32 import (
    ROWS,
    STEPS,
    build,
    in_child,
    loop_arguments,
    peak_memory,
    rows_with_photos,
    samples_per_second,
    texts_with_three,
    write_result,
)

from hf_hardneg import HardNegCLIPTrainer, HardNegCLIPTrainingArguments
from hf_hardneg.adapters import freeze_towers
from hf_hardneg.image_cache import add_image_embeddings


def measure(mode: str, texts: list[list[str]], photos: str, tokenizer: str) -> dict[str, float]:
    """One loop of `mode` "full" or "text_only"."""
    model, processor = build(tokenizer)
    rows, extra = rows_with_photos(texts, photos), {}
    if mode == "text_only":
        began = time.perf_counter()
        rows = add_image_embeddings(rows, model, processor)
        extra = {"images_encoded_per_second": round(len(rows) / (time.perf_counter() - began), 1)}
        freeze_towers(model, ["vision"])
    with tempfile.TemporaryDirectory() as folder:
        args = loop_arguments(folder, HardNegCLIPTrainingArguments)
        speed = samples_per_second(HardNegCLIPTrainer(model, args, train_dataset=rows, processing_class=processor))
    return {"samples_per_second": speed, "peak_memory_gib": peak_memory(), **extra}


def main() -> None:
    """Measure, write and print; with --mode, one loop in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions")
    parser.add_argument("photos")
    parser.add_argument("tokenizer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", help=argparse.SUPPRESS)
    parser.add_argument("--mode", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.mode:
        texts = json.loads(Path(args.texts).read_text())
        print(json.dumps(measure(args.mode, texts, args.photos, args.tokenizer)))
        return
    found: dict[str, list[dict[str, Any]]] = {"full": [], "text_only": []}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(texts_with_three(args.captions, ROWS * STEPS), file)
        file.flush()
        for _ in range(args.rounds):
            for mode, results in found.items():
                results.append(
                    in_child(args.captions, args.photos, args.tokenizer, "--texts", file.name, "--mode", mode)
                )
    pairs = zip(found["text_only"], found["full"], strict=True)
    ratio = statistics.median(a["samples_per_second"] / b["samples_per_second"] for a, b in pairs)
    result = {
        "command": "python benchmarks/text_only_speed.py CAPTIONS.jsonl PHOTOS TOKENIZER",
        "rows": ROWS,
        "samples_per_second_over_full": {"ratio": round(ratio, 2), "bar": 4.0},
        "rounds": found,
    }
    write_result(__file__, result)


if __name__ == "__main__":
    main()
