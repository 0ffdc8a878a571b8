"""Bad inputs of `hf-hardneg negatives`, `vocabulary` and `audit`."""

import json
import subprocess

import pyarrow as pa
import pytest
from helpers.bad_inputs import (
    NO_COUNT,
    NO_NUMBER,
    Bad,
    bomb,
    check_all,
    of_contents,
    of_flags,
    of_json,
    of_places,
    parquet_bytes,
)
from helpers.quick_python import quick_python

from hf_hardneg.lexicon.index import load_index
from hf_hardneg.negatives.slot_model import SlotModel


VOCABULARY = {
    "concept": "material",
    "tags": ["JJ"],
    "kinds": {"hard": ["wooden", "metal"]},
    "compatible": [["wooden", "metal"]],
    "synonyms": [["wooden", "metal"]],
    "hypernyms": {"solid": ["hard"]},
    "idioms": ["metal fatigue"],
    "ambiguous": ["metal"],
    "mass": ["metal"],
    "attributive": ["metal"],
    "disagree": {"his": ["metal"]},
    "modifier": True,
}
COCO = {
    "annotations": [
        {"id": 1, "image_id": 7, "caption": "A red car."},
        {"id": 2, "image_id": 8, "caption": "A quokka and a wombat."},
    ],
    "images": [],
}
# Captions are read whatever these hold; an image may be named by a text, and an empty caption is counted.
RIGHT = ("images", "annotations.0.id", "annotations.0.image_id is text")
RIGHT += tuple(f"annotations.0.caption is {change}" for change in ("null", "dropped"))


def table_inputs(folder, argv, rows):
    """Bad tables of captions: each kind of file with other contents, and rows that are none."""
    dumps = {
        "a.json": lambda rows: json.dumps(rows).encode(),
        "a.jsonl": lambda rows: "".join(json.dumps(row) + "\n" for row in rows).encode(),
    }
    for name, dump in dumps.items():
        file = folder / name
        yield from of_contents(file, dump(rows), argv(file))
        for what, row in {"null": None, "number": 3, "text": "x", "list": [], "lists": [["a"]]}.items():
            yield Bad(f"{name}: a row is {what}", argv(file), (name,), "", file, dump([*rows, row]))
    for name, ending in (("a.csv", ","), ("a.tsv", "\t")):
        text = f"captoin{ending}negative\nA red car.{ending}A blue car.\n"
        yield from of_contents(folder / name, text.encode(), argv(folder / name))
    yield from of_contents(folder / "a.parquet", parquet_bytes(pa.Table.from_pylist(rows)), argv(folder / "a.parquet"))
    for name in ("a.txt", "a", "a.pkl", "a.json.gz", "a.xlsx", "a.JPG"):
        yield Bad(name, argv(folder / name), (name,), "", folder / name, b"A red car.")
    for name in ("no/a.json", "no.csv", "no", "no.jsonl"):
        yield Bad(name, argv(folder / name), (name,))


@pytest.mark.parametrize(("command", "more"), [("negatives", ["--no_audit"]), ("vocabulary", ["--min_count", "1"])])
def test_captions(command, more, tmp_path, capsys):
    out = ["--out", str(tmp_path / f"out{'.yaml' * (command == 'vocabulary')}"), *more]
    inputs = list(table_inputs(tmp_path, lambda file: [command, str(file), *out], [{"caption": "A red car."}]))
    coco = tmp_path / "captions_x.json"
    inputs += of_json(coco, COCO, [command, str(coco), *out], lambda name: name.startswith(RIGHT))
    for value in (3, 0.5, True, {"x": 1}, [[["a"]]], [1.5]):
        file, content = tmp_path / "b.jsonl", json.dumps({"caption": value}).encode()
        inputs.append(Bad(f"caption is {value}", [command, str(file), *out], ("b.jsonl",), "caption", file, content))
    for value in (1e30, 2**64, -(2**63), 10**400, True, None, -1, "x", [1], {"a": 1}):
        file, content = (
            tmp_path / "c.jsonl",
            json.dumps({"caption": "A quokka, a wombat.", "image_id": value}).encode(),
        )
        inputs.append(Bad(f"image_id is {value}", [command, str(file), *out], (), "", file, content, is_right=True))
    check_all(inputs, capsys)


def test_instances_beside_captions(tmp_path, capsys):
    captions, file = tmp_path / "captions_x.json", tmp_path / "instances_x.json"
    captions.write_text(json.dumps(COCO))
    data = {"annotations": [{"image_id": 7, "category_id": 1}], "categories": [{"id": 1, "name": "car"}]}
    data["annotations"].append(dict(data["annotations"][0]))
    argv = ["negatives", str(captions), "--out", str(tmp_path / "out"), "--no_audit"]
    check_all(of_json(file, data, argv, lambda name: name == "annotations.0.image_id is text"), capsys, at_least=40)


def test_instances_of_other_images(tmp_path, capsys):
    """Such as those of another split: without their categories, more negatives would be true."""
    captions, file = tmp_path / "captions_x.json", tmp_path / "instances_x.json"
    captions.write_text(json.dumps(COCO))
    argv = ["negatives", str(captions), "--out", str(tmp_path / "out"), "--no_audit"]
    inputs = []
    for image_id, is_right in {9: False, "x": False, 7: True, "7": True}.items():
        data = {"annotations": [{"image_id": image_id, "category_id": 1}], "categories": [{"id": 1, "name": "car"}]}
        content = json.dumps(data).encode()
        inputs.append(Bad(f"image_id {image_id!r}", argv, (file.name,), "image_id", file, content, is_right))
    check_all(inputs, capsys, at_least=2)


