"""Embeddings to scalar losses: pure functions of tensors that know neither model nor ranks."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .embeddings import Embeddings


def _check_shapes(batch: Embeddings) -> None:
    size, dim = batch.image.shape
    expected = {
        "caption": (size, dim),
        "negatives": (size, batch.mask.shape[-1], dim),
        "mask": (size, batch.mask.shape[-1]),
        "image_id": (size,),
    }
    for name, shape in expected.items():
        got = tuple(getattr(batch, name).shape)
        if got != shape:
            raise ValueError(f"{name} has shape {got}, expected {shape} beside images of shape {(size, dim)}.")


def _same_image(image_id: Tensor) -> Tensor:
    """(B, B) bool: a different row of the same image, whose caption is true here too and so no negative."""
    same = image_id[:, None] == image_id[None]
    return same & ~torch.eye(len(image_id), dtype=torch.bool, device=image_id.device)


def batch_negatives_loss(batch: Embeddings, *, logit_scale: Tensor) -> Tensor:
    """InfoNCE in which each image also competes against every hard-negative caption of the batch.

    Args:
        batch: Unit-norm embeddings; with K = 0, or an empty mask, this is CLIP's own loss.
        logit_scale: Inverse temperature, a positive scalar (CLIP stores its logarithm).

    Returns:
        Scalar in nats, mean of image-to-text and text-to-image; negatives act only in image-to-text. Other captions
        of the same image, and negatives made from them, are left out of each other's softmax.

    Raises:
        ValueError: If shapes disagree; the message names both.

    Reference:
        NegCLIP, Yuksekgonul et al. 2023, https://huggingface.co/papers/2210.01936

    Example:
        >>> x, mask = torch.zeros(2, 8), torch.ones(2, 1, dtype=torch.bool)
        >>> batch = Embeddings(x, x, x[:, None], mask, torch.arange(2))
        >>> batch_negatives_loss(batch, logit_scale=torch.tensor(1.0))  # (log 4 + log 2) / 2
        tensor(1.0397)
    """
    _check_shapes(batch)
    same = _same_image(batch.image_id)
    to_captions = (logit_scale * batch.image @ batch.caption.T).masked_fill(same, -torch.inf)  # (B, B)
    to_negatives = logit_scale * batch.image @ batch.negatives.flatten(0, 1).T  # (B, B * K)
    absent = ~batch.mask.flatten()[None] | same.repeat_interleave(batch.mask.shape[1], dim=1)
    logits = torch.cat([to_captions, to_negatives.masked_fill(absent, -torch.inf)], dim=1)
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(to_captions.T, target)) / 2


def own_negatives_loss(batch: Embeddings, *, logit_scale: Tensor) -> Tensor:
    """Cross-entropy of an image choosing its caption among its own hard negatives only.

    Args:
        batch: Unit-norm embeddings; rows without a negative do not count.
        logit_scale: Inverse temperature, a positive scalar.

    Returns:
        Scalar in nats, mean over the rows that have a negative; 0 where none has.

    Raises:
        ValueError: If shapes disagree; the message names both.

    Reference:
        The `neg_only` term of TSVLC, Doveh et al. 2023, https://huggingface.co/papers/2211.11733

    Example:
        >>> x, mask = torch.zeros(2, 8), torch.tensor([[True, True, True], [False, False, False]])
        >>> batch = Embeddings(x, x, torch.zeros(2, 3, 8), mask, torch.arange(2))
        >>> own_negatives_loss(batch, logit_scale=torch.tensor(1.0))  # log 4
        tensor(1.3863)
    """
    _check_shapes(batch)
    texts = torch.cat([batch.caption[:, None], batch.negatives], dim=1)  # (B, 1 + K, D)
    logits = logit_scale * torch.einsum("bd,bkd->bk", batch.image, texts)
    present = F.pad(batch.mask, (1, 0), value=True)
    losses = -logits.masked_fill(~present, -torch.inf).log_softmax(dim=1)[:, 0]
    # A row without negatives has a loss of 0 already: log_softmax of one logit.
    return losses.sum() / batch.mask.any(dim=1).sum().clamp(min=1)


def pair_scores(batch: Embeddings) -> Tensor:
    """Cosines of each image with its caption and its negatives, (B, 1 + K); -1 where a negative is absent."""
    texts = torch.cat([batch.caption[:, None], batch.negatives], dim=1)
    scores = torch.einsum("bd,bkd->bk", batch.image, texts)
    return scores.masked_fill(~F.pad(batch.mask, (1, 0), value=True), -1.0)
