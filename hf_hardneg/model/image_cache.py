"""Text-only tuning: image embeddings are computed once, kept by `datasets`, and the vision tower never runs again."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset

from ..columns import IMAGE, IMAGE_EMBEDS, IMAGE_ID
from .encoding import encode_images


BATCH = 256  # images that are decoded together


def vision_digest(model: Any, processor: Any) -> str:
    """Changes with all that an image embedding depends on, and not with the text tower."""
    digest = hashlib.sha256(repr(sorted(processor.image_processor.to_dict().items(), key=str)).encode())
    for name, weights in sorted(model.state_dict().items()):
        if name.startswith("vis"):  # vision_model, visual_projection
            digest.update(name.encode() + weights.detach().cpu().contiguous().float().numpy().tobytes())
    return digest.hexdigest()


def _encode(batch: Mapping[str, Sequence], model: Any, processor: Any) -> dict[str, list]:
    return {IMAGE_EMBEDS: list(encode_images(model, processor, batch[IMAGE]).numpy())}


def _look_up(batch: Mapping[str, Sequence], known: Dataset, places: Mapping[int, int]) -> dict[str, Any]:
    return {IMAGE_EMBEDS: known[[places[image_id] for image_id in batch[IMAGE_ID]]][IMAGE_EMBEDS]}


def add_image_embeddings(rows: Dataset, model: Any, processor: Any) -> Dataset:
    """Add the column `image_embeds`: unit-norm float32 embeddings (D,), one per distinct image.

    Args:
        rows: The columns `image` and `image_id`; rows of one image share its embedding.
        model: A dual encoder of transformers; its vision tower must not be trained after this.
        processor: Its processor.

    Returns:
        The rows with the column; the images are still there, and are decoded with each row unless you remove them.
        Cached by the fingerprint of the rows and by `vision_digest`.

    Raises:
        ValueError: If a column is missing.
    """
    missing = {IMAGE, IMAGE_ID} - set(rows.column_names)
    if missing:
        raise ValueError(f"Rows have the columns {rows.column_names} and lack {sorted(missing)}.")
    ids = rows[IMAGE_ID][:]
    first = {image_id: i for i, image_id in reversed(list(enumerate(ids)))}
    chosen = dict(sorted(first.items(), key=lambda item: item[1]))
    distinct = rows.select_columns([IMAGE]).select(list(chosen.values()))
    digest = hashlib.sha256(f"{distinct._fingerprint}/{vision_digest(model, processor)}".encode()).hexdigest()
    known = distinct.map(
        _encode,
        batched=True,
        batch_size=BATCH,
        fn_kwargs={"model": model, "processor": processor},
        remove_columns=[IMAGE],
        new_fingerprint=digest[:32],
        desc="Encoding images",
    ).with_format("numpy")
    places = {image_id: place for place, image_id in enumerate(chosen)}
    return rows.map(
        _look_up,
        batched=True,
        fn_kwargs={"known": known, "places": places},
        new_fingerprint=hashlib.sha256(f"{rows._fingerprint}/{digest}".encode()).hexdigest()[:32],
        desc="Joining image embeddings",
    )
