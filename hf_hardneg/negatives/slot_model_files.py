"""The files of a slot model: slot_model.npz and slot_model.json, which may be cut short or of something else."""

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..json_files import read_json
from ..lexicon.index import LexiconIndex
from ..plain_files import require_file
from ..ragged import Ragged
from .class_weights import ClassWeights
from .slot_examples import COLUMNS, SlotExamples
from .slot_features import FOLDS


# The arrays by name, with their kinds of numbers and dimensions.
_BAGS = ("features", "image_words")
_ARRAYS = {
    "totals": (np.int64, 1),
    "beside": (np.int64, 2),
    "of_class": (np.int64, 1),
    "form": (np.int64, 1),
    "image": (np.uint32, 1),
    "ties": (np.int64, 1),
    "tied_to": (np.uint32, 2),
    "order": (np.uint64, 1),
    "fits": (np.uint8, 2),
    **{f"{name}_starts": (np.int64, 1) for name in _BAGS},
    **{f"{name}_words": (np.uint32, 1) for name in _BAGS},
    "key_numbers": (np.int64, 1),
    "keys": (np.uint32, 1),
    "coefficients": (np.float16, 1),
    "intercepts": (np.float32, 1),
}


def describe(index: LexiconIndex) -> list[list[str]]:
    """What a saved model is compared by: the concept and the forms of each class."""
    return [[of_class.concept, *of_class.forms] for of_class in index.classes]


def write_model(folder: Path, examples: SlotExamples, weights: list[ClassWeights], described: list[list[str]]) -> None:
    """Write both files; see `SlotModel.save`."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: getattr(examples, name) for name in ("beside", *COLUMNS)}
    for name in _BAGS:
        bags = getattr(examples, name)
        arrays[f"{name}_starts"], arrays[f"{name}_words"] = bags.starts, bags.values
    arrays["totals"] = np.concatenate(examples.totals)
    arrays["key_numbers"] = np.array([len(one.keys) for one in weights])
    for name in ("keys", "coefficients", "intercepts"):
        arrays[name] = np.concatenate([getattr(one, name).ravel() for one in weights])
    np.savez_compressed(folder / "slot_model.npz", **arrays)
    (folder / "slot_model.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def read_model(folder: Path, described: list[list[str]]) -> tuple[SlotExamples, list[ClassWeights]]:
    """Read both files; see `SlotModel.load`."""
    try:
        if read_json(folder / "slot_model.json", list[list[str]]) != described:
            raise ValueError("it was fitted with another vocabulary")
        arrays = _read_arrays(folder / "slot_model.npz")
        sizes = [len(one) - 1 for one in described]
        _check(arrays, sizes)
        return _examples(arrays, sizes), _weights(arrays, sizes)
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder} holds no slot model that can be used ({error}); fit it anew.") from error


def _read_arrays(file: Path) -> dict[str, np.ndarray]:
    require_file(file)
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _ARRAYS}
    except KeyError as error:
        raise ValueError(f"{file} lacks the array {error}") from error
    except Exception as error:  # numpy reads headers with Python's parser, whose errors are of many kinds
        raise ValueError(f"{file} is cut short or no file of a slot model ({error})") from error
    for name, (dtype, dimensions) in _ARRAYS.items():
        array = arrays[name]
        if array.ndim != dimensions or array.dtype != dtype:
            raise ValueError(
                f"{name} is {array.dtype} of shape {array.shape}, not {np.dtype(dtype)} with {dimensions} dimensions"
            )
    return arrays


def _check(arrays: Mapping[str, np.ndarray], sizes: list[int]) -> None:
    """Raise if the arrays do not fit each other or the vocabulary."""
    number, features = len(arrays["of_class"]), arrays["key_numbers"]
    if len(features) != len(sizes) or (features < 0).any():
        raise ValueError(f"key_numbers holds {features.tolist()[:3]}, not a count for each of {len(sizes)} classes")
    lengths = {name: number for name in COLUMNS} | {f"{name}_starts": number + 1 for name in _BAGS}
    lengths |= {f"{name}_words": arrays[f"{name}_starts"][-1:].sum() for name in _BAGS}
    lengths |= {"totals": sum(sizes), "intercepts": FOLDS * sum(sizes), "keys": features.sum()}
    lengths["coefficients"] = FOLDS * (features * sizes).sum()
    for name, length in lengths.items():
        if len(arrays[name]) != length:
            raise ValueError(f"{name} holds {len(arrays[name])} numbers, not {length}")
    widest = (max(sizes) + 7) // 8
    if arrays["fits"].shape[1] != widest or {arrays["beside"].shape[1], arrays["tied_to"].shape[1]} != {3}:
        raise ValueError(f"fits is not ({number}, {widest}), or beside or tied_to does not have 3 columns")
    ranges = {"of_class": len(sizes), "totals": np.iinfo(np.int64).max}
    for name, end in ranges.items():
        if ((arrays[name] < 0) | (arrays[name] >= end)).any():
            raise ValueError(f"{name} holds numbers outside 0 to {end - 1}")
    if ((arrays["form"] < 0) | (arrays["form"] >= np.array(sizes)[arrays["of_class"]])).any():
        raise ValueError("form holds numbers that are no forms of their class")
    for name in _BAGS:
        if arrays[f"{name}_starts"][0] or (np.diff(arrays[f"{name}_starts"]) < 0).any():
            raise ValueError(f"{name}_starts is not sorted from 0")
    if not all(np.isfinite(arrays[name]).all() for name in ("coefficients", "intercepts")):
        raise ValueError("its coefficients hold NaN or infinity")
    for start, end in pairwise(np.append(0, np.cumsum(features)).tolist()):
        if (np.diff(arrays["keys"][start:end].astype(np.int64)) <= 0).any():
            raise ValueError("keys is not sorted")


def _examples(arrays: Mapping[str, np.ndarray], sizes: list[int]) -> SlotExamples:
    totals = np.split(arrays["totals"], np.cumsum(sizes)[:-1])
    features, image_words = (Ragged(arrays[f"{name}_words"], arrays[f"{name}_starts"]) for name in _BAGS)
    columns = {name: arrays[name] for name in COLUMNS}
    return SlotExamples(totals, arrays["beside"], features=features, image_words=image_words, **columns)


def _weights(arrays: Mapping[str, np.ndarray], sizes: list[int]) -> list[ClassWeights]:
    numbers = arrays["key_numbers"]
    keys = np.split(arrays["keys"], np.cumsum(numbers)[:-1])
    coefficients = np.split(arrays["coefficients"], FOLDS * np.cumsum(numbers * sizes)[:-1])
    intercepts = np.split(arrays["intercepts"], FOLDS * np.cumsum(sizes)[:-1])
    return [
        ClassWeights(of_keys, of_words.reshape(FOLDS, len(of_keys), size), of_forms.reshape(FOLDS, size))
        for of_keys, of_words, of_forms, size in zip(keys, coefficients, intercepts, sizes, strict=True)
    ]
