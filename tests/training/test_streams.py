"""Training and evaluation on streams: the same numbers as on a dataset with a length, also when resumed."""

import copy
import json
import shutil

import pyarrow as pa
import pytest
import torch
from datasets import Dataset, Features, Image
from helpers.demo_recipe import DEMO_WITHOUT_TWINS
from helpers.streams import WRITERS, cut, photos, write_parquet, write_tars
from transformers.trainer_utils import get_last_checkpoint

from hf_hardneg.columns import NEGATIVE_FEATURES, with_negatives
from hf_hardneg.data.captioned_images import load_captioned_images
from hf_hardneg.negatives.count_words import count_words
from hf_hardneg.scenes.world import scene_pairs
from hf_hardneg.training import run
from hf_hardneg.training.arguments import HardNegCLIPTrainingArguments
from hf_hardneg.training.command import main
from hf_hardneg.training.prepare import make_adder, prepare_data
from hf_hardneg.training.prepare_stream import prepare_stream
from hf_hardneg.training.recipe import parse_arguments
from hf_hardneg.training.stream_loader import LoaderSettings, StreamLoader
from hf_hardneg.training.trainer import HardNegCLIPTrainer


DISPATCH = {"accelerator_config": {"dispatch_batches": True}}


def weights(trainer):
    return {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}


def train(make_trainer, model, rows, **arguments):
    trainer = make_trainer(copy.deepcopy(model), **arguments)
    trainer.train_dataset = rows
    trainer.train()
    return weights(trainer)


def assert_same(one, other):
    for name, weight in one.items():
        torch.testing.assert_close(other[name], weight, atol=0, rtol=0, msg=name)


@pytest.mark.parametrize("k", [0, 2])
def test_a_stream_is_learned_like_the_same_rows_in_order(model, make_trainer, training_rows, k):
    in_order = {"train_sampling_strategy": "sequential", "num_negatives": k}
    expected = train(make_trainer, model, training_rows, **in_order)
    stream = training_rows.to_iterable_dataset()
    assert_same(expected, train(make_trainer, model, stream, **in_order))
    if not k:
        return
    assert_same(expected, train(make_trainer, model, stream, **in_order, **DISPATCH))
    # In chunks, sums are rounded otherwise. Where a gradient is about zero, Adam makes a whole step of that.
    cached = train(make_trainer, model, stream, **in_order, grad_cache_rows=3)
    close = [torch.isclose(cached[name], weight, atol=1e-4, rtol=1e-3).flatten() for name, weight in expected.items()]
    assert torch.cat(close).float().mean() > 0.999


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
    controls = ["eval_accuracy_wrong_image", "eval_accuracy_by_looking"]
    names = [name for name in expected if name.startswith("eval_accuracy") and name not in controls]
    if not workers:  # The loss of a batch depends on which rows meet in it, and so do its wrong images.
        names += ["eval_loss", *controls]
    assert names and {name: found[name] for name in names} == pytest.approx({name: expected[name] for name in names})
    assert found.keys() >= set(controls)


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
    return [*DEMO_WITHOUT_TWINS, *(part for pair in values for part in pair)]


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


def write_pairs(folder, per_concept):
    folder.mkdir()
    scene_pairs("stream twins", per_concept).to_parquet(folder / "train.parquet")
    return str(folder)


def test_the_command_puts_twins_beside_a_stream(tmp_path, start, capsys, caplog, batches):
    source = write_parquet(tmp_path / "shards", photos(24), [9, 15])
    twins = {"twins": write_pairs(tmp_path / "pairs", 2), "twin_share": 0.5, "dataloader_num_workers": 0}
    main(flags(source, start, tmp_path / "out", **twins, max_steps=6))
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["data"]["twin_pairs"] == 8
    of_batches = [[row.get("pair_id") for row in batches[4 * i : 4 * i + 4]] for i in range(6)]
    assert all(a == b is not None and c is None and d is None for a, b, c, d in of_batches)
    assert all("negatives" in row for row in batches)
    with pytest.raises(SystemExit, match="twin_share is 1, and leaves no room in a batch for the stream: lower it"):
        main(flags(source, start, tmp_path / "whole", **twins | {"twin_share": 1}, max_steps=1))
    with pytest.raises(SystemExit, match="twin_share is 0.5, and no row has a twin"):
        main(flags(source, start, tmp_path / "none", twin_share=0.5, max_steps=1))


