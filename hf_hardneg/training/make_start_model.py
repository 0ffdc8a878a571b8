"""Make the start model of the demo: a small CLIP that knows objects only.

Run it with `python -m hf_hardneg.training.make_start_model DIR`.

A CLIP of a million parameters is trained from nothing on scenes whose captions rarely mention an attribute, until it
is a bag of objects: the paper's starting point in miniature.
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
VOCABULARY_SIZE = 900  # 512 byte symbols and enough merges to make every word of the scenes one token
# transformers' initial 0.02 cripples small CLIPs from scratch: positions stay invisible and learning takes ages. Patch
# embeddings get large, and a position of 1.0 is seen beside them (at 0.3 location was not learned in 1,500 steps).
INIT_STD = {"patch": 0.1, "vision position": 1.0, "token": 0.2, "text position": 0.1}


def build_tokenizer(captions: Iterable[str]) -> CLIPTokenizer:
    """A CLIP tokenizer whose merges are learned from `captions`; any other text falls back to bytes."""
    bytes_tokenizer = Tokenizer(BPE(end_of_word_suffix="</w>"))
    bytes_tokenizer.normalizer = normalizers.Lowercase()
    bytes_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = BpeTrainer(
        vocab_size=VOCABULARY_SIZE, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
    )
    bytes_tokenizer.train_from_iterator(captions, trainer)
    merges: Any = [tuple(merge) for merge in json.loads(bytes_tokenizer.to_str())["model"]["merges"]]
    symbols = [*alphabet, *(symbol + "</w>" for symbol in alphabet), *("".join(merge) for merge in merges)]
    symbols = [*dict.fromkeys(symbols), "<|startoftext|>", "<|endoftext|>"]
    # EOS has the highest id, so that both ways in which CLIP configs find it (by id, by largest id) agree.
    return CLIPTokenizer(
        vocab={symbol: i for i, symbol in enumerate(symbols)}, merges=merges, model_max_length=MAX_TOKENS
    )


def build_model(tokenizer: CLIPTokenizer, seed: int = 0, **text_config: int) -> CLIPModel:
    """A random-weight CLIPModel for 48 x 48 scenes, whose patches are the grid's cells; `text_config` overrides."""
    shape: dict[str, Any] = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_hidden_layers": LAYERS}
    # GELU is one fused operation on a CPU, CLIP's QuickGELU three.
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
    """The processor of the start model: images to 48 x 48, grey levels to about unit variance."""
    side = GRID * CELL
    images = CLIPImageProcessorPil(
        size={"height": side, "width": side}, do_center_crop=False, image_mean=[0.5] * 3, image_std=[0.25] * 3
    )
    return CLIPProcessor(image_processor=images, tokenizer=tokenizer)


def main() -> None:
    """Build, train by recipes/start.yaml and save model and processor, nothing else, in the given folder."""
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
