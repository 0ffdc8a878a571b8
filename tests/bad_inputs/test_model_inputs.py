"""Bad inputs of `hf-hardneg evaluate`, `interpolate` and `hf_hardneg.train`: models, benchmarks, recipes and flags."""

import json
import pickle
import shutil
from dataclasses import fields

import pytest
import torch
from helpers.bad_inputs import (
    NO_NUMBER,
    Bad,
    bomb,
    check_all,
    of_contents,
    of_flags,
    of_json,
    of_places,
    values_instead,
)
from helpers.benchmark_fixtures import make_benchmark
from helpers.demo_recipe import DEMO_WITHOUT_TWINS
from safetensors.torch import load_file, save

from hf_hardneg.training.argument_ranges import DATA_RANGES, MODEL_RANGES, TRAINING_RANGES
from hf_hardneg.training.command import main as train
from hf_hardneg.training.recipe import ARGUMENT_CLASSES


# Values of config.json that transformers and torch meet with errors of many kinds.
BAD_VALUES = [("dtype", [[]]), ("initializer_factor", None), ("logit_scale_init_value", None),
              ("logit_scale_init_value", 10**9), ("projection_dim", None), ("projection_dim", -1)]  # fmt: skip


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    """A source may be ".", and a checkout with its environment has too many files to look through."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def model_inputs(folder, argv):
    """A model's folder with damaged weights, configs and tokenizers."""
    for name in ("model.safetensors", "config.json", "tokenizer.json", "processor_config.json"):
        for bad in of_contents(folder / name, (folder / name).read_bytes(), argv, (str(folder),)):
            if bad.name != "processor_config.json: {}":
                yield bad
    config = json.loads((folder / "config.json").read_text())
    for name in ("model_type", "text_config", "vision_config"):
        for what, value in values_instead(config[name]).items():
            if what != "null":
                content = json.dumps({**config, name: value}).encode()
                yield Bad(f"{name} is {what}", argv, (str(folder),), "config", folder / "config.json", content)
    for name, value in BAD_VALUES:
        content = json.dumps({**config, name: value}).encode()
        yield Bad(f"{name} is {value}", argv, (str(folder),), "config.json", folder / "config.json", content)
    weights = folder / "model.safetensors"
    state = load_file(weights)
    projection = next(key for key in state if key.endswith("visual_projection.weight"))
    for shape in ((3, 5), (1,), (0,)):
        other = save({**state, projection: torch.zeros(shape)}, {"format": "pt"})
        yield Bad(f"weights of the shape {shape}", argv, (str(folder),), "", weights, other)


def pickle_inputs(folder, argv):
    """A folder whose weights are a pickle, or should be one."""
    (folder / "model.safetensors").unlink()
    for what, content in {
        "a pickle of a list": pickle.dumps([1]),
        "a pickle that calls": b"cos\nsystem\n(S'true'\ntR.",
        "no pickle": b"x" * 100,
        "an empty pickle": b"",
    }.items():
        yield Bad(what, argv, (str(folder),), "", folder / "pytorch_model.bin", content)


@pytest.fixture
def tiny(start, tmp_path):
    shutil.copytree(start, tmp_path / "tiny")
    return tmp_path / "tiny"


