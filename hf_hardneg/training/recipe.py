"""The arguments of a training run: dataclasses, filled from a YAML recipe and from flags that override it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml
from transformers import HfArgumentParser

from ..lexicon.concepts import CONCEPTS
from ..suggestions import did_you_mean
from .arguments import HardNegCLIPTrainingArguments


RECIPES = Path(__file__).parent / "recipes"


@dataclass
class ModelArguments:
    """Which model is continued, and whether beside a control."""

    model_name_or_path: str | None = field(
        default=None,
        metadata={"help": "Hub id or folder of a CLIP, MetaCLIP 2 or SigLIP model; none is the shipped start model."},
    )
    control: bool = field(
        default=False, metadata={"help": "Also train the control: same start, rows and steps, but no negatives."}
    )
    text_only: bool = field(
        default=False,
        metadata={"help": "Train the text tower alone, on image embeddings that are computed once and kept."},
    )
    frozen_towers: list[str] = field(default_factory=list, metadata={"help": "Towers to leave as they are."})
    lora_towers: list[str] = field(
        default_factory=list, metadata={"help": "Towers to train by LoRA (vision, text); all else is then frozen."}
    )
    lora_rank: int = field(default=16, metadata={"help": "Rank of LoRA's matrices."})
    lora_alpha: int = field(default=32, metadata={"help": "LoRA's product is scaled by alpha / rank."})
    lora_dropout: float = field(default=0.0, metadata={"help": "Dropout on what goes into LoRA's matrices."})

    def __post_init__(self) -> None:
        """Count text-only tuning's vision tower among the frozen; raises ValueError if nothing is left to train."""
        frozen = sorted({*self.frozen_towers, *(["vision"] if self.text_only else [])})
        both = set(frozen) & set(self.lora_towers)
        if both:
            raise ValueError(f"{', '.join(sorted(both))}: a tower cannot be frozen and trained by LoRA (lora_towers).")
        if len(frozen) == 2:
            raise ValueError("With text_only or frozen_towers both towers are frozen: nothing is left to train.")
        self.frozen_towers = frozen


@dataclass
class DataArguments:
    """Where rows, negatives and held-out data come from."""

    dataset: str = field(
        default="scenes",
        metadata={"help": "'scenes', a COCO-format folder, a Hub id, or a folder of Parquet files or images."},
    )
    dataset_split: str | None = field(
        default=None,
        metadata={"help": "Split to train on, such as train2017; default: COCO's only one, else 'train'."},
    )
    image_column: str = field(default="image", metadata={"help": "Column of images (Hub ids and local data sets)."})
    caption_column: str = field(default="caption", metadata={"help": "Column of a caption, or a list of them."})
    num_rows: int | None = field(
        default=None, metadata={"help": "How many rows to train on; scenes default to 12000."}
    )
    scene_mention_rates: list[float] = field(
        default_factory=lambda: [0.35, 0.25, 0.5],
        metadata={"help": "Scenes: share of captions that mention a color, a size, a location."},
    )
    concepts: list[str] = field(
        default_factory=lambda: list(CONCEPTS),
        metadata={"help": "Concepts to swap: names of this package, or paths of your YAML or JSON files."},
    )
    temperature: float = field(
        default=1.35,
        metadata={"help": "Above 1, more captions have negatives, and these are easier to tell by reading."},
    )
    language_model: str | None = field(
        default=None,
        metadata={"help": "Hub id or folder of a causal language model that drops negatives it can tell by reading."},
    )
    concept_weights: list[float] = field(
        default_factory=list,
        metadata={
            "help": "Relative frequency of each concept among the negatives of a caption that names several; "
            "default: all alike."
        },
    )
    keep_captions_without_negatives: bool = field(
        default=True, metadata={"help": "Train also on captions that have no negative, by in-batch negatives alone."}
    )
    pairs: str | None = field(
        default=None,
        metadata={
            "help": "Inpainted pairs to evaluate on: Hub id or folder with InpaintCOCO's columns, split 'test'."
        },
    )
    challenge_sets: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Hub ids or folders of inpainted pairs, split 'test', whose COCO photos (coco_details.id) are "
            "left out of the training data and counted; those of `pairs` are, anyway."
        },
    )
    allow_challenge_images: bool = field(
        default=False,
        metadata={
            "help": "Train on photos of challenge sets, too, and on COCO's val2017, which they are made from. Without "
            "it a split named val2017 is refused, and so is each photo that coco_url says is from there."
        },
    )
    pairs_per_concept: int = field(default=300, metadata={"help": "Scenes: inpainted pairs of each concept."})
    held_out_images: int = field(
        default=1000, metadata={"help": "Images for retrieval; at most a tenth of real data."}
    )
    held_out_scenes: str = field(
        default="test", metadata={"help": "Seed of the held-out scenes; choose settings on another, such as 'dev'."}
    )
    num_proc: int | None = field(default=None, metadata={"help": "Processes that prepare data; default: one a core."})


