"""Read a YAML recipe and the flags that override it.

The recipes of this package are in `recipes/`.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..suggestions import did_you_mean
from ..yaml_files import read_yaml
from .argument_parser import GroupedArgumentParser
from .arguments import SCENES, Arguments, DataArguments, HardNegCLIPTrainingArguments
from .model_arguments import ModelArguments


RECIPES = Path(__file__).parent / "recipes"
DEFAULT_RECIPE, RECIPE_OF_PHOTOS = "demo.yaml", "photos.yaml"
# What is asked for under a name that no flag has.
ADVICE = {
    "model_revision": "A revision is a part of the name: --model_name_or_path ID@REVISION.",
    "dataset_revision": "A revision is a part of the name: --dataset ID@REVISION.",
    "revision": "A revision is a part of the name: --model_name_or_path ID@REVISION, or --dataset ID@REVISION.",
    "negatives_column": "Rename the column to negatives, or name the file with --negatives.",
    "max_length": "Texts have as many tokens as the model reads; --long_captions says what becomes of longer ones.",
    "group_by_length": "Rows of a contrastive batch are drawn at random, not by length; leave it out.",
}
# What other training scripts call what a flag of this one says.
OTHER_NAMES = {
    "lr": "learning_rate",
    "epochs": "num_train_epochs",
    "num_epochs": "num_train_epochs",
    "batch_size": "per_device_train_batch_size",
    "train_batch_size": "per_device_train_batch_size",
    "eval_batch_size": "per_device_eval_batch_size",
    "model": "model_name_or_path",
    "model_name": "model_name_or_path",
    "model_id": "model_name_or_path",
    "model_path": "model_name_or_path",
    "pretrained": "model_name_or_path",
    "dataset_name": "dataset",
    "dataset_name_or_path": "dataset",
    "data": "dataset",
    "captions": "dataset",
    "train_file": "dataset",
    "train_data": "dataset",
    "dataset_config_name": "dataset_config",
    "config_name": "dataset_config",
    "subset": "dataset_config",
    "split": "dataset_split",
    "train_split": "dataset_split",
    "text_column": "caption_column",
    "out": "output_dir",
    "output": "output_dir",
    "grad_accum_steps": "gradient_accumulation_steps",
    "wd": "weight_decay",
    "optimizer": "optim",
    "scheduler": "lr_scheduler_type",
    "no_cuda": "use_cpu",
    "warmup": "warmup_steps",
    "max_train_samples": "num_rows",
    "max_train_steps": "max_steps",
    "workers": "dataloader_num_workers",
    "num_workers": "dataloader_num_workers",
    "resume": "resume_from_checkpoint",
    "hub_repo_id": "hub_model_id",
    "config": "dataset_config",
    "dataset_name_config": "dataset_config",
    "subset_split": "dataset_split",
    "train_data_dir": "dataset",
    "base_lr": "learning_rate",
    "csv_caption_key": "caption_column",
    "caption_key": "caption_column",
    "csv_img_key": "image_column",
    "image_key": "image_column",
    "hard_negatives": "negatives",
}
NEAR = 0.75  # a higher likeness is a slip of the keys; below, words such as --lr and --loss meet
TABLES = (".csv", ".tsv", ".jsonl", ".parquet")  # what is given first by mistake
ARGUMENT_CLASSES = (ModelArguments, DataArguments, HardNegCLIPTrainingArguments)
EMPTY_LISTS = {item.name for cls in ARGUMENT_CLASSES for item in fields(cls) if item.default_factory is list}


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Read the arguments of a run from a recipe and from flags.

    Args:
        argv: First, optionally, a recipe: a file, or the name of a shipped one. Without it, the demo recipe, or
            `photos.yaml` if `--dataset` is not "scenes". Then flags, which override the recipe.

    Raises:
        ValueError: If a recipe, key or flag is unknown, or a value is out of its range. The message names the nearest
            known name.

    Examples:
        >>> arguments = parse_arguments(["demo.yaml", "--num_negatives", "2"])
        >>> arguments.training.num_negatives, arguments.data.dataset
        (2, 'scenes')
    """
    known = [item.name for cls in ARGUMENT_CLASSES for item in fields(cls) if item.init]
    flags = list(argv)
    recipe = flags.pop(0) if flags and not flags[0].startswith("-") else _default_recipe(flags)
    # The recipe becomes flags before the flags. So one parser checks both, and the last value wins.
    settings = _read_recipe(recipe, known)
    if not Path(recipe).is_file():
        settings = _fit_to_machine(settings)
    flags = _as_flags(settings) + flags
    *parsed, unknown = build_parser().parse_args_into_dataclasses(
        flags, return_remaining_strings=True, look_for_args_file=False
    )
    if unknown:
        flag = unknown[0].split("=")[0]
        raise ValueError(f"Unknown argument {flag!r}.{_suggest(flag, [f'--{name}' for name in known])}")
    return Arguments(*parsed)


