"""Training and evaluation on streams: the same numbers as on a dataset with a length, also when resumed."""

import copy
import json
import shutil

import pytest
import torch
from helpers.streams import WRITERS, photos, write_parquet, write_tars
from transformers.trainer_utils import get_last_checkpoint

from hf_hardneg.columns import NEGATIVE_FEATURES, with_negatives
from hf_hardneg.data.captioned_images import load_captioned_images
from hf_hardneg.training import run
from hf_hardneg.training.command import main
from hf_hardneg.training.prepare import count_words, make_adder
from hf_hardneg.training.prepare_stream import prepare_stream
from hf_hardneg.training.recipe import parse_arguments
from hf_hardneg.training.stream_loader import LoaderSettings, StreamLoader


DISPATCH = {"accelerator_config": {"dispatch_batches": True}}


def weights(trainer):
    return {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}


def train(make_trainer, model, rows, **arguments):
    trainer = make_trainer(copy.deepcopy(model), **arguments)
    trainer.train_dataset = rows
    trainer.train()
    return weights(trainer)


def assert_same(one, other, **tolerance):
    for name, weight in one.items():
        if tolerance and name.endswith("k_proj.bias"):
            continue  # It shifts all attention scores alike, so that its gradient is rounding alone.
        torch.testing.assert_close(other[name], weight, **(tolerance or {"atol": 0, "rtol": 0}), msg=name)


@pytest.mark.parametrize("k", [0, 2])
def test_a_stream_is_learned_like_the_same_rows_in_order(model, make_trainer, training_rows, k):
    in_order = {"train_sampling_strategy": "sequential", "num_negatives": k}
    expected = train(make_trainer, model, training_rows, **in_order)
    stream = training_rows.to_iterable_dataset()
    assert_same(expected, train(make_trainer, model, stream, **in_order))
    if not k:
        return
    assert_same(expected, train(make_trainer, model, stream, **in_order, **DISPATCH))
    # In chunks, sums are rounded otherwise.
    cached = train(make_trainer, model, stream, **in_order, grad_cache_rows=3)
    assert_same(expected, cached, atol=1e-4, rtol=1e-3)


def test_dispatch_batches_does_not_tear_batches_of_a_dataset_with_a_length(model, make_trainer, training_rows):
    expected = train(make_trainer, model, training_rows)
    assert_same(expected, train(make_trainer, model, training_rows, **DISPATCH))


@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_evaluation_equals_that_of_a_dataset_with_a_length(model, make_trainer, training_rows, workers):
    rows = training_rows.select(range(16))
    settings = {"per_device_eval_batch_size": 4, "dataloader_num_workers": workers}
    trainer = make_trainer(model, **settings)
    expected = trainer.evaluate(rows)
    found = trainer.evaluate(rows.to_iterable_dataset(num_shards=1 if not workers else 4))
    names = [name for name in expected if name.startswith("eval_accuracy")]
    assert names and {name: found[name] for name in names} == pytest.approx({name: expected[name] for name in names})
    if not workers:  # The loss of a batch depends on which rows meet in it.
        assert found["eval_loss"] == pytest.approx(expected["eval_loss"])


def test_steps_are_asked_for_where_the_length_is_not_known(model, make_trainer, training_rows, start, tmp_path):
    with pytest.raises(ValueError, match="set max_steps"):
        make_trainer(model, rows=Unsized(training_rows), max_steps=-1)
    source = write_parquet(tmp_path / "shards", photos(4), [4])
    with pytest.raises(SystemExit, match="set --max_steps"):
        main(flags(source, start, tmp_path / "out", max_steps=-1))


class Unsized(torch.utils.data.IterableDataset):
    """A stream that is none of `datasets`; it can give an evaluation set to `make_trainer`."""

    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        return iter(self.rows)

    def __len__(self):
        return len(self.rows)

    def select(self, numbers):
        return self.rows.select(numbers)


def flags(source, start, out, **settings):
    defaults = {
        "dataset": source,
        "model_name_or_path": start,
        "output_dir": out,
        "streaming": "true",
        "held_out_images": 3,
        "max_steps": 3,
        "per_device_train_batch_size": 4,
        "dataloader_num_workers": 0,
        "control": "false",
        "use_cpu": "true",
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": "true",
        "learning_rate": 1e-3,
        "seed": 3,
    }
    values = [(f"--{name}", str(value)) for name, value in (defaults | settings).items()]
    return ["demo.yaml", *(part for pair in values for part in pair)]


