"""Make the start model of the demo: a small CLIP that knows objects but no attributes.

Run it with `python -m hf_hardneg.training.make_start_model DIR`.

A CLIP of a million parameters is trained from random weights, on scenes whose captions rarely mention an attribute.
Such a model treats a caption as a bag of objects, as the start model of the paper does.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor, CLIPTokenizer

from ..scenes.world import GRID, scene_rows
from .command import main as train


CELL, WIDTH, HEADS, LAYERS, MAX_TOKENS = 16, 128, 4, 2, 32
VOCABULARY_SIZE = 900  # 512 symbols for bytes, and enough merges that every word of the scenes is one token
# Standard deviations of the initial embeddings. With transformers' 0.02, a small CLIP learns very slowly, since the
# positions are too small beside the patches. With 0.3 for vision positions, 1,500 steps did not teach it location.
INIT_STD = {"patch": 0.1, "vision position": 1.0, "token": 0.2, "text position": 0.1}


def build_tokenizer(
    captions: Iterable[str], vocabulary_size: int = VOCABULARY_SIZE, max_tokens: int = MAX_TOKENS
) -> CLIPTokenizer:
    """Learn a CLIP tokenizer from captions; it splits words that are not in them into bytes."""
    bytes_tokenizer = Tokenizer(BPE(end_of_word_suffix="</w>"))
    bytes_tokenizer.normalizer = normalizers.Lowercase()
    bytes_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = BpeTrainer(
        vocab_size=vocabulary_size, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
    )
    bytes_tokenizer.train_from_iterator(captions, trainer)
    merges: Any = [tuple(merge) for merge in json.loads(bytes_tokenizer.to_str())["model"]["merges"]]
    symbols = [*alphabet, *(symbol + "</w>" for symbol in alphabet), *("".join(merge) for merge in merges)]
    symbols = [*dict.fromkeys(symbols), "<|startoftext|>", "<|endoftext|>"]
    # EOS has the largest id, so that CLIP configs find it either way: by its id, or as the largest id of a text.
    return CLIPTokenizer(
        vocab={symbol: i for i, symbol in enumerate(symbols)}, merges=merges, model_max_length=max_tokens
    )


def build_model(tokenizer: CLIPTokenizer, seed: int = 0, **text_config: int) -> CLIPModel:
    """Make a CLIP with random weights for scenes of 48 x 48 pixels, with one patch per cell of the grid.

    Args:
        tokenizer: From `build_tokenizer`.
        seed: Decides the weights.
        **text_config: Values of the text config that replace the usual ones.
    """
    shape: dict[str, Any] = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_hidden_layers": LAYERS}
    # On a CPU, GELU is one operation and CLIP's QuickGELU three.
    shape |= {"num_attention_heads": HEADS, "projection_dim": WIDTH, "hidden_act": "gelu"}
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    special |= {"pad_token_id": tokenizer.pad_token_id, "max_position_embeddings": MAX_TOKENS}
    clip_config = CLIPConfig(
        text_config={**shape, **special, "vocab_size": len(tokenizer), **text_config},
        vision_config={**shape, "image_size": GRID * CELL, "patch_size": CELL},
        projection_dim=WIDTH,
    )
    torch.manual_seed(seed)
    model = CLIPModel(clip_config)
    with torch.no_grad():
        model.vision_model.embeddings.patch_embedding.weight.normal_(0, INIT_STD["patch"])
        model.vision_model.embeddings.position_embedding.weight.normal_(0, INIT_STD["vision position"])
        model.text_model.embeddings.token_embedding.weight.normal_(0, INIT_STD["token"])
        model.text_model.embeddings.position_embedding.weight.normal_(0, INIT_STD["text position"])
    return model


def build_processor(tokenizer: CLIPTokenizer) -> CLIPProcessor:
    """Make the processor of the start model: it resizes images to 48 x 48 and scales them to about unit variance."""
    side = GRID * CELL
    images = CLIPImageProcessorPil(
        size={"height": side, "width": side}, do_center_crop=False, image_mean=[0.5] * 3, image_std=[0.25] * 3
    )
    return CLIPProcessor(image_processor=images, tokenizer=tokenizer)


def main() -> None:
    """Build the model, train it with recipes/start.yaml, and save only the model and its processor."""
    parser = argparse.ArgumentParser(prog="python -m hf_hardneg.training.make_start_model", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the model goes; the shipped one is hf_hardneg/start_model")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as work:
        tokenizer = build_tokenizer(scene_rows("train", 12000)["caption"])
        build_model(tokenizer).save_pretrained(f"{work}/random")
        build_processor(tokenizer).save_pretrained(f"{work}/random")
        train(["start.yaml", "--model_name_or_path", f"{work}/random", "--output_dir", f"{work}/trained"])
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(Path(work, "trained").iterdir()):
            if file.suffix in (".json", ".safetensors") and file.name != "metrics.json":
                shutil.copy(file, folder)
    sys.stdout.write(f"The start model is in {folder}\n")


if __name__ == "__main__":
    main()