def _fit_to_machine(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A shipped recipe with no more data workers than this machine has cores, above which PyTorch warns."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {**settings, "dataloader_num_workers": min(settings.get("dataloader_num_workers", 0), cores)}


def _default_recipe(flags: Sequence[str]) -> str:
    """The demo's settings are for its small model and would spoil a pretrained one, which photos are for."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--dataset", nargs="?", default=SCENES)
    return DEFAULT_RECIPE if parser.parse_known_args(flags)[0].dataset == SCENES else RECIPE_OF_PHOTOS


def _suggest(name: str, known: Sequence[str]) -> str:
    """Say what an unknown flag or key can be."""
    bare = name.removeprefix("--").replace("-", "_")
    if bare in ADVICE:
        return f" {ADVICE[bare]}"
    if bare in OTHER_NAMES:
        return f" Did you mean {name[: -len(bare)] + OTHER_NAMES[bare]!r}?"
    if not bare.startswith(("hub", "push")):  # What is about the start model is never meant for the published one.
        known = [one for one in known if not one.removeprefix("--").startswith(("hub", "push"))]
    return did_you_mean(bare, [one.removeprefix("--") for one in known], NEAR, name[: -len(bare)])


def build_parser() -> GroupedArgumentParser:
    """Build the parser of the training command."""
    return GroupedArgumentParser(
        ARGUMENT_CLASSES,
        prog="python -m hf_hardneg.train",
        usage="%(prog)s [recipe.yaml] [--flag value ...]",
        description=(
            "Train a CLIP-like model with hard-negative captions, evaluate it and save it with a model card. The "
            f"first argument is a recipe: a YAML file, or one of {', '.join(_shipped_recipes())}. Without it, "
            f"{DEFAULT_RECIPE} runs, or {RECIPE_OF_PHOTOS} if --dataset names data of yours. Each flag below can also "
            "be a key of a recipe; flags override the recipe."
        ),
        allow_abbrev=False,
    )


def _shipped_recipes() -> list[str]:
    return sorted(recipe.name for recipe in RECIPES.glob("*.yaml"))


def _read_recipe(name: str, known: Sequence[str]) -> dict[str, Any]:
    if Path(name).is_dir() or Path(name).suffix.lower() in TABLES:
        raise ValueError(f"{name} is no recipe. To train on it, write --dataset {name}.")
    file = Path(name) if Path(name).is_file() else RECIPES / name
    if not file.is_file():
        recipes = _shipped_recipes()
        raise ValueError(
            f"There is no recipe {name!r}.{did_you_mean(name, recipes)} Shipped recipes: {', '.join(recipes)}."
        )
    recipe = read_yaml(file, f"Recipe {name}")
    if not isinstance(recipe, dict):
        raise ValueError(f"Recipe {name} must hold 'key: value' lines, got {type(recipe).__name__}.")
    _check_keys(name, recipe, known)
    return recipe


def _check_keys(name: str, recipe: Mapping[Any, object], known: Sequence[str]) -> None:
    of_lists = {item.name for cls in ARGUMENT_CLASSES for item in fields(cls) if "list" in str(item.type)}
    for key, value in recipe.items():
        if isinstance(value, list) and key in known and key not in of_lists:
            raise ValueError(f"Recipe {name} has {key} = {value}; it must be one value, not a list.")
        if key == "hub_token":
            raise ValueError(f"Recipe {name} holds a hub_token; keep it out of files: `hf auth login`, or HF_TOKEN.")
        if key not in known:
            raise ValueError(f"Recipe {name} has the unknown key {key!r}.{_suggest(str(key), known)}")


def _as_flags(recipe: Mapping[str, Any]) -> list[str]:
    flags = []
    for key, value in recipe.items():
        if value is None or (value == [] and key in EMPTY_LISTS):  # An empty value means the default.
            continue
        values = value if isinstance(value, list) else [value]
        flags += [f"--{key}", *(json.dumps(item) if isinstance(item, dict | bool) else str(item) for item in values)]
    return flags