def prepared(source, start, processor, **settings):
    return prepare_stream(parse_arguments(flags(source, start, "out", **settings)), processor.tokenizer, 32)


def read(stream, workers=0, batch_size=4, **settings):
    """The rows of one pass in batches, as one process gets them."""
    defaults = {"process": 0, "num_processes": 1, "is_dispatched": False, "device": torch.device("cpu"), "seed": 0}
    how = LoaderSettings(batch_size, workers, drop_last=False, options={}, **(defaults | settings))
    return list(StreamLoader(stream, list, how, is_endless=False))


def keys(batches):
    return [(row["image_id"], row["caption"]) for batch in batches for row in batch]


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_caption_has_the_negatives_of_the_run_that_is_not_streamed(tmp_path, start, processor, in_folder):
    source = write_parquet(tmp_path / "shards", photos(30), [20, 7, 3])
    rows, _ = load_captioned_images(source, "train")
    arguments = parse_arguments(flags(source, start, "out"))
    add = make_adder(arguments, count_words([rows], tuple(arguments.data.concepts)))
    made = rows.map(add, batched=True, features=with_negatives(rows.features)).remove_columns("image")
    expected = {(row["image_id"], row["caption"]): row for row in made}
    for workers in (0, 2):
        stream = prepared(source, start, processor, dataloader_num_workers=workers).stream
        found = [row for batch in read(stream, workers) for row in batch]
        assert len(found) == 27 and any(row["negatives"] for row in found)
        for row in found:
            of_run = expected[row["image_id"], row["caption"]]
            assert row["negative_ratios"] == pytest.approx(of_run["negative_ratios"])
            assert all(row[name] == of_run[name] for name in NEGATIVE_FEATURES if name != "negative_ratios")


def test_no_negatives_leave_rows_and_their_order_as_they_are(tmp_path, start, processor, in_folder):
    source = write_tars(tmp_path / "shards", photos(20), [12, 8])
    orders = [keys(read(prepared(source, start, processor, num_negatives=k).stream)) for k in (0, 3)]
    assert orders[0] == orders[1] and len(orders[0]) == 17


@pytest.mark.parametrize(
    ("sizes", "workers"), [([20], 0), ([20], 2), ([7, 13], 0), ([1, 0, 19], 2), ([5, 5, 5, 5], 0)]
)
def test_a_pass_has_each_row_once_and_each_pass_another_order(tmp_path, start, processor, in_folder, sizes, workers):
    source = write_parquet(tmp_path / "shards", photos(20), sizes)
    stream = prepared(source, start, processor, dataloader_num_workers=workers, num_negatives=0).stream
    how = LoaderSettings(4, workers, 0, 1, False, torch.device("cpu"), 0, False, {})
    loader = StreamLoader(stream, list, how, is_endless=True)
    passes = {0: [], 1: []}
    for batch in loader:
        if loader.epoch > 1:
            break
        passes[loader.epoch].append(batch)
    first, second = map(keys, passes.values())
    assert sorted(first) == sorted(second) and len(set(first)) == len(first) == 17
    assert first != second
    assert stream.skipped.total()["the image is held out"] >= 6


def test_without_a_buffer_rows_keep_their_order(tmp_path, start, processor, in_folder):
    wanted = photos(12)
    source = write_parquet(tmp_path / "shards", wanted, [7, 5])
    stream = prepared(source, start, processor, shuffle_buffer=0, num_negatives=0).stream
    assert [row[0] for row in keys(read(stream))] == [one["image_id"] for one in wanted[3:]]


def test_skipped_rows_cost_no_decoding_of_their_photos(tmp_path, start, processor, in_folder):
    source = write_parquet(tmp_path / "shards", photos(12), [12])
    stream = prepared(source, start, processor, num_negatives=0).stream
    all_rows = list(stream.rows(0, 1, 0))
    rows = list(stream.rows(0, 1, 0, skip=5))
    assert rows[:5] == [None] * 5 and [row["caption"] for row in rows[5:]] == [row["caption"] for row in all_rows[5:]]


