"""Read a YAML recipe and the flags that override it.

The recipes of this package are in `recipes/`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from ..suggestions import did_you_mean
from .argument_parser import GroupedArgumentParser
from .arguments import Arguments, DataArguments, HardNegCLIPTrainingArguments, ModelArguments


RECIPES = Path(__file__).parent / "recipes"
DEFAULT_RECIPE = "demo.yaml"
ARGUMENT_CLASSES = (ModelArguments, DataArguments, HardNegCLIPTrainingArguments)


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Read the arguments of a run from a recipe and from flags.

    Args:
        argv: First, optionally, a recipe: a file, or the name of a shipped one. Without it, the demo recipe. Then
            flags, which override the recipe.

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
    recipe = flags.pop(0) if flags and not flags[0].startswith("-") else DEFAULT_RECIPE
    # The recipe becomes flags before the flags. So one parser checks both, and the last value wins.
    flags = _as_flags(_read_recipe(recipe, known)) + flags
    *parsed, unknown = build_parser().parse_args_into_dataclasses(
        flags, return_remaining_strings=True, look_for_args_file=False
    )
    if unknown:
        suggestion = did_you_mean(unknown[0], [f"--{name}" for name in known])
        raise ValueError(f"Unknown argument {unknown[0]!r}.{suggestion}")
    return Arguments(*parsed)


def build_parser() -> GroupedArgumentParser:
    """Build the parser of the training command."""
    return GroupedArgumentParser(
        ARGUMENT_CLASSES,
        prog="python -m hf_hardneg.train",
        usage="%(prog)s [recipe.yaml] [--flag value ...]",
        description=(
            "Train a CLIP-like model with hard-negative captions, evaluate it and save it with a model card. The "
            f"first argument is a recipe: a YAML file, or one of {', '.join(_shipped_recipes())}. Without it, "
            f"{DEFAULT_RECIPE} runs. Each flag below can also be a key of a recipe; flags override the recipe."
        ),
        allow_abbrev=False,
    )


def _shipped_recipes() -> list[str]:
    return sorted(recipe.name for recipe in RECIPES.glob("*.yaml"))


def _read_recipe(name: str, known: Sequence[str]) -> dict[str, object]:
    file = Path(name) if Path(name).is_file() else RECIPES / name
    if not file.is_file():
        recipes = _shipped_recipes()
        raise ValueError(
            f"There is no recipe {name!r}.{did_you_mean(name, recipes)} Shipped recipes: {', '.join(recipes)}."
        )
    try:
        recipe = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"Recipe {name} is not valid YAML: {error}") from error
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
            raise ValueError(f"Recipe {name} has the unknown key {key!r}.{did_you_mean(str(key), known)}")


def _as_flags(recipe: Mapping[str, Any]) -> list[str]:
    flags = []
    for key, value in recipe.items():
        if value is None:  # An empty value means the default.
            continue
        values = value if isinstance(value, list) else [value]
        flags += [f"--{key}", *(json.dumps(item) if isinstance(item, dict | bool) else str(item) for item in values)]
    return flags
