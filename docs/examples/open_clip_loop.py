"""The losses in a training loop of open_clip's kind."""

import math

from hf_hardneg.model import split_embeddings
from hf_hardneg.training import batch_negatives_loss, own_negatives_loss


def train_step(model, optimizer, images, texts, mask, image_id):
    """One step: `texts` are B captions, then the negatives that `mask` (B, K) has, row by row."""
    image, text, logit_scale = model(images, texts)  # unit-norm features and the exponential of the scale
    batch = split_embeddings(image, text, mask, image_id)
    loss = batch_negatives_loss(batch, logit_scale=logit_scale) + own_negatives_loss(batch, logit_scale=logit_scale)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    model.logit_scale.data.clamp_(0, math.log(100))
    return loss.item()
