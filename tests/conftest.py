"""A tiny real CLIPModel, its processor, and small data folders that the tests make themselves."""

import json
import os
import random
import subprocess
import sys


os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import pytest
import torch
from PIL import Image
from transformers import (
    CLIPModel,
    CLIPProcessor,
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

from hf_hardneg.columns import with_negatives
from hf_hardneg.lexicon.index import load_index
from hf_hardneg.negatives.add_negatives import AddHardNegatives
from hf_hardneg.negatives.slots import find_mentions
from hf_hardneg.scenes.world import (
    MENTION_RATES,
    describe_scene,
    draw_scene,
    sample_scene,
    sample_wording,
    scene_pairs,
    scene_rows,
)
from hf_hardneg.training.arguments import HardNegCLIPTrainingArguments
from hf_hardneg.training.start import build_model, build_processor, build_tokenizer
from hf_hardneg.training.trainer import HardNegCLIPTrainer


CAPTIONS = [
    "A red car next to a blue bus.",
    "Two black dogs on the left of a bench.",
    "A small brown horse stands behind a fence.",
    "An orange cat sits on top of a table.",
    "A man rides a large wave.",
]
# The same sentences with other words, so that a word can be replaced by one that is as likely.
OTHER_CAPTIONS = [
    "A green car next to a yellow bus.",
    "Two white cows on the right of a bench.",
    "A large brown zebra stands in front of a fence.",
    "An orange dog sits on top of a table.",
    "A woman rides a small wave.",
]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep data sets that tests make out of the user's cache."""
    import datasets

    patch = pytest.MonkeyPatch()
    cache = tmp_path_factory.mktemp("cache")
    patch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    patch.setenv("HF_DATASETS_CACHE", str(cache))
    yield
    patch.undo()


def mentions(text, index=None):
    """The (concept, name) pairs that a text mentions, in whatever sense."""
    index = index or load_index()
    names = list(index.mentions)
    return {names[mention] for mention in find_mentions(text, index)}


def outputs_under_two_hash_seeds(code):
    """What a Python program prints under PYTHONHASHSEED 1 and under 2."""
    return [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]


def scene_captions(size, seed="vocabulary"):
    captions = []
    for i in range(size):
        rng = random.Random(f"{seed}/{i}")
        scene = sample_scene(rng)
        captions.append(describe_scene(scene, sample_wording(rng, scene, MENTION_RATES)))
    return captions


@pytest.fixture(scope="session")
def processor() -> CLIPProcessor:
    return build_processor(build_tokenizer(scene_captions(300) + CAPTIONS))


@pytest.fixture
def model(processor) -> CLIPModel:
    model = build_model(processor.tokenizer, num_hidden_layers=1)
    return model.eval()


@pytest.fixture
def start(model, processor, tmp_path):
    """A folder with a tiny random model and its processor."""
    folder = tmp_path / "start"
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def training_rows(own_cache):
    """40 scenes with up to two negatives each."""
    rows = scene_rows("trainer", 40)
    return rows.map(AddHardNegatives(num_negatives=2), batched=True, features=with_negatives(rows.features))


@pytest.fixture(scope="session")
def pairs(own_cache):
    """Three inpainted pairs of each concept."""
    return scene_pairs("trainer", 3)


@pytest.fixture
def make_trainer(processor, training_rows, tmp_path):
    """Makes trainers on the CPU that take three steps of 8 rows."""

    def make(model, rows=None, pairs=None, processing_class=processor, **arguments):
        defaults = {
            "output_dir": str(tmp_path / "out"),
            "num_negatives": 2,
            "per_device_train_batch_size": 8,
            "max_steps": 3,
            "learning_rate": 1e-3,
            "report_to": "none",
            "save_strategy": "no",
            "use_cpu": True,
            "disable_tqdm": True,
        }
        rows = training_rows if rows is None else rows
        return HardNegCLIPTrainer(
            model,
            HardNegCLIPTrainingArguments(**(defaults | arguments)),
            train_dataset=rows,
            eval_dataset=rows.select(range(min(19, len(rows)))),
            processing_class=processing_class,
            pairs=pairs,
        )

    return make


@pytest.fixture
def coco(tmp_path):
    """A folder in COCO's official format: 12 images of 40 x 50 pixels with 5 captions, instances for the first."""
    folder = tmp_path / "coco"
    (folder / "annotations").mkdir(parents=True)
    (folder / "val2017").mkdir()
    images, annotations = [], []
    for image_id in range(100, 112):
        name = f"{image_id:012}.jpg"
        scene = draw_scene(sample_scene(random.Random(image_id)), 16)
        scene.resize((40, 50)).save(folder / "val2017" / name)
        images.append({"id": image_id, "file_name": name, "width": 40, "height": 50})
        captions = CAPTIONS if image_id % 2 == 0 else OTHER_CAPTIONS
        annotations += [
            {"id": len(annotations) + i, "image_id": image_id, "caption": c} for i, c in enumerate(captions)
        ]
    write_json(folder / "annotations" / "captions_val2017.json", {"images": images, "annotations": annotations})
    instances = {
        "images": images,
        "annotations": [{"id": 1, "image_id": 100, "category_id": 3}],
        "categories": [{"id": 3, "name": "truck", "supercategory": "vehicle"}],
    }
    write_json(folder / "annotations" / "instances_val2017.json", instances)
    return folder


def write_json(file, data):
    file.write_text(json.dumps(data))


def edit_captions(folder, change):
    """Apply `change(data)` to the captions file of a COCO folder."""
    file = folder / "annotations" / "captions_val2017.json"
    data = json.loads(file.read_text())
    change(data)
    write_json(file, data)


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
