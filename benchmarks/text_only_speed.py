"""How many more rows a second text-only tuning trains than all of the model does.

    python benchmarks/text_only_speed.py CAPTIONS.jsonl PHOTOS TOKENIZER [--rounds 3]

Whole loops of this package's trainer with a random-weight ViT-B/32 and three negatives, in turns and in processes of
their own, data loading included. What encoding the images once costs is measured beside. Writes text_only_speed.json.
"""

import tempfile
import time

from vit_b32 import (
    ROWS,
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
from hf_hardneg.model.adapters import freeze_towers
from hf_hardneg.model.image_cache import add_image_embeddings


def measure(mode: str, texts: list[list[str]], photos: str, tokenizer: str) -> dict[str, float]:
    """One loop of `mode` "full" or "text_only"."""
    model, processor = build(tokenizer)
    rows, extra = rows_with_photos(texts, photos), {}
    if mode == "text_only":
        began = time.perf_counter()
        rows = add_image_embeddings(rows, model, processor).remove_columns("image")
        extra = {"images_encoded_per_second": round(len(rows) / (time.perf_counter() - began), 1)}
        freeze_towers(model, ["vision"])
    with tempfile.TemporaryDirectory() as folder:
        args = loop_arguments(folder, HardNegCLIPTrainingArguments)
        speed = samples_per_second(HardNegCLIPTrainer(model, args, train_dataset=rows, processing_class=processor))
    return {"samples_per_second": speed, "peak_memory_gib": peak_memory(), **extra}


def main() -> None:
    """Measure, write and print."""
    found = compare_loops(__doc__, ("text_only", "full"), measure)
    result = {
        "command": "python benchmarks/text_only_speed.py CAPTIONS.jsonl PHOTOS TOKENIZER",
        "rows": ROWS,
        "samples_per_second_over_full": {"ratio": ratio_of(found, "samples_per_second"), "bar": 4.0},
        "rounds": found,
    }
    write_result(__file__, result)


if __name__ == "__main__":
    main()
