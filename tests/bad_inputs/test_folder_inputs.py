"""Bad inputs of `hf-hardneg report`, `push`, `scenes` and `config`."""

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.bad_inputs import (
    NO_COUNT,
    NO_WORDS,
    Bad,
    check_all,
    of_contents,
    of_flags,
    of_json,
    of_places,
    parquet_bytes,
)


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    """metrics.json and items.parquet of a small evaluation, as their writers describe them."""
    folder = tmp_path_factory.mktemp("evaluation")
    score = {"value": 50.0, "low": 40.0, "high": 60.0, "n": 1, "chance": 25.0, "skipped": 0}
    difference = {"value": 1.0, "low": -1.0, "high": 2.0, "n": 1, "p": 0.5, "mark": ""}
    metrics = {
        "schema": "hf_hardneg.evaluation/1",
        "models": {"a": {"paths": ["nowhere"], "texts_cut": 0}, "b": {"paths": ["nowhere"], "texts_cut": 0}},
        "control": "b",
        "date": "2026-01-01T00:00:00+00:00",
        "benchmarks": {"scenes": {"source": "scenes", "fingerprint": "x", "items": 1, "belongs": [[True, False]],
                                  "skipped": {"color": {"no image": 1}}}},
        "results": {name: {"scenes": {"color": {"group": score}}} for name in "ab"},
        "differences": {"a": {"scenes": {"color": {"group": difference}}}},
        "bootstrap": {"resamples": 10, "level": 0.95, "seed": 0},
        "versions": {"torch": "2"},
    }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(metrics))
    row = {"task": "scenes", "group": "color", "item": "1", "seed": 0, "images": ["i"], "texts": ["x", "y"],
           "scores": [0.1, 0.2], "outcomes": {"group": 0.0}}  # fmt: skip
    schema = pa.schema([*((name, pa.string()) for name in ("model", "task", "group", "item")), ("seed", pa.int32()),
                        ("images", pa.list_(pa.string())), ("texts", pa.list_(pa.string())),
                        ("scores", pa.list_(pa.float32())), ("outcomes", pa.struct([("group",
                        pa.float32())]))])  # fmt: skip
    pq.write_table(
        pa.Table.from_pylist([{**row, "model": name} for name in "ab"], schema=schema), folder / "items.parquet"
    )
    return folder


CURVE = {
    "start": "a", "tuned": "b", "alphas": [0.0, 1.0], "chosen": 1.0, "gain_tasks": ["scenes"],
    "retention_tasks": ["coco"],
    "test": {"gain": [1.0, 2.0], "retention": [3.0, 2.0]},
}  # fmt: skip
STATE = {"log_history": [{"step": 1, "loss": 2.5}]}


# A report shows what is there: scores and differences that nobody asked for may be missing.
LESS = (
    "differences.a",
    "differences.a.scenes",
    "differences.a.scenes.color",
    "differences.a.scenes.color.group",
    "versions.torch",
    "benchmarks.scenes.skipped.color",
    "benchmarks.scenes.skipped.color.no image",
)
RIGHT = ("benchmarks.scenes.belongs is null", "log_history.0.step is dropped")


# Cells of items.parquet that fit neither each other nor metrics.json; nan would count as right.
BAD_CELLS = {
    "item": [None],
    "images": [None, [], [None], ["i", "i"]],
    "texts": [None, [], ["x"], [None], ["x", "y", "z"], [None, "y"]],
    "scores": [None, [], [None], [0.1], [0.1, None], [0.1, float("nan")], [float("inf"), 0.1], [0.1] * 3],
    "outcomes": [None, {"group": None}, {"group": float("nan")}, {"group": 7.0}, {"group": -1.0}],
}


def is_right(name):
    """Whether a changed file of an evaluation is right."""
    place, _, change = name.partition(" is ")
    return (
        name in RIGHT
        or name.endswith("chance is null")
        or place.startswith("log_history.0.loss")
        or (change == "dropped" and place in LESS)
    )


def report_inputs(evaluation):
    """Each file of a report with other contents and other values."""
    argv = ["report", str(evaluation)]
    file = evaluation / "metrics.json"
    yield from of_json(file, json.loads(file.read_text()), argv, is_right)
    for name, data in {"curve.json": CURVE, "trainer_state.json": STATE}.items():
        more = evaluation.parent / f"more_{name.partition('.')[0]}"
        more.mkdir()
        yield from of_json(more / name, data, [*argv, str(more)], is_right)
    items = evaluation / "items.parquet"
    yield from of_contents(items, items.read_bytes(), argv)
    table = pq.read_table(items)
    for name in ("model", "seed", "task", "group", "images", "texts", "scores", "outcomes"):
        less = table.drop_columns([name])
        numbers = less.append_column(name, pa.array([1.5, 2.5]))
        for kind, other in {"dropped": less, "numbers": numbers, "empty": table.slice(0, 0)}.items():
            yield Bad(f"items.{name} {kind}", argv, (items.name,), "", items, parquet_bytes(other))
    rows = table.to_pylist()
    for name, values in BAD_CELLS.items():
        for value in values:
            other = pa.Table.from_pylist([{**rows[0], name: value}, *rows[1:]], schema=table.schema)
            yield Bad(f"a cell of items.{name} is {value}", argv, (items.name,), "", items, parquet_bytes(other))


def test_report(evaluation, capsys):
    check_all(report_inputs(evaluation), capsys)


