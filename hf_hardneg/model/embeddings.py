"""The embeddings of a batch, as losses take them: images, captions and negatives."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


NO_PAIR = torch.iinfo(torch.int64).min  # the pair id of rows without a twin


class Embeddings(NamedTuple):
    """Unit-norm embeddings of a batch.

    Attributes:
        image: (B, D).
        caption: (B, D), row i describes image i.
        negatives: (B, K, D), the K negatives of row i contradict image i; zero where `mask` is False.
        mask: (B, K) bool, True where a negative exists.
        image_id: (B,) int64, equal for rows of the same image.
        pair_id: (B,) int64, equal for two twins; `NO_PAIR` for single images. None if there are no twins.
    """

    image: Tensor
    caption: Tensor
    negatives: Tensor
    mask: Tensor
    image_id: Tensor
    pair_id: Tensor | None = None


def split_embeddings(
    image: Tensor, text: Tensor, mask: Tensor, image_id: Tensor, pair_id: Tensor | None = None
) -> Embeddings:
    """Split the text embeddings of a batch into captions and negatives.

    Args:
        image: (B, D).
        text: (B + N, D), first the B captions, then the N negatives that exist, row by row.
        mask: (B, K) bool, N times True: which negatives exist.
        image_id: (B,) int64.
        pair_id: (B,) int64, or None.

    Returns:
        The embeddings of the batch, with gradient.

    Raises:
        ValueError: If the mask does not have one row per image.

    Example:
        >>> mask = torch.tensor([[True, False], [False, False]])
        >>> text = torch.tensor([[1.0], [2.0], [3.0]])  # Two captions, and a negative of the first.
        >>> batch = split_embeddings(torch.zeros(2, 1), text, mask, torch.arange(2))
        >>> batch.caption.tolist(), batch.negatives.tolist()
        ([[1.0], [2.0]], [[[3.0], [0.0]], [[0.0], [0.0]]])
    """
    if len(mask) != len(image):
        raise ValueError(f"mask has {len(mask)} rows for {len(image)} images; it must be (B, K).")
    caption, negatives = text[: len(image)], text[len(image) :]
    spread = torch.zeros(*mask.shape, text.shape[-1], dtype=text.dtype, device=text.device)
    # Unlike indexing with a mask, masked_scatter does not send the mask from the device to the CPU.
    spread = spread.masked_scatter(mask[..., None], negatives)
    return Embeddings(image, caption, spread, mask, image_id, pair_id)


def join_embeddings(parts: Sequence[Embeddings]) -> Embeddings:
    """Concatenate batches of the same K and D; all of them have pair ids, or none has."""
    pair_ids = [part.pair_id for part in parts if part.pair_id is not None]
    return Embeddings(
        image=torch.cat([part.image for part in parts]),
        caption=torch.cat([part.caption for part in parts]),
        negatives=torch.cat([part.negatives for part in parts]),
        mask=torch.cat([part.mask for part in parts]),
        image_id=torch.cat([part.image_id for part in parts]),
        pair_id=torch.cat(pair_ids) if pair_ids else None,
    )
