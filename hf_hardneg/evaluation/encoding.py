"""Embed images and texts with a CLIP model and its processor, in batches, without gradient."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from PIL.Image import Image
from torch import Tensor


BATCH_SIZE = 128


def text_limit(model: Any) -> int:
    """The most tokens a text may have: the size of the text tower's position table."""
    return model.config.text_config.max_position_embeddings


@torch.inference_mode()
def encode_images(model: Any, processor: Any, images: Sequence[Image], batch_size: int = BATCH_SIZE) -> Tensor:
    """Unit-norm embeddings of PIL images of any mode, (N, D) on the CPU in float32; the model is left in eval mode."""
    model.eval()
    parts = []
    for start in range(0, len(images), batch_size):
        batch = [image.convert("RGB") for image in images[start : start + batch_size]]
        pixels = processor.image_processor(batch, return_tensors="pt")["pixel_values"].to(model.device)
        parts.append(F.normalize(model.get_image_features(pixel_values=pixels).pooler_output.float(), dim=-1).cpu())
    return torch.cat(parts)


@torch.inference_mode()
def encode_texts(model: Any, processor: Any, texts: Sequence[str], batch_size: int = BATCH_SIZE) -> Tensor:
    """Unit-norm embeddings of texts, (N, D) on the CPU in float32; texts beyond the position table are cut there."""
    model.eval()
    limit = text_limit(model)
    parts = []
    for start in range(0, len(texts), batch_size):
        batch = list(texts[start : start + batch_size])
        tokens = processor.tokenizer(batch, padding=True, truncation=True, max_length=limit, return_tensors="pt")
        features = model.get_text_features(**tokens.to(model.device)).pooler_output
        parts.append(F.normalize(features.float(), dim=-1).cpu())
    return torch.cat(parts)