def test_evaluate(tiny, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    argv = ["evaluate", str(tiny), "--benchmarks", make_benchmark("winoground", tmp_path / "pairs"), *out]
    inputs = list(model_inputs(tiny, argv))
    names = (
        "",
        "x=",
        "=",
        "scene",
        "aro=nowhere",
        "winoground=/dev/null",
        "coco=.",
        "a=b=c",
        "sugarcrepe=" + "x" * 300,
    )
    for name in names:
        named = ["evaluate", str(tiny), "--benchmarks", name, *out]
        says = (*filter(None, (part[:20] for part in name.split("="))), "benchmark")
        inputs.append(Bad(f"--benchmarks {name:.20}", named, says))
    for model in ("nowhere", "a=", "a=b,", "org/no-model", "a b", "/dev/null", "x" * 300, "a=nowhere,nowhere2"):
        says = (model.partition("=")[2].partition(",")[0] or model)[:20]
        inputs.append(Bad(f"model {model:.20}", ["evaluate", model, *argv[2:]], (says,)))
    inputs += of_places(argv[:-2], "--out", tmp_path / "places", ("metrics.json", "table.md"))
    check_all(inputs, capsys)
    check_all(pickle_inputs(tiny, argv), capsys, at_least=4)


def test_interpolate(tiny, start, tmp_path, capsys):
    benchmarks = [make_benchmark(name, tmp_path / name) for name in ("winoground", "flickr30k")]
    argv = ["interpolate", start, str(tiny), "--out", str(tmp_path / "out"), "--benchmarks"]
    inputs = list(model_inputs(tiny, [*argv, *benchmarks]))
    inputs += of_flags([*argv, *benchmarks], {"--max_loss": ("-1", "101", "inf", *NO_NUMBER)})
    places = ["interpolate", start, str(tiny), "--benchmarks", *benchmarks]
    inputs += of_places(places, "--out", tmp_path / "places", ("config.json", "curve.png"))
    inputs.append(Bad("--out is a model", [*places, "--out", str(tiny)], (str(tiny),), "config.json"))
    for name in ("", "x=", "=", "scene", "coco=.", "zero_shot", "winoground"):
        inputs.append(Bad(f"--benchmarks {name}", [*argv, name], (name.partition("=")[0] or "benchmark",)))
    check_all(inputs, capsys)


def number_flags():
    """Values out of the range of every number among the arguments of a training."""
    for name, allowed in {**MODEL_RANGES, **DATA_RANGES, **TRAINING_RANGES}.items():
        values = ["nan", "inf", "-inf", "x", str(allowed.low - 1)]
        values += [str(allowed.low)] if allowed.above else []
        values += [str(allowed.high + 1)] if allowed.high < 1e300 else []
        values += [str(allowed.high)] if allowed.below else []
        for value in values:
            yield name, value.removesuffix(".0")


def test_every_number_of_a_training_has_a_range():
    numbers = {
        field.name
        for cls in ARGUMENT_CLASSES
        for field in fields(cls)
        if field.init and ("int" in str(field.type) or "float" in str(field.type)) and "str" not in str(field.type)
    }
    assert numbers == {*MODEL_RANGES, *DATA_RANGES, *TRAINING_RANGES}


def test_flags_of_a_training(tmp_path, capsys):
    argv = ["demo.yaml", "--output_dir", str(tmp_path / "out")]
    inputs = [
        Bad(
            f"--{name} {value}",
            [*argv, f"--{name}", *([value] * (3 if name == "scene_mention_rates" else 1))],
            (name,),
        )
        for name, value in number_flags()
    ]
    inputs += of_places(argv[:1], "--output_dir", tmp_path / "places", ("README.md", "config.json"))
    inputs += [Bad(f"--hub_tag {tag!r}", [*argv, "--hub_tag", tag], ("hub_tag",)) for tag in ("", "a b", "..", "main")]
    check_all(inputs, capsys, train, at_least=150)


def test_recipes(tmp_path, capsys):
    recipe = tmp_path / "r.yaml"
    texts = ["", "null", "3", "- x", "a: [", "a: b: c", "\t", "x: 1", "numnegatives: 3", "hub_token: x",
    "num_negatives: []",
             "num_negatives: [1, 2]", "num_negatives: x", "num_negatives: {a: 1}", "control: maybe",

             "1: 2", "null: 3", "num_negatives: 1e400", "learning_rate: .nan",
             "!!python/object:os.system {}",
             "seed: 1.5", "loss: hinge", "text_layout: 3", "frozen_towers: [audio]", "lora_towers: [x]",

             "seed: 1\nseed: 2", "seed: " + "9" * 5000, "seed: 2020-13-45", "seed: \0", "seed: 1\n\tx: 2", bomb(),
             "save_strategy: x", "eval_strategy: 3", "optim: x", "lr_scheduler_type: x", "fsdp: x",
             "bf16: x"]  # fmt: skip
    argv = [str(recipe), "--output_dir", str(tmp_path / "out"), "--model_name_or_path", "nowhere"]
    inputs = list(of_contents(recipe, b"num_negatives: 3", argv, ("r.yaml", "nowhere")))
    for text in texts:
        says = ("Recipe", "r.yaml", text.partition(":")[0].strip("- \t") or "r.yaml")
        inputs.append(Bad(f"recipe {text}", argv, says, "", recipe, text.encode()))
    check_all(inputs, capsys, train, at_least=40)


def test_models_and_photos_of_a_training(tiny, coco, tmp_path, capsys):
    argv = [*DEMO_WITHOUT_TWINS, "--model_name_or_path", str(tiny), "--output_dir", str(tmp_path / "out")]
    argv += ["--dataset", str(coco), "--allow_challenge_images", "true", "--num_proc", "1", "--report_to", "none"]
    inputs = list(model_inputs(tiny, argv))
    file = coco / "annotations" / "captions_val2017.json"
    data = json.loads(file.read_text())
    image, caption = data["images"][0], data["annotations"][0]
    small = {
        "images": [{name: image[name] for name in ("id", "file_name")}],
        "annotations": [{name: caption[name] for name in ("image_id", "caption")}],
    }
    # Of the only photo and its only caption: the error names the file, and says that nothing is left of it.
    left = ("images.0.id is text", "annotations.0.image_id is text")
    left += ("annotations.0.caption is null", "annotations.0.caption is dropped")
    for bad in of_json(file, small, argv):
        is_left = bad.name.removeprefix(f"{file.name}: ") in left
        inputs.append(bad._replace(field="No usable row") if is_left else bad)
    check_all(inputs, capsys, train, at_least=80)
