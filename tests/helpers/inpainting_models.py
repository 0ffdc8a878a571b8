"""Tiny real models with random weights, saved where the tests of inpainting load them from."""

import torch
from diffusers import (
    AutoencoderKL,
    PNDMScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import (
    BertConfig,
    BertTokenizer,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPSegProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessorPil,
    GroundingDinoProcessor,
    SamConfig,
    SamImageProcessorPil,
    SamModel,
    SamProcessor,
    SwinConfig,
    ViTImageProcessorPil,
)


SIZE = 32  # pixels a side that the pipeline was made for
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
NOUNS = ["bus", "car", "cup", "vase", "person", "table"]


def _text(tokenizer):
    special = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return {**TOWER, **special, "vocab_size": len(tokenizer), "max_position_embeddings": 32}


def _save(folder, *parts):
    for part in parts:
        part.save_pretrained(folder)
    return str(folder)


def save_pipeline(folder, tokenizer, *, blacks_out=False, inpaints=True):
    """A pipeline for inpainting or text to image; its safety checker, if it has one, takes everything for unsafe."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=SIZE // 2,
        in_channels=9 if inpaints else 4,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=2,
        norm_num_groups=4,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        sample_size=SIZE,
    )
    checker = extractor = None
    if blacks_out:
        vision = {**TOWER, "image_size": 32, "patch_size": 16, "projection_dim": 32}
        checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, projection_dim=32))
        checker.concept_embeds_weights.data.fill_(-10.0)
        extractor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    pipe = (StableDiffusionInpaintPipeline if inpaints else StableDiffusionPipeline)(
        vae=vae,
        text_encoder=CLIPTextModel(CLIPTextConfig(**_text(tokenizer))),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=PNDMScheduler(skip_prk_steps=True, steps_offset=1),
        safety_checker=checker,
        feature_extractor=extractor,
        requires_safety_checker=blacks_out,
    )
    return _save(folder, pipe)


def save_clipseg(folder, tokenizer):
    torch.manual_seed(0)
    config = CLIPSegConfig(
        text_config={**_text(tokenizer), "projection_dim": 32},
        vision_config={**TOWER, "num_hidden_layers": 3, "image_size": 64, "patch_size": 16, "projection_dim": 32},
        projection_dim=32,
        extract_layers=[0, 1],
        reduce_dim=16,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=32,
    )
    images = ViTImageProcessorPil(size={"height": 64, "width": 64})
    model = CLIPSegForImageSegmentation(config)
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(3.0)  # of its initial weights, all pixels are alike
    return _save(folder, model, CLIPSegProcessor(image_processor=images, tokenizer=tokenizer))


def save_grounding_dino(folder):
    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", *NOUNS]
    swin = SwinConfig(
        image_size=64,
        patch_size=4,
        embed_dim=8,
        depths=[1] * 4,
        num_heads=[1] * 4,
        window_size=4,
        out_indices=[2, 3, 4],
    )
    config = GroundingDinoConfig(
        backbone_config=swin,
        text_config=BertConfig(vocab_size=len(words), max_position_embeddings=32, **TOWER),
        d_model=32,  # its group norms have 32 groups
        encoder_layers=1,
        decoder_layers=2,  # with one layer there is nothing to tie the box head to, which transformers refuses
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=10,
        max_text_len=32,
        disable_custom_kernels=True,
    )
    images = GroundingDinoImageProcessorPil(size={"shortest_edge": 128, "longest_edge": 192})
    tokenizer = BertTokenizer(vocab={word: i for i, word in enumerate(words)})
    return _save(folder, GroundingDinoForObjectDetection(config), GroundingDinoProcessor(images, tokenizer))


def save_sam(folder):
    torch.manual_seed(0)
    config = SamConfig(
        vision_config={
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 16,
            "output_channels": 16,
            "window_size": 2,
            "global_attn_indexes": [1],
            "mlp_dim": 16,
            "num_pos_feats": 8,
        },
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "patch_size": 16, "mask_input_channels": 4},
        mask_decoder_config={
            "hidden_size": 16,
            "mlp_dim": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
            "iou_head_depth": 2,
        },
    )
    square = {"height": 64, "width": 64}
    images = SamImageProcessorPil(
        size={"longest_edge": 64},
        pad_size=square,
        mask_size={"longest_edge": 16},
        mask_pad_size={"height": 16, "width": 16},
    )
    return _save(folder, SamModel(config), SamProcessor(images))
