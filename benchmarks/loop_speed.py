"""Whole training loops side by side: ours, and sentence-transformers' with its CLIP and three negative columns.

    pip install --no-deps sentence-transformers
    python benchmarks/loop_speed.py CAPTIONS.jsonl PHOTOS TOKENIZER [--rounds 3]

Both train a random-weight ViT-B/32 on the same rows, 32 a step: photos of the folder PHOTOS decoded from JPEG,
captions with three negatives, two loading workers, AdamW in float32. Each loop runs in a process of its own, in turns;
a step counts from the end of the one before, data loading included, and the first two do not count. Writes
loop_speed.json.
"""

import tempfile
from typing import Any

from vit_b32 import (
    build,
    compare_loops,
    loop_arguments,
    peak_memory,
    ratio_of,
    rows_with_photos,
    samples_per_second,
    write_result,
)

from hf_hardneg import HardNegCLIPTrainer, HardNegCLIPTrainingArguments


def ours(texts: list[list[str]], photos: str, tokenizer: str, folder: str) -> Any:
    """The trainer of this package, as it comes."""
    model, processor = build(tokenizer)
    args = loop_arguments(folder, HardNegCLIPTrainingArguments)
    rows = rows_with_photos(texts, photos)
    return HardNegCLIPTrainer(model, args, train_dataset=rows, processing_class=processor)


def theirs(texts: list[list[str]], photos: str, tokenizer: str, folder: str) -> Any:
    """sentence-transformers' trainer with a saved copy of the same model."""
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
    from sentence_transformers import SentenceTransformerTrainingArguments as Arguments
    from sentence_transformers.losses import MultipleNegativesRankingLoss

    for part in build(tokenizer):
        part.save_pretrained(f"{folder}/clip")
    model = SentenceTransformer(f"{folder}/clip", device="cpu")
    rows = rows_with_photos(texts, photos).select_columns(["image", "caption"])
    for k in range(3):
        rows = rows.add_column(f"negative_{k}", [text[1 + k] for text in texts])
    loss = MultipleNegativesRankingLoss(model, scale=14.0)  # CLIP's initial temperature
    return SentenceTransformerTrainer(model, loop_arguments(folder, Arguments), rows, loss=loss)


def measure(side: str, *args: Any) -> dict[str, float]:
    """Samples a second and peak memory of one loop."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = {"ours": ours, "theirs": theirs}[side](*args, folder)
        speed = samples_per_second(trainer)
    return {"samples_per_second": speed, "peak_memory_gib": peak_memory()}


def main() -> None:
    """Measure, write and print."""
    found = compare_loops(__doc__, ("ours", "theirs"), measure)
    result = {
        "command": "python benchmarks/loop_speed.py CAPTIONS.jsonl PHOTOS TOKENIZER",
        "samples_per_second_over_theirs": {"ratio": ratio_of(found, "samples_per_second"), "bar": 1.5},
        "peak_memory_over_theirs": {"ratio": ratio_of(found, "peak_memory_gib"), "bar": 1.0},
        "rounds": found,
    }
    write_result(__file__, result, ["sentence-transformers", "accelerate"])


if __name__ == "__main__":
    main()