@pytest.mark.parametrize("form", WRITERS)
def test_the_command_trains_on_each_form(tmp_path, start, form):
    wanted = photos(24)
    wanted[20]["bytes"] = b"no photo"
    source = WRITERS[form](tmp_path / "shards", wanted, [9, 0, 15])
    out = tmp_path / "out"
    settings = {"control": "true", "dataloader_num_workers": 2} if form == "tar" else {}
    main(flags(source, start, out, **settings, max_steps=6))
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["data"]["rows"] is None and metrics["training"]["steps"] == 6
    assert metrics["data"]["skipped"]["the image cannot be read"] >= 1 and metrics["data"]["negatives"]
    assert "a stream of captions" in (out / "README.md").read_text()
    assert (out / "slot_model" / "slot_model.npz").is_file()


def final(out):
    from safetensors.torch import load_file

    return load_file(out / "model.safetensors")


@pytest.fixture
def without_report(monkeypatch):
    """Leave out the metrics, the figure and the card of a run, for tests that look at its weights only."""
    monkeypatch.setattr(run, "collect_metrics", lambda record: {"table": ""})
    monkeypatch.setattr(run, "save_artifacts", lambda record, metrics: None)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_training_ends_with_the_same_weights(tmp_path, start, without_report, workers):
    """20 rows make five or six batches a pass: checkpoints lie in the first pass and in the second."""
    source = write_parquet(tmp_path / "shards", photos(22), [13, 9])
    saves = {"save_strategy": "steps", "save_steps": 3, "max_steps": 9, "dataloader_num_workers": workers}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    main(flags(source, start, whole, **saves))
    for step in (3, 6):
        shutil.rmtree(cut, ignore_errors=True)
        for part in (f"checkpoint-{step}", "slot_model"):
            shutil.copytree(whole / part, cut / part)
        main(flags(source, start, cut, **saves, resume_from_checkpoint=str(cut / f"checkpoint-{step}")))
        assert_same(final(whole), final(cut))
    state = json.loads((whole / "trainer_state.json").read_text())
    assert state["epoch"] == 1 and state["global_step"] == 9


def test_a_finished_training_is_not_trained_on_when_it_is_resumed(tmp_path, start, without_report):
    source = write_parquet(tmp_path / "shards", photos(12), [12])
    saves = {"save_strategy": "steps", "save_steps": 3}
    out = tmp_path / "out"
    main(flags(source, start, out, **saves))
    before = final(out)
    main(flags(source, start, out, **saves, resume_from_checkpoint="true"))
    assert_same(before, final(out))
    assert get_last_checkpoint(str(out)).endswith("checkpoint-3")


def test_a_slot_model_can_be_given(tmp_path, start, without_report):
    source = write_parquet(tmp_path / "shards", photos(20), [20])
    main(flags(source, start, tmp_path / "first", max_steps=1))
    model = tmp_path / "first" / "slot_model"
    main(flags(source, start, tmp_path / "second", max_steps=1, slot_model=model))
    assert_same(final(tmp_path / "first"), final(tmp_path / "second"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text_only": "true"}, "text_only encodes each photo before"),
        ({"language_model": "gpt2"}, "language_model does not work with --streaming"),
        ({"dataset": "scenes"}, "is on this machine"),
        ({"dataset": "nowhere/*.tar"}, "There is no file"),
        ({"accelerator_config": '{"split_batches": true}'}, "split_batches does not work with a stream"),
    ],
)
def test_what_does_not_go_with_a_stream_is_said(tmp_path, start, settings, message):
    source = write_parquet(tmp_path / "shards", photos(4), [4])
    with pytest.raises(SystemExit, match=message):
        main(flags(source, start, tmp_path / "out", **settings))


def test_a_stream_whose_photos_are_all_held_out_or_broken_ends_in_a_sentence(tmp_path, start):
    wanted = photos(4)
    for one in wanted[1:]:
        one["bytes"] = b"broken"
    source = write_parquet(tmp_path / "shards", wanted, [4])
    with pytest.raises(SystemExit, match="at least 2 are needed"):
        main(flags(source, start, tmp_path / "out"))
