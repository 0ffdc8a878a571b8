"""Look at the JSON files of a model's folder before transformers reads them: it takes their shape for granted."""

from pathlib import Path
from typing import Any, NotRequired

from typing_extensions import TypedDict

from ..json_files import read_json


class Config(TypedDict):
    """The part of config.json that says what the model is."""

    model_type: NotRequired[str]
    text_config: NotRequired[dict[str, Any] | None]
    vision_config: NotRequired[dict[str, Any] | None]


class Tokenizer(TypedDict):
    """The part of tokenizer.json that every tokenizer has."""

    added_tokens: list[dict[str, Any]]
    model: dict[str, Any]


_SCHEMAS: dict[str, Any] = {
    "config.json": Config,
    "tokenizer.json": Tokenizer,
    **dict.fromkeys(("processor_config.json", "preprocessor_config.json", "tokenizer_config.json"), dict[str, Any]),
}


def check_model_files(folder: Path) -> None:
    """Raise if a JSON file of a model's folder cannot be one; nothing is said of a Hub id, which is no folder.

    Raises:
        ValueError: The message names the file and the field.
        OSError: If it is a file, or a folder without a config.json.
    """
    if folder.is_file():
        raise OSError(f"{folder} is a file; name the folder of a model, or a Hub id.")
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise OSError(f"{folder} holds no model: it has no config.json.")
    for name, schema in _SCHEMAS.items():
        if (folder / name).is_file():
            read_json(folder / name, schema)