def test_the_photos_of_twins_have_ids_that_no_photo_of_a_stream_has(tmp_path, start, processor, in_folder):
    """Losses do not compare captions of one image, so two images must not have one id."""
    source = write_parquet(tmp_path / "shards", photos(24), [9, 15])
    stream = prepared(source, start, processor, twins=write_pairs(tmp_path / "pairs", 2)).stream
    assert not {row["image_id"] for row in stream} & set(stream.twins["image_id"])


def test_twins_beside_a_stream_with_negatives_of_its_own_have_none(tmp_path, start, processor, in_folder, caplog):
    source = write_rows(tmp_path / "shards", with_own(photos(24)), [24])
    stream = prepared(source, start, processor, twins=write_pairs(tmp_path / "pairs", 2), num_negatives=2).stream
    assert stream.twins["negatives"][:] == [[]] * 16
    assert "0 of 16 captions of twins have given negatives" in caplog.text


def test_chunks_beside_a_stream_make_the_loss_of_the_whole_batch(tmp_path, start, processor, in_folder, model):
    """One chunk has twins, another one single images only."""
    source, pairs = write_parquet(tmp_path / "shards", photos(24), [9, 15]), write_pairs(tmp_path / "pairs", 2)
    losses = []
    for chunks in (None, 4):
        stream = prepared(source, start, processor, twins=pairs, num_negatives=1).stream
        args = HardNegCLIPTrainingArguments(
            output_dir=str(tmp_path / "out"), use_cpu=True, per_device_train_batch_size=8, max_steps=1,
            num_negatives=1, report_to="none", disable_tqdm=True, save_strategy="no", twin_weight=1.0,
            grad_cache_rows=chunks,
        )  # fmt: skip
        trainer = HardNegCLIPTrainer(copy.deepcopy(model), args, train_dataset=stream, processing_class=processor)
        losses.append(trainer.train().training_loss)
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_the_control_of_a_stream_is_said_to_have_no_twins(tmp_path, start, caplog, batches):
    source = write_parquet(tmp_path / "shards", photos(24), [9, 15])
    twins = {"twins": write_pairs(tmp_path / "pairs", 2), "control": "true", "max_steps": 1, "twin_share": 0.5}
    main(flags(source, start, tmp_path / "out", **twins))
    assert sum(row.get("pair_id") is not None for row in batches[:4]) == 0  # the control is trained first
    assert "The control is trained on the stream alone, without the twins beside it." in caplog.text
    assert "training on the stream alone, without hard negatives and twins" in (tmp_path / "out/README.md").read_text()


def final(out):
    from safetensors.torch import load_file

    return load_file(out / "model.safetensors")


@pytest.fixture
def without_report(monkeypatch):
    """Leave out the metrics, the figure and the card of a run, for tests that look at its weights only."""
    monkeypatch.setattr(run, "collect_metrics", lambda record: {"table": ""})
    monkeypatch.setattr(run, "save_artifacts", lambda record, metrics: None)


@pytest.mark.parametrize(("workers", "twins"), [(0, False), (2, False), (0, True), (2, True)])
def test_a_resumed_training_ends_with_the_same_weights(tmp_path, start, without_report, workers, twins):
    """20 rows make five or six batches a pass: checkpoints lie in the first pass and in the second."""
    source = write_parquet(tmp_path / "shards", photos(22), [13, 9])
    saves = {"save_strategy": "steps", "save_steps": 3, "max_steps": 9, "dataloader_num_workers": workers}
    if twins:  # one pair in a batch of four: the two single images make twice as many batches
        saves |= {"twins": write_pairs(tmp_path / "pairs", 6), "save_steps": 6, "max_steps": 18, "twin_share": 0.5}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    main(flags(source, start, whole, **saves))
    for step in (saves["save_steps"], 2 * saves["save_steps"]):
        shutil.rmtree(cut, ignore_errors=True)
        for part in (f"checkpoint-{step}", "slot_model"):
            shutil.copytree(whole / part, cut / part)
        main(flags(source, start, cut, **saves, resume_from_checkpoint=str(cut / f"checkpoint-{step}")))
        assert_same(final(whole), final(cut))
    state = json.loads((whole / "trainer_state.json").read_text())
    assert state["epoch"] == 1 and state["global_step"] == saves["max_steps"]


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


