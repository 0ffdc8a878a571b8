"""Embed images and texts with a CLIP model and its processor, in batches, without gradient."""

from collections.abc import Sequence
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from ..dual_encoder import embed_images, embed_texts, find_text_format


BATCH_SIZE = 128


def text_limit(model: Any) -> int:
    """The most tokens a text may have: the size of the text tower's position table."""
    return model.config.get_text_config().max_position_embeddings


@torch.inference_mode()
def encode_images(model: Any, processor: Any, images: Sequence[Image], batch_size: int = BATCH_SIZE) -> Tensor:
    """Unit-norm embeddings of PIL images of any mode, (N, D) on the CPU in float32; the model is left in eval mode."""
    model.eval()
    parts = []
    for start in range(0, len(images), batch_size):
        batch = [image.convert("RGB") for image in images[start : start + batch_size]]
        pixels = processor.image_processor(batch, return_tensors="pt").to(model.device)
        parts.append(embed_images(model, pixels).float().cpu())
    return torch.cat(parts)


@torch.inference_mode()
def encode_texts(model: Any, processor: Any, texts: Sequence[str], batch_size: int = BATCH_SIZE) -> Tensor:
    """Unit-norm embeddings of texts, (N, D) on the CPU in float32; texts beyond the position table are cut there."""
    model.eval()
    text_format = find_text_format(model, processor.tokenizer, "padded")
    parts = []
    for start in range(0, len(texts), batch_size):
        inputs = text_format.tokenize(processor.tokenizer, texts[start : start + batch_size])
        tokens = {name: part.to(model.device) for name, part in inputs.items()}
        parts.append(embed_texts(model, tokens).float().cpu())
    return torch.cat(parts)
