"""Embeddings from a file are scored as a model's are; rows that disagree with the items are refused."""

from dataclasses import dataclass

import numpy as np
import pytest
from helpers.benchmark_fixtures import make_benchmark

from hf_hardneg.cli import main
from hf_hardneg.evaluation.benchmarks import load_benchmark
from hf_hardneg.evaluation.embeddings_file import read_embeddings
from hf_hardneg.evaluation.evaluate import evaluate_models
from hf_hardneg.evaluation.tasks import ONE_TRUE_TEXT, ChoiceTask
from hf_hardneg.model import START_MODEL
from hf_hardneg.model.encoding import load_encoder


@dataclass(frozen=True)
class LazyPhoto:
    key: str


def embed(task, encoder):
    images, texts = task.slots()
    return {"images": encoder.images(images), "texts": encoder.texts(texts)}


@pytest.fixture(scope="module")
def winoground(tmp_path_factory):
    spec = make_benchmark("winoground", tmp_path_factory.mktemp("winoground"))
    (task,) = load_benchmark(spec)
    return spec, task, embed(task, load_encoder(str(START_MODEL)))


@pytest.mark.parametrize("name", ["winoground", "sugarcrepe_pp", "svo_probes", "flickr30k", "zero_shot"])
def test_embeddings_of_a_model_in_a_file_get_the_scores_of_the_model(name, tmp_path):
    spec = make_benchmark(name, tmp_path / name)
    tasks, encoder = load_benchmark(spec), load_encoder(str(START_MODEL))
    arrays = {f"{task.name}/{part}": 3 * rows for task in tasks for part, rows in embed(task, encoder).items()}
    np.savez(tmp_path / "model.npz", **arrays)
    evaluation = evaluate_models([f"model={START_MODEL}", f"file={tmp_path / 'model.npz'}"], [spec])
    assert evaluation.outcomes["model"].keys() == evaluation.outcomes["file"].keys()
    for task, outcomes in evaluation.outcomes["model"].items():
        for score, outcome in outcomes.items():
            np.testing.assert_array_equal(outcome.values, evaluation.outcomes["file"][task][score].values)


def test_a_table_as_winogrounds_is_read_item_by_item(winoground, tmp_path, capsys):
    spec, task, arrays = winoground
    shaped = {name: rows.reshape(len(task), 2, -1) for name, rows in arrays.items()}
    np.savez(tmp_path / "clip.npz", **shaped)
    main(
        [
            "evaluate",
            "--embeddings",
            f"clip={tmp_path / 'clip.npz'}",
            "--benchmarks",
            spec,
            "--out",
            str(tmp_path / "o"),
        ]
    )
    assert "| benchmark | group | score | n | skipped | chance | clip |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images, texts: {"images": images[:-1], "texts": texts}, r"images, and the file .* rows"),
        (lambda images, texts: {"images": images, "texts": texts[:4]}, r"texts, and the file 4 rows"),
        (lambda images, texts: {"images": images[:, :7], "texts": texts}, "size 7"),
        (lambda images, texts: {"images": images}, "no array winoground/texts or texts"),
        (lambda images, texts: {"images": images, "texts": texts * np.nan}, "texts in .*npz are not finite|finite"),
        (lambda images, texts: {"images": images, "texts": texts * 0}, "row 0 of texts is all 0"),
        (lambda images, texts: {"images": images.astype(int), "texts": texts}, "type int64"),
        (lambda images, texts: {"images": images[0], "texts": texts}, "shape"),
    ],
)
def test_a_file_that_disagrees_with_the_items_is_refused(winoground, tmp_path, change, message):
    _, task, arrays = winoground
    np.savez(tmp_path / "clip.npz", **change(**arrays))
    with pytest.raises(ValueError, match=message):
        read_embeddings(tmp_path / "clip.npz", task)


def test_rows_in_another_order_are_noticed_where_an_image_occurs_twice(tmp_path):
    task = ChoiceTask("made", ONE_TRUE_TEXT)
    images = [LazyPhoto("a"), LazyPhoto("b")]
    for i in range(4):
        task.add("color", str(i), [images[i % 2]], [f"text {i}", "another text"])
    rows = np.eye(2, dtype=np.float32)
    texts = np.stack([rows[0], rows[1]] * 4)
    np.savez(tmp_path / "right.npz", images=rows[[0, 1, 0, 1]], texts=texts)
    np.savez(tmp_path / "wrong.npz", images=rows[[0, 0, 1, 1]], texts=texts)
    read_embeddings(tmp_path / "right.npz", task)
    with pytest.raises(ValueError, match="row 2 has another embedding in an earlier row"):
        read_embeddings(tmp_path / "wrong.npz", task)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"no archive"])
def test_what_is_no_npz_file_is_named(winoground, tmp_path, content):
    (tmp_path / "clip.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"clip\.npz is no \.npz file"):
        read_embeddings(tmp_path / "clip.npz", winoground[1])


def test_pickled_objects_are_never_loaded(winoground, tmp_path):
    np.savez(tmp_path / "clip.npz", images=np.array([{"a": 1}], dtype=object), texts=winoground[2]["texts"])
    with pytest.raises(ValueError, match=r"clip\.npz"):
        read_embeddings(tmp_path / "clip.npz", winoground[1])