def write_rows(folder, rows, sizes=None):
    """Parquet shards, or WebDataset archives, of photos with any other columns."""
    folder.mkdir()
    for i, part in enumerate(cut(rows, sizes or [len(rows)])):
        table = [{"image": {"bytes": row["bytes"], "path": None}, **row} for row in part]
        names = [name for name in table[0] if name != "bytes"]
        features = Features.from_arrow_schema(pa.table({n: [row[n] for row in table] for n in names}).schema)
        features["image"] = Image(decode=False)
        Dataset.from_dict({n: [row[n] for row in table] for n in names}, features=features).to_parquet(
            folder / f"train-{i:05}.parquet"
        )
    return str(folder)


def with_own(rows, name="negatives"):
    """Rows whose captions have negatives of their own, the last ones of a new concept."""
    for i, row in enumerate(rows):
        texts = [f"no {row['caption']}", "", row["caption"], f"never {row['caption']}", f"un {row['caption']}"]
        kinds = ["no", "no", "no", "never" if i < 20 else "late", "no"]
        row |= {name: texts, "negative_concepts": kinds}
    return rows


@pytest.mark.parametrize("form", ["parquet", "tar"])
def test_a_streams_own_negatives_are_trained_on_as_they_are_and_the_run_says_so(
    tmp_path, start, form, caplog, batches
):
    rows = with_own(photos(24))
    source = str(tmp_path / "shards")
    if form == "tar":
        write_tars(tmp_path / "shards", rows, [14, 10], extra=("negatives", "negative_concepts"))
    else:
        write_rows(tmp_path / "shards", rows, [14, 10])
    out = tmp_path / "out"
    settings = {"num_negatives": 2, "slot_model_captions": 12, "max_steps": 6, "eval_strategy": "steps"}
    main(flags(source, start, out, **settings, eval_steps=6))
    metrics = json.loads((out / "metrics.json").read_text())["data"]
    trained = [row for row in batches if row["negatives"]]
    assert len(batches) >= 24
    for row in trained:
        assert row["negatives"] == [f"no {row['caption']}", f"never {row['caption']}"]
    late = {rows[i]["caption"] for i in range(20, 24)}
    kinds = {row["caption"] in late: row["negative_concepts"] for row in trained}
    assert kinds == {False: ["no", "never"], True: ["no", "unknown"]}
    assert metrics["negatives"] == {"no": 12, "never": 12} and not (out / "slot_model").exists()
    assert metrics["skipped"]["the negative is empty"] >= 1 and metrics["skipped"]["the negative is its caption"] >= 1
    assert "The negatives are those of column 'negatives'" in caplog.text
    assert "12 of the first 12 captions and 3 of 3 held-out captions have negatives of" in caplog.text
    assert "known to each other only" not in caplog.text


def test_a_streams_own_negatives_are_those_of_the_run_that_is_not_streamed(tmp_path, start, processor, in_folder):
    source = write_rows(tmp_path / "shards", with_own(photos(20), "neg_caption"))
    settings = {"num_negatives": 2}
    stream = prepared(source, start, processor, **settings, dataloader_num_workers=2).stream
    arguments = parse_arguments(flags(source, start, "out", **settings, streaming="false", num_proc=1))
    rows = prepare_data(arguments, processor.tokenizer, 32).rows
    names = ("image_id", "caption", "negatives", "negative_concepts")
    expected = {row["caption"]: [row[name] for name in names] for row in rows.select_columns(list(names))}
    for workers in (0, 2):
        found = [row for batch in read(stream, workers) for row in batch]
        assert len(found) == 17
        shared = [row for row in found if row["caption"] in expected]
        assert len(shared) >= 15
        for row in shared:
            assert [row[name] for name in names] == expected[row["caption"]]


def test_without_negatives_a_streams_own_are_not_read(tmp_path, start, processor, in_folder, caplog):
    source = write_rows(tmp_path / "shards", with_own(photos(20)))
    data = prepared(source, start, processor, num_negatives=0)
    assert data.stream.columns.negatives is None and "The negatives are those" not in caplog.text
    assert not any("negatives" in row for batch in read(data.stream) for row in batch)


