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
        (lambda images, texts: {"images": images, "texts": texts * 0}, "Row 0 of texts in .*npz is all 0"),
        (
            lambda images, texts: {"images": (images * 100).astype(np.int8), "texts": texts},
            "images has type int8; expected floating-point numbers, such as float32",
        ),
        (lambda images, texts: {"images": images[0], "texts": texts}, r"shape .*; expected \(\d+, D\) or"),
    ],
)
def test_a_file_that_disagrees_with_the_items_is_refused(winoground, tmp_path, change, message):
    _, task, arrays = winoground
    np.savez(tmp_path / "clip.npz", **change(**arrays))
    with pytest.raises(ValueError, match=message):
        read_embeddings(tmp_path / "clip.npz", task)


@pytest.mark.parametrize("part", ["images", "texts"])
@pytest.mark.parametrize("stack", ["all first images, then all second ones", "an axis too many", "no axis of items"])
def test_an_array_whose_axes_are_not_items_by_their_images_is_refused(winoground, tmp_path, part, stack):
    _, task, arrays = winoground
    n = len(task)
    by_item = arrays[part].reshape(n, 2, -1)
    shaped = {
        "all first images, then all second ones": by_item.transpose(1, 0, 2),
        "an axis too many": by_item[None],
        "no axis of items": arrays[part][None],
    }[stack]
    np.savez(tmp_path / "clip.npz", **arrays | {part: shaped})
    with pytest.raises(ValueError) as error:
        read_embeddings(tmp_path / "clip.npz", task)
    assert f"{part} has shape {shaped.shape}; expected ({2 * n}, D) or ({n}, 2, D), item by item." in str(error.value)


def test_retrieval_has_no_axis_of_items(tmp_path):
    (task, *_) = load_benchmark(make_benchmark("flickr30k", tmp_path / "flickr30k"))
    images, texts = task.slots()
    np.savez(tmp_path / "clip.npz", images=np.ones((len(images), 4)), texts=np.ones((1, len(texts), 4)))
    with pytest.raises(ValueError, match=rf"shape \(1, {len(texts)}, 4\); expected \({len(texts)}, D\)\.$"):
        read_embeddings(tmp_path / "clip.npz", task)


@pytest.mark.parametrize(
    ("scale", "dtype"), [(1e25, "f4"), (1e-25, "f4"), (1e-40, "f4"), (1e60, "f8"), (1e-60, "f8"), (1e-300, "f8")]
)
def test_rows_of_any_norm_are_the_rows_of_norm_one(winoground, tmp_path, scale, dtype):
    _, task, arrays = winoground
    rows = {name: (part.astype("f8") * scale).astype(dtype) for name, part in arrays.items()}
    np.savez(tmp_path / "clip.npz", **rows)
    images, texts = task.slots()
    given = read_embeddings(tmp_path / "clip.npz", task)
    atol = 1e-3 if scale == 1e-40 else 1e-6  # so small a float32 has few digits
    np.testing.assert_allclose(given.images(images), arrays["images"], atol=atol)
    np.testing.assert_allclose(given.texts(texts), arrays["texts"], atol=atol)


@pytest.mark.parametrize("is_file_first", [True, False])
@pytest.mark.parametrize("name", ["svo_probes", "flickr30k", "zero_shot"])
def test_a_file_with_rows_for_broken_photos_is_not_set_beside_a_model_that_skips_them(name, is_file_first, tmp_path):
    spec = make_benchmark(name, tmp_path / name)
    photos = sorted(file for file in (tmp_path / name).rglob("*") if file.suffix in (".png", ".jpg"))
    tasks, encoder = load_benchmark(spec), load_encoder(str(START_MODEL))
    arrays = {f"{task.name}/{part}": rows for task in tasks for part, rows in embed(task, encoder).items()}
    np.savez(tmp_path / "clip.npz", **arrays)
    photos[0].write_bytes(b"broken")
    models = [f"model={START_MODEL}", f"file={tmp_path / 'clip.npz'}"]
    with pytest.raises(
        ValueError, match=rf"was scored on \d+ items and .* on \d+, .* only one of them has .*{photos[0].stem}"
    ):
        evaluate_models(models[::-1] if is_file_first else models, [spec])


def test_a_group_of_which_a_model_reads_no_photo_is_refused_beside_a_file(tmp_path):
    spec = make_benchmark("svo_probes", tmp_path / "svo")
    (task,) = load_benchmark(spec)
    np.savez(tmp_path / "clip.npz", **embed(task, load_encoder(str(START_MODEL))))
    for group, keys in zip(task.groups, task.item_images, strict=True):
        if group == task.groups[0]:
            (tmp_path / "svo" / "images" / task.images[keys[0]].name.split("/")[-1]).write_bytes(b"broken")
    with pytest.raises(ValueError, match="models in one table need the same ones"):
        evaluate_models([f"file={tmp_path / 'clip.npz'}", f"model={START_MODEL}"], [spec])


def test_models_that_skip_the_same_broken_photos_are_compared(tmp_path):
    spec = make_benchmark("svo_probes", tmp_path / "svo")
    (tmp_path / "svo" / "images" / "0.png").write_bytes(b"broken")
    evaluation = evaluate_models([f"a={START_MODEL}", f"b={START_MODEL}"], [spec])
    assert evaluation.results()["a"] == evaluation.results()["b"]
    assert sum(map(lambda counts: counts.total(), evaluation.skipped["svo_probes"].values())) > 1


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
