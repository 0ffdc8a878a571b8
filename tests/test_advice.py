"""What an error advises works: the advice is followed word by word, and the same error does not come again."""

import random
import re

import pytest
from datasets import ClassLabel, Dataset, Features, Image, Value

from hf_hardneg.cli import main as command
from hf_hardneg.scenes.world import draw_scene, sample_scene, scene_pairs
from hf_hardneg.training.command import main as train


def save_parquet(folder, rows, split):
    folder.mkdir()
    rows.to_parquet(folder / f"{split}-00000-of-00001.parquet")


CONFIGS = """---
configs:
- config_name: a
  data_files: [{split: SPLIT, path: a.parquet}]
- config_name: b
  data_files: [{split: SPLIT, path: b.parquet}]
---
"""


def picture(number):
    return draw_scene(sample_scene(random.Random(number)), 64)


def rows_of(kind):
    if kind == "pairs":
        return scene_pairs("advice", 1)
    if kind == "labels":
        features = Features({"image": Image(), "label": ClassLabel(names=["cat", "dog"])})
        return Dataset.from_list([{"image": picture(i), "label": i % 2} for i in range(4)], features=features)
    if kind == "photos":
        rows = [{"image": picture(i), "caption": f"A red car by bus number {i}."} for i in range(4)]
        return Dataset.from_list(rows, features=Features({"image": Image(), "caption": Value("string")}))
    if kind == "captions":
        texts = [f"A rusty anchor by a wooden ladder number {i}." for i in range(6)]
        return Dataset.from_dict({"caption": texts, "negatives": [[text.replace("rusty", "shiny")] for text in texts]})
    return Dataset.from_dict({"caption": ["A red car.", "A dog."], "negatives": [["A blue car."], ["A cat."]]})


def two_configs(folder, kind, split):
    folder.mkdir()
    for name in ("a", "b"):
        rows_of(kind).to_parquet(folder / f"{name}.parquet")
    (folder / "README.md").write_text(CONFIGS.replace("SPLIT", split))
    return str(folder)


def error_of(run, *argv):
    with pytest.raises(SystemExit) as raised:
        run([*map(str, argv)])
    assert isinstance(raised.value.code, str), argv  # else argparse did not know a flag
    return raised.value.code


def photos_csv(folder):
    for i in range(4):
        picture(i).save(folder / f"{i}.jpg")
    lines = [f"{i}.jpg,A red car by bus number {i}." for i in range(4)]
    (folder / "photos.csv").write_text("\n".join(["filepath,caption", *lines]))
    return str(folder / "photos.csv")


# For each flag that names a source: the command, what goes before the source, what kind of data it reads, its split.
IN_TRAINING = {
    "negatives": ("--negatives", "", "negatives", "train"),
    "pairs": ("--pairs", "", "pairs", "test"),
    "challenge sets": ("--challenge_sets", "", "pairs", "test"),
    "benchmarks": ("--benchmarks", "zero_shot=", "labels", "test"),
}
IN_COMMANDS = {
    "evaluate": (["evaluate", "{model}", "--out", "{out}", "--benchmarks", "zero_shot={source}"], "labels", "test"),
    "negatives": (["negatives", "{source}", "--out", "{out}", "--no_audit"], "negatives", "train"),
    "audit": (["audit", "{source}"], "captions", "train"),
    "vocabulary": (["vocabulary", "{source}", "--out", "{out}.yaml", "--min_count", "2"], "captions", "train"),
    "validate": (["inpaint", "validate", "{source}"], "pairs", "test"),
}


def in_training(tmp_path, start, flag, source):
    out = ["--output_dir", tmp_path / "out", "--model_name_or_path", start, "--use_cpu", "true", "--report_to", "none"]
    # A metric that there is not ends the run as soon as all sources were read.
    last = ["--eval_strategy", "steps", "--eval_steps", "1", "--metric_for_best_model", "accuracy_nothing"]
    size = ["--max_steps", "1", "--per_device_train_batch_size", "4", "--num_proc", "1", "--num_negatives", "1"]
    return ["--dataset", photos_csv(tmp_path), *out, *last, *size, flag, source]


def followed(error, argv):
    """The command line that the advice of an error makes of another one."""
    names = re.search(r"choose one of \['a', 'b'\](.*)", error)[1]
    if "--dataset_config NAME" in names:
        return [*argv, "--dataset_config", "a"]
    spelled = re.search(r": (\S+):CONFIG:(\S+)\.", names)
    return [re.sub(re.escape(spelled[1]) + "(:|$).*", f"{spelled[1]}:a:{spelled[2]}", str(one)) for one in argv]


@pytest.mark.parametrize("name", IN_TRAINING)
def test_a_configuration_of_each_source_of_a_training_can_be_chosen(tmp_path, start, name):
    flag, before, kind, split = IN_TRAINING[name]
    argv = in_training(tmp_path, start, flag, before + two_configs(tmp_path / "two", kind, split))
    error = error_of(train, *argv)
    assert "has several configurations" in error
    again = error_of(train, *followed(error, argv))
    assert "has several configurations" not in again and "has the splits" not in again, again


@pytest.mark.parametrize("name", IN_COMMANDS)
def test_a_configuration_of_each_source_of_a_command_can_be_chosen(tmp_path, start, name):
    template, kind, split = IN_COMMANDS[name]
    source = two_configs(tmp_path / "two", kind, split)
    argv = [one.format(source=source, model=start, out=tmp_path / "out") for one in template]
    error = error_of(command, *argv)
    assert "has several configurations" in error
    command(followed(error, argv))


@pytest.mark.parametrize("name", IN_TRAINING)
def test_a_split_of_each_source_of_a_training_can_be_chosen(tmp_path, start, name):
    flag, before, kind, _ = IN_TRAINING[name]
    save_parquet(tmp_path / "other", rows_of(kind), "validation")
    source = f"{before}{tmp_path / 'other'}"
    error = error_of(train, *in_training(tmp_path, start, flag, source))
    assert "has the splits ['validation']" in error and ":SPLIT" in error
    again = error_of(train, *in_training(tmp_path, start, flag, f"{source}:validation"))
    assert "has the splits" not in again, again


def test_columns_that_no_flag_reaches_are_to_be_renamed(tmp_path, start):
    (tmp_path / "n.jsonl").write_text('{"Sentence": "A red car.", "negatives": ["A blue car."]}\n')
    error = error_of(train, *in_training(tmp_path, start, "--negatives", tmp_path / "n.jsonl"))
    assert "rename one" in error and "--" not in error
    save_parquet(
        tmp_path / "labels",
        rows_of("labels").rename_column("label", "kind").cast_column("kind", Value("int64")),
        "test",
    )
    error = error_of(train, *in_training(tmp_path, start, "--benchmarks", f"zero_shot={tmp_path / 'labels'}"))
    assert "Rename one to label, or name it with --label_column of hf-hardneg evaluate" in error


def test_a_table_of_paths_is_a_benchmark_of_retrieval(tmp_path, start):
    source = photos_csv(tmp_path)
    for more in ([], ["--image_column", "filepath"]):
        command(["evaluate", start, "--benchmarks", f"flickr30k={source}", "--out", str(tmp_path / "out"), *more])
    assert "| 4 images |" in (tmp_path / "out" / "table.md").read_text()
    (tmp_path / "0.jpg").unlink()
    error = error_of(command, "evaluate", start, "--benchmarks", f"flickr30k={source}", "--out", tmp_path / "out")
    assert "1 of the 4 photos" in error and "are missing" in error