def test_captions_that_are_cut_lose_their_own_negatives(tmp_path, start, processor, in_folder):
    """A negative of the whole caption may be true of what is left of it."""
    rows = with_own(photos(12))
    for row in rows[::2]:
        row["caption"] += " and a red dog" * 20
        row["negatives"] = [f"{row['caption']} at the end"]
        row["negative_concepts"] = ["no"]
    data = prepared(write_rows(tmp_path / "shards", rows), start, processor, long_captions="cut")
    found = [row for batch in read(data.stream) for row in batch]
    assert len(found) == 9
    for row in [*found, *data.rows, *data.held_out]:
        assert bool(row["negatives"]) == bool(row["negative_concepts"]) == (" and a red dog and" not in row["caption"])


def test_a_file_of_negatives_is_joined_to_a_stream_by_image_id_or_else_by_caption(
    tmp_path, start, processor, in_folder, caplog
):
    rows = photos(16)
    for i, row in enumerate(rows):
        row |= {"image_id": 7 + i, "caption": f"a dog {i % 8}"}
    source = write_rows(tmp_path / "shards", with_own([dict(row) for row in rows]))
    given = [
        {"image_id": row["image_id"], "caption": row["caption"], "negatives": [f"a cat {row['image_id']}"]}
        for row in rows
    ]
    (tmp_path / "given.jsonl").write_text("".join(json.dumps(row) + "\n" for row in given[:14]))
    for workers in (0, 2):
        given_to = {"negatives": tmp_path / "given.jsonl", "dataloader_num_workers": 2}
        stream = prepared(source, start, processor, **given_to).stream
        found = {row["image_id"]: row["negatives"] for batch in read(stream, workers) for row in batch}
        # Photos 21 and 22 are not in the file, and photos 13 and 14 have their captions.
        assert found == {i: [f"a cat {i if i < 21 else i - 8}"] for i in range(10, 23)}
    assert "joined by image id and caption (14) or by caption alone (2)" in caplog.text
    assert "is not used: --negatives names" in caplog.text
    (tmp_path / "other.jsonl").write_text('{"caption": "a dog 3", "negatives": ["a cow 3"]}\n')
    stream = prepared(source, start, processor, negatives=tmp_path / "other.jsonl").stream
    found = {row["image_id"]: row["negatives"] for batch in read(stream) for row in batch}
    assert {i for i, negatives in found.items() if negatives} == {10, 18} and found[18] == ["a cow 3"]
    (tmp_path / "other.jsonl").write_text('{"caption": "no such", "negatives": ["a cow 3"]}\n')
    with pytest.raises(SystemExit, match="None of 16 captions is among the 1 of .*other.jsonl"):
        main(flags(source, start, tmp_path / "out", negatives=tmp_path / "other.jsonl"))


@pytest.mark.parametrize("told", ["image_id", "imageId", "text", "bytes", "path"])
def test_rows_of_one_photo_are_one_image_in_a_batch(tmp_path, start, told, caplog, batches):
    """Else each of its captions would be a negative of the photo in its other row."""
    rows = []
    for i, one in enumerate(photos(12)):
        for k in range(2):
            # A PNG may have anything behind its end: the same photo in other bytes.
            content = one["bytes"] + (b"" if told == "bytes" else bytes([k]))
            row = {"bytes": content, "caption": f"{one['caption']} {i} {k}"}
            ids = {"image_id": {"image_id": i}, "imageId": {"imageId": i}, "text": {"image_id": f"photo {i}"}}
            rows.append(row | ids.get(told, {}))
    if told == "path":
        (tmp_path / "shards" / "sub").mkdir(parents=True)
        lines = []
        for i, row in enumerate(rows):
            (tmp_path / "shards" / f"{i // 2}.png").write_bytes(row["bytes"])
            name = f"{i // 2}.png" if i % 2 else f"sub/../{i // 2}.png"
            lines.append(json.dumps({"filepath": name, "caption": row["caption"]}))
        (tmp_path / "shards" / "train.jsonl").write_text("\n".join(lines))
        source = str(tmp_path / "shards")
    else:
        source = write_rows(tmp_path / "shards", rows)
    main(flags(source, start, tmp_path / "out", max_steps=6, num_negatives=0 if told == "bytes" else 1))
    photo = {row["image_id"]: set() for row in batches}
    for row in batches:
        photo[row["image_id"]].add(row["caption"].split()[-2])
    assert all(len(of_photo) == 1 for of_photo in photo.values()), "two photos are one image"
    assert len(photo) == len(set.union(*photo.values())) == 9, "a photo is two images"
    assert ("; captions of a photo are known to each other only inside a row" in caplog.text) == (told != "bytes")


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
