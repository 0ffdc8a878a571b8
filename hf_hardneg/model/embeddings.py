"""What the loss sees of a batch: embeddings of images, captions and negatives, kept apart."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Embeddings(NamedTuple):
    """Unit-norm embeddings of a batch.

    Attributes:
        image: (B, D).
        caption: (B, D), row i describes image i.
        negatives: (B, K, D), rows i contradict image i; zero where `mask` is False.
        mask: (B, K) bool, True where a negative exists.
        image_id: (B,) int64; equal ids are the same image.
    """

    image: Tensor
    caption: Tensor
    negatives: Tensor
    mask: Tensor
    image_id: Tensor


def split_embeddings(image: Tensor, text: Tensor, mask: Tensor, image_id: Tensor) -> Embeddings:
    """Sort the text embeddings of a batch into captions and negatives.

    Args:
        image: (B, D).
        text: (B + N, D): B captions, then the N negatives that `mask` has, row by row.
        mask: (B, K) bool with N times True.
        image_id: (B,).

    Returns:
        The batch's `Embeddings`; gradients flow through.

    Raises:
        ValueError: If the mask has not one row per image.
    """
    if len(mask) != len(image):
        raise ValueError(f"mask has {len(mask)} rows for {len(image)} images; it must be (B, K).")
    caption, negatives = text[: len(image)], text[len(image) :]
    spread = torch.zeros(*mask.shape, text.shape[-1], dtype=text.dtype, device=text.device)
    # masked_scatter, unlike indexing with a mask, needs no copy of the mask on the host.
    spread = spread.masked_scatter(mask[..., None], negatives)
    return Embeddings(image, caption, spread, mask, image_id)


def join_embeddings(parts: Sequence[Embeddings]) -> Embeddings:
    """The batches `parts`, all of the same K and D, as one."""
    return Embeddings(*(torch.cat(of_parts) for of_parts in zip(*parts, strict=True)))
