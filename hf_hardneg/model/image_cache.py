"""Image embeddings for text-only training: computed once and cached by `datasets`."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset

from ..columns import IMAGE, IMAGE_EMBEDS, IMAGE_FEATURES
from ..data.image_columns import undecoded
from ..data.photo_files import content_digest, size_and_time
from .encoding import encode_images
from .image_features import vision_digest


BATCH = 256  # images that are decoded at a time


def add_image_embeddings(rows: Dataset, model: Any, processor: Any, projected: bool = True) -> Dataset:
    """Add the column `image_embeds`: the unit-norm float32 embedding (D,) of each row's image.

    Args:
        rows: Rows with the column `image`. Each image is encoded once, also if it has several rows.
        model: A dual encoder of transformers. Do not train its vision tower after this.
        processor: Its processor.
        projected: False adds the column `image_features` instead: what the vision tower gives to the projection, (H,)
            in float32. The projection can then be trained.

    Returns:
        The rows with the new column. Remove the column `image`, if you do not need it: else `datasets` decodes it with
        each row. The result is cached by the images and by `vision_digest`.

    Raises:
        ValueError: If there is no column `image`.

    Example:
        ```python
        model, processor = load_model("openai/clip-vit-base-patch32")
        rows = add_image_embeddings(rows, model.to("cuda"), processor).remove_columns("image")
        ```
    """
    if IMAGE not in rows.column_names:
        raise ValueError(f"Rows have the columns {rows.column_names} and lack ['{IMAGE}'].")
    keys = [_image_key(image) for image in undecoded(rows, IMAGE)[IMAGE]]
    first_row: dict[str, int] = {}
    for i, key in enumerate(keys):
        first_row.setdefault(key, i)
    distinct = rows.select_columns([IMAGE]).select(list(first_row.values()))
    known = [vision_digest(model, processor, projected), IMAGE_EMBEDS if projected else IMAGE_FEATURES, *first_row]
    digest = hashlib.sha256("/".join(known).encode("utf-8", "surrogateescape")).hexdigest()
    embeddings = distinct.map(
        _encode,
        batched=True,
        batch_size=BATCH,
        fn_kwargs={"model": model, "processor": processor, "projected": projected},
        remove_columns=[IMAGE],
        new_fingerprint=digest[:32],
        desc="Encoding images",
    ).with_format("numpy")
    row_of_image = {key: row for row, key in enumerate(first_row)}
    return rows.map(
        _look_up,
        batched=True,
        with_indices=True,
        fn_kwargs={"embeddings": embeddings, "row_of_image": [row_of_image[key] for key in keys]},
        new_fingerprint=hashlib.sha256(f"{rows._fingerprint}/{digest}".encode()).hexdigest()[:32],
        desc="Joining image embeddings",
    )


def _image_key(image: Mapping[str, Any]) -> str:
    """Equal for rows that show one image: the digest of its bytes, or its file with size and time."""
    if image["bytes"]:
        return content_digest(image["bytes"])
    size, time = size_and_time(image["path"])
    return f"{image['path']}:{size}:{time}"


def _encode(batch: Mapping[str, Sequence], model: Any, processor: Any, projected: bool) -> dict[str, list]:
    column = IMAGE_EMBEDS if projected else IMAGE_FEATURES
    return {column: list(encode_images(model, processor, batch[IMAGE], projected).numpy())}


def _look_up(batch: Any, indices: Sequence[int], embeddings: Dataset, row_of_image: Sequence[int]) -> dict[str, Any]:
    return dict(embeddings[[row_of_image[i] for i in indices]])
