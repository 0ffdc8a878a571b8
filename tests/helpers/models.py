"""Tiny real models of every kind, and an image."""

import torch
from PIL import Image
from transformers import (
    MetaClip2Config,
    MetaClip2Model,
    Siglip2Config,
    Siglip2ImageProcessorPil,
    Siglip2Model,
    Siglip2Processor,
    Siglip2TextConfig,
    SiglipConfig,
    SiglipModel,
    SiglipTextConfig,
)


def gray(size=(32, 32)):
    return Image.new("L", size, 128)


SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def _special(tokenizer):
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {"vocab_size": len(tokenizer), **{name: getattr(tokenizer, name) for name in names}}


def _vivid(model):
    """Weights so large that texts differ: with transformers' own all embeddings of a small model are alike."""
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "embedding" in name:
                weights.normal_(0, 0.5)
    return model


def small_metaclip(tokenizer):
    """A random MetaCLIP 2 of CLIP's tokenizer for images of 48 x 48."""
    torch.manual_seed(0)
    text = {**SMALL, **_special(tokenizer), "max_position_embeddings": 32, "projection_dim": 32}
    vision = {**SMALL, "image_size": 48, "patch_size": 16, "projection_dim": 32}
    return _vivid(MetaClip2Model(MetaClip2Config(text_config=text, vision_config=vision, projection_dim=32)))


def small_siglip(tokenizer):
    """A random SigLIP of CLIP's tokenizer for images of 48 x 48."""
    torch.manual_seed(0)
    text = SiglipTextConfig(**SMALL, **_special(tokenizer), max_position_embeddings=32, projection_size=32)
    vision = {**SMALL, "image_size": 48, "patch_size": 16}
    return _vivid(SiglipModel(SiglipConfig(text_config=text.to_dict(), vision_config=vision)))


def small_siglip2(tokenizer):
    """A random SigLIP 2 of CLIP's tokenizer for images of any shape in at most nine patches."""
    torch.manual_seed(0)
    text = Siglip2TextConfig(**SMALL, **_special(tokenizer), max_position_embeddings=32, projection_size=32)
    vision = {**SMALL, "num_patches": 9, "patch_size": 16}
    return _vivid(Siglip2Model(Siglip2Config(text_config=text.to_dict(), vision_config=vision)))


def processor_for(make, processor):
    """CLIP's processor, or SigLIP 2's, which cuts images into patches by itself."""
    if make is not small_siglip2:
        return processor
    return Siglip2Processor(Siglip2ImageProcessorPil(patch_size=16, max_num_patches=9), processor.tokenizer)
