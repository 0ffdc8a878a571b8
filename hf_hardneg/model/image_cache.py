"""Image embeddings for text-only training: computed once and cached by `datasets`."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset

from ..columns import IMAGE, IMAGE_EMBEDS, IMAGE_ID
from .encoding import encode_images


BATCH = 256  # images that are decoded at a time


def vision_digest(model: Any, processor: Any) -> str:
    """Compute a digest of all that an image embedding depends on: the vision tower and the image processor."""
    digest = hashlib.sha256(repr(sorted(processor.image_processor.to_dict().items(), key=str)).encode())
    for name, weights in sorted(model.state_dict().items()):
        if name.startswith("vis"):  # vision_model, visual_projection
            digest.update(name.encode() + weights.detach().cpu().contiguous().float().numpy().tobytes())
    return digest.hexdigest()


def add_image_embeddings(rows: Dataset, model: Any, processor: Any) -> Dataset:
    """Add the column `image_embeds`: the unit-norm float32 embedding (D,) of each row's image.

    Args:
        rows: Rows with the columns `image` and `image_id`. Each image is encoded once, also if it has several rows.
        model: A dual encoder of transformers. Do not train its vision tower after this.
        processor: Its processor.

    Returns:
        The rows with the new column. Remove the column `image`, if you do not need it: else `datasets` decodes it with
        each row. The result is cached by the fingerprint of the rows and by `vision_digest`.

    Raises:
        ValueError: If a column is missing.

    Example:
        ```python
        model, processor = load_model("openai/clip-vit-base-patch32")
        rows = add_image_embeddings(rows, model.to("cuda"), processor).remove_columns("image")
        ```
    """
    missing = {IMAGE, IMAGE_ID} - set(rows.column_names)
    if missing:
        raise ValueError(f"Rows have the columns {rows.column_names} and lack {sorted(missing)}.")
    ids = rows[IMAGE_ID][:]
    first_row: dict[int, int] = {}
    for i, image_id in enumerate(ids):
        first_row.setdefault(image_id, i)
    distinct = rows.select_columns([IMAGE]).select(list(first_row.values()))
    digest = hashlib.sha256(f"{distinct._fingerprint}/{vision_digest(model, processor)}".encode()).hexdigest()
    embeddings = distinct.map(
        _encode,
        batched=True,
        batch_size=BATCH,
        fn_kwargs={"model": model, "processor": processor},
        remove_columns=[IMAGE],
        new_fingerprint=digest[:32],
        desc="Encoding images",
    ).with_format("numpy")
    row_of_image = {image_id: row for row, image_id in enumerate(first_row)}
    return rows.map(
        _look_up,
        batched=True,
        fn_kwargs={"embeddings": embeddings, "row_of_image": row_of_image},
        new_fingerprint=hashlib.sha256(f"{rows._fingerprint}/{digest}".encode()).hexdigest()[:32],
        desc="Joining image embeddings",
    )


def _encode(batch: Mapping[str, Sequence], model: Any, processor: Any) -> dict[str, list]:
    return {IMAGE_EMBEDS: list(encode_images(model, processor, batch[IMAGE]).numpy())}


def _look_up(batch: Mapping[str, Sequence], embeddings: Dataset, row_of_image: Mapping[int, int]) -> dict[str, Any]:
    return {IMAGE_EMBEDS: embeddings[[row_of_image[image_id] for image_id in batch[IMAGE_ID]]][IMAGE_EMBEDS]}
