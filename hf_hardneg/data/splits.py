"""Which rows are trained on and which are held out."""

from collections import Counter
from typing import Any

from datasets import Dataset

from ..columns import CAPTION, IMAGE_ID
from .skip_reasons import TOO_LONG


def drop_long_captions(rows: Dataset, tokenizer: Any, max_tokens: int) -> tuple[Dataset, Counter[str]]:
    """Leave out captions of more than `max_tokens` tokens: cut short, they could lose the swapped word."""
    lengths = [len(ids) for ids in tokenizer(rows[CAPTION][:])["input_ids"]]
    kept = [i for i, length in enumerate(lengths) if length <= max_tokens]
    if not kept:
        raise ValueError(f"All {len(rows)} captions have more than {max_tokens} tokens, the model's limit.")
    return rows.select(kept), +Counter({TOO_LONG: len(rows) - len(kept)})


def split_by_image(rows: Dataset, held_out: int) -> tuple[Dataset, Dataset]:
    """Hold out the rows of `held_out` images, at most a tenth of them, evenly spread over the sorted image ids.

    Returns:
        (training rows, held-out rows); no image is in both.

    Raises:
        ValueError: If there are fewer than two images.
    """
    ids = sorted(set(rows[IMAGE_ID][:]))
    if len(ids) < 2:
        raise ValueError(f"There is {len(ids)} usable image; training and held-out rows need at least 2.")
    number = max(1, min(held_out, len(ids) // 10))
    held = {ids[i * len(ids) // number] for i in range(number)}
    of_rows = rows[IMAGE_ID][:]
    train = [i for i, image_id in enumerate(of_rows) if image_id not in held]
    return rows.select(train), rows.select([i for i, image_id in enumerate(of_rows) if image_id in held])