def test_scenes(tmp_path, capsys):
    argv = ["scenes", "--rows", "1", "--pairs_per_concept", "1"]
    counts = ("0", "-5", "1e9", "12.0", "0x1", "1_", "--1", "+", "²", *NO_COUNT, *NO_WORDS)
    out = ["--out", str(tmp_path / "out")]
    inputs = list(of_flags(["scenes", *out], {"--rows": counts, "--pairs_per_concept": counts}))
    inputs += of_places(argv, "--out", tmp_path / "places", ("README.md", "captions/train.parquet"))
    inputs += of_places(["scenes"], "--out", tmp_path / "again", ("README.md", "captions/train.parquet"))
    flags = ("--seed", "--dataset", "-o", "--Out", "x", "--rows=", "--out", "--pairs_per_concept", "--row-s", "-1", "")
    for name in (*flags, "--rows=-1", "--rows=", "--rows=x", "--rows=nan", "--pairs_per_concept=0", "README.md", "ä"):
        inputs.append(Bad(f"flag {name}", [*argv, *out, name], (name.partition("=")[0],)))
    inputs.append(Bad("without --out", argv, ("--out",)))
    check_all(inputs, capsys)


def test_a_folder_of_scenes_is_written_again_and_other_files_stay(tmp_path, capsys):
    argv = ["scenes", "--rows", "1", "--pairs_per_concept", "1", "--out", str(tmp_path / "scenes")]
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "notes.txt").write_text("mine")
    check_all([Bad("anew", argv, (), is_right=True), Bad("again", argv, (), is_right=True)], capsys, at_least=0)
    assert (tmp_path / "scenes" / "notes.txt").read_text() == "mine"


def test_config(capsys):
    names = [
        "",
        " ",
        "multi",
        "MULTI_GPU",
        "multi_gpu.yaml",
        "../multi_gpu",
        "/etc/passwd",
        "\0",
        "x" * 5000,
        "\ud800",
        "ä",
    ]
    names += [
        f"{a}{b}" for a in ("gpu", "cpu", "fsd", "deep", "one") for b in ("", "s", ".yaml", " ", "1", "/x", "\n", "_")
    ]
    names += [json.dumps(value) for value in (None, True, 3, [], {}, [[]], {"a": 1})]
    names += [str(number) for number in range(50)]
    check_all([Bad(name[:20], ["config", name], ("name",)) for name in names], capsys)


def push_inputs(folder):
    argv = ["push", str(folder), "org/name"]
    card = folder / "README.md"
    yield from of_contents(card, b"---\nlicense: mit\n---\ntext", argv, (str(folder), "README.md", "card", "org/name"))
    for text in ("a: [", "a: b: c", "\t- x", "&a [*a]", "- x", "license: [", "tags: {", "3", "null", "%",
    "@x", "license: 3",
                 "tags: 3", "datasets: [3]", "model-index: 3", "model-index: [{}]", "language: 3",
                 "configs: x"):  # fmt: skip
        says, content = (str(folder), "README.md", "card", "org/name"), f"---\n{text}\n---\nx".encode()
        yield Bad(f"card {text}", argv, says, "", card, content)
    ids = ("", "/", "a/b/c", "a//b", " ", "a b", "-a/b", "a/-b", "a/b.git", "..", "a/..", "x" * 300, "ä/ö",
    "a/b@c", "https://x",
           "a/b?c", "a\\b", "\n", "a/b\n", "\0", ".a/b", "a/b.", "a--b/c", "@", "a/@")  # fmt: skip
    for name in ids:
        yield Bad(f"id {name!r:.20}", ["push", str(folder), name], (name[:100], "repo", "name", "id"))
    for where in ("nowhere", "", ".", "..", "/dev/null", "/", "x" * 300, "\0", "README.md", "~"):
        yield Bad(f"folder {where!r:.20}", ["push", where, "org/name"], (where[:100], "folder"))
    for tag in (
        "",
        " ",
        "a b",
        "..",
        "a..b",
        "~",
        "^",
        "a:b",
        "?",
        "*",
        "[",
        "\\",
        "x" * 300,
        "/",
        "a/",
        "@{",
        "\n",
        ".lock",
        "main",
        "HEAD",
        "refs/tags/v1",
        "0" * 40,
        "a.lock/b",
        "a/.b",
        "v1\n",
        "ä",
    ):
        yield Bad(f"--tag {tag!r:.20}", [*argv, "--tag", tag], ("A tag has 1 to 100 letters",))
    for name, (kind, make) in {
        "broken link": ("link", lambda file: file.symlink_to("nowhere")),
        "link to a folder": ("link", lambda file: file.symlink_to("..")),
        "pipe": ("pipe", os.mkfifo),
    }.items():
        other = folder.parent / name
        other.mkdir()
        (other / "a.parquet").write_bytes(b"PAR1")
        make(other / "b.parquet")
        yield Bad(name, ["push", str(other), "org/name"], (str(other),), kind)
    for kind in ("", "models", "Model", "3", "spaces"):
        yield Bad(f"--type {kind}", [*argv, "--type", kind], ("--type",))


def test_push(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_x")  # What is right ends before the network: HF_HUB_OFFLINE is set.
    folder = tmp_path / "data"
    (folder / "data").mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), folder / "data" / "train.parquet")
    check_all(push_inputs(folder), capsys)