def test_flags(tmp_path, capsys):
    captions = tmp_path / "a.jsonl"
    captions.write_text('{"caption": "A red car."}')
    flags = {
        "--num_negatives": ("0", *NO_COUNT),
        "--seed": NO_NUMBER,
        "--concept_weights": ("-1 1 1 1", "nan 1 1 1", "x", "inf 1 1 1", "0 0 0 0", "1", "1 2 3 4 5"),
        "--temperature": ("0", "-1", "inf", *NO_NUMBER),
        "--num_proc": ("0", *NO_COUNT),
        "--engine": ("", "Ray", "spark", "0"),
        "--license": ("CC-BY-4.0", "()", "a,b"),
        "--concepts": ("colour", "x.yaml", "no/where.json", "color color", "."),
    }
    inputs = list(of_flags(["negatives", str(captions), "--out", str(tmp_path / "out")], flags))
    argv = ["vocabulary", str(captions), "--out", str(tmp_path / "o.yaml")]
    inputs += of_flags(argv, {"--min_count": ("0", *NO_COUNT)})
    entries = ("README.md", "data/train.parquet", "sample.html")
    inputs += of_places(["negatives", str(captions)], "--out", tmp_path / "places", entries)
    inputs += of_places(["vocabulary", str(captions)], "--out", tmp_path / "files", is_file=True, ending=".yaml")
    for name in ("a.jsonl", "material.json", "x", "x.YAMLX"):
        inputs.append(Bad(f"--out {name}", [*argv[:3], str(tmp_path / name)], (name,), ".yaml"))
    other = tmp_path / "other.yaml"
    inputs.append(Bad("--out of others", [*argv[:3], str(other)], (other.name,), "", other, b"concept: material"))
    check_all(inputs, capsys, at_least=60)


def test_vocabularies(tmp_path, capsys):
    captions, file = tmp_path / "a.jsonl", tmp_path / "material.json"
    captions.write_text('{"caption": "A wooden car."}')
    argv = ["negatives", str(captions), "--out", str(tmp_path / "out"), "--no_audit", "--concepts", str(file)]
    optional = (*list(VOCABULARY)[3:], "hypernyms.solid", "disagree.his")

    def is_right(name):
        """Words may be numbers, and keys may be missing."""
        place, _, change = name.partition(" is ")
        if place in ("hypernyms.solid", "disagree.his"):
            return change == "dropped"
        return (place in optional and change in ("dropped", "null")) or (
            place in ("idioms.0", "attributive.0") and change in ("number", "huge")
        )

    # Other words of a kind, or none: the error names the words that others speak of.
    other_words = {f"material.json: kinds.hard{end}" for end in (" is dropped", ".0 is number", ".0 is huge")}
    inputs = [bad for bad in of_json(file, VOCABULARY, argv, is_right) if bad.name not in other_words]
    yaml = tmp_path / "material.yaml"
    texts = (
        "a: [",
        "a: b: c",
        "\t- x",
        "&a [*a]",
        "- x",
        "!!python/object:os.system {}",
        "concept: 3",
        "{",
        "%",
        "@x",
        "concept: a\nconcept: b",
        "concept: " + "9" * 5000,
        "a: 2020-13-45",
        "a: \0",
        bomb(),
    )
    for text in texts:
        inputs.append(Bad(f"yaml {text}", [*argv[:-1], str(yaml)], (yaml.name,), "", yaml, text.encode()))
    check_all(inputs, capsys)


def test_slot_models(tmp_path, capsys):
    captions, folder = tmp_path / "a.jsonl", tmp_path / "slots"
    captions.write_text('{"caption": "A red car."}')
    index = load_index(("size",))
    SlotModel.empty(index).save(folder, index)
    argv = ["negatives", str(captions), "--out", str(tmp_path / "out"), "--concepts", "size", "--model", str(folder)]
    files = (folder / "slot_model.npz", folder / "slot_model.json")
    inputs = [bad for file in files for bad in of_contents(file, file.read_bytes(), argv, (str(folder),))]
    check_all(inputs, capsys, at_least=40)


def test_audits(tmp_path, capsys):
    rows = [{"caption": "A red car.", "negatives": ["A blue car."]}]
    inputs = list(table_inputs(tmp_path, lambda file: ["audit", str(file)], rows))
    good = tmp_path / "good.jsonl"
    good.write_text(
        "".join(
            json.dumps(row) + "\n"
            for row in [*rows, *({"caption": f"A {i} car.", "negatives": ["A bus."]} for i in range(9))]
        )
    )
    for flag in ("--caption_column", "--negatives_column"):
        for name in ("captoin", "", "negativ", "0", "CAPTION"):
            inputs.append(Bad(f"{flag} {name}", ["audit", str(good), flag, name], (good.name,)))
    for flag, ending in (("--json", ".json"), ("--figure", ".png")):
        argv = ["audit", str(good)]
        inputs += of_places(argv, flag, tmp_path / flag, is_file=True, ending=ending)
        inputs.append(Bad(f"{flag} is the source", [*argv, flag, str(good)], (flag,), good.name))
    inputs.append(Bad("--figure x.xyz", ["audit", str(good), "--figure", str(tmp_path / "x.xyz")], ("--figure",)))
    check_all(inputs, capsys)


@pytest.mark.parametrize("content", ["null", "[null]", '[null, {"caption": "a"}]', "null\nnull\n"])
@pytest.mark.timeout(300)
def test_a_file_that_holds_null_does_not_end_the_interpreter(content, tmp_path):
    file = tmp_path / "a.json"
    file.write_text(content)
    command = [quick_python(), "-m", "hf_hardneg.cli", "vocabulary", str(file), "--out", str(tmp_path / "o.yaml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith(f"error: {file}")
