"""The scores of captions and their own negatives in an evaluation during training, as `evaluation` has them.

Texts of equal token ids are one text, whatever rounding says: they get one embedding, and equal embeddings get one
score. So their tie is a tie, and counts as wrong.
"""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..evaluation.item_scores import number_rows, score_items
from ..model.embeddings import Embeddings


# What tells the N texts of a batch apart: their places in a trie, or their tokens in rows of equal length.
IN_TRIE, IN_ROWS = ("text_index",), ("input_ids", "attention_mask")


def share_embeddings(inputs: Mapping[str, Tensor], texts: Tensor) -> Tensor:
    """Give texts of equal token ids the embedding of the first of them.

    Args:
        inputs: A batch of `HardNegCollator` with N texts.
        texts: Their embeddings, (N, D).
    """
    names = IN_TRIE if IN_TRIE[0] in inputs else IN_ROWS
    tokens = torch.cat([inputs[name].view(len(texts), -1) for name in names if name in inputs], dim=1)
    numbers = number_rows(tokens.cpu().numpy())
    _, first = np.unique(numbers, return_index=True)
    return texts[torch.from_numpy(first[numbers]).to(texts.device)]


def pair_scores(batch: Embeddings) -> Tensor:
    """Compute the cosines (B, 1 + K) of each image with its caption and its own negatives, in float32.

    Equal embeddings get equal cosines. A negative that does not exist gets -1, the lowest cosine.
    """
    texts = torch.cat([batch.caption[:, None], batch.negatives], dim=1).detach().float().cpu().numpy()
    size, number, width = texts.shape
    place = np.arange(size * number).reshape(size, number)
    images = batch.image.detach().float().cpu().numpy()
    scores = torch.from_numpy(score_items(images, texts.reshape(-1, width), np.arange(size)[:, None], place)[:, 0])
    present = F.pad(batch.mask, (1, 0), value=True)
    return scores.to(batch.image.device).masked_fill(~present, -1.0)