Arguments = tuple[ModelArguments, DataArguments, HardNegCLIPTrainingArguments]


def _read_recipe(name: str, known: Sequence[str]) -> dict[str, object]:
    file = Path(name) if Path(name).is_file() else RECIPES / name
    if not file.is_file():
        recipes = sorted(recipe.name for recipe in RECIPES.glob("*.yaml"))
        raise ValueError(
            f"There is no recipe {name!r}.{did_you_mean(name, recipes)} Shipped recipes: {', '.join(recipes)}."
        )
    try:
        recipe = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"Recipe {name} is not valid YAML: {error}") from error
    if not isinstance(recipe, dict):
        raise ValueError(f"Recipe {name} must hold 'key: value' lines, got {type(recipe).__name__}.")
    for key in recipe:
        if key == "hub_token":
            raise ValueError(f"Recipe {name} holds a hub_token; keep it out of files: `hf auth login`, or HF_TOKEN.")
        if key not in known:
            raise ValueError(f"Recipe {name} has the unknown key {key!r}.{did_you_mean(str(key), known)}")
    return recipe


def _as_flags(recipe: Mapping[str, Any]) -> list[str]:
    flags = []
    for key, value in recipe.items():
        if value is None:
            continue  # the default
        values = value if isinstance(value, list) else [value]
        flags += [f"--{key}", *(json.dumps(item) if isinstance(item, dict | bool) else str(item) for item in values)]
    return flags


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Read an optional recipe (a file, or the name of a shipped one) as first argument, and flags that override it.

    Raises:
        ValueError: On an unknown recipe, key or flag; the message names the nearest right one.
    """
    classes: Any = (ModelArguments, DataArguments, HardNegCLIPTrainingArguments)
    parser = HfArgumentParser(
        classes, prog="python -m hf_hardneg.train", usage="%(prog)s [recipe.yaml] [--flags]", allow_abbrev=False
    )
    known = [item.name for cls in classes for item in fields(cls) if item.init]
    flags = list(argv)
    recipe = flags.pop(0) if flags and not flags[0].startswith("-") else "demo.yaml"
    # A recipe is read as flags before the flags, so that the parser checks both alike and the last one wins.
    flags = _as_flags(_read_recipe(recipe, known)) + flags
    *parsed, unknown = parser.parse_args_into_dataclasses(
        flags, return_remaining_strings=True, look_for_args_file=False
    )
    if unknown:
        raise ValueError(
            f"Unknown argument {unknown[0]!r}.{did_you_mean(unknown[0], [f'--{name}' for name in known])}"
        )
    model_args, data_args, training_args = parsed
    if len(data_args.scene_mention_rates) != 3:
        raise ValueError(f"scene_mention_rates {data_args.scene_mention_rates} must be 3: color, size, location.")
    return model_args, data_args, training_args
