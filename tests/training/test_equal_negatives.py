"""Negatives that the model cannot tell from their caption are never trained on, wherever they come from."""

import json

import pytest
from helpers.photos import write_photos

from hf_hardneg.data.skip_reasons import EQUAL_NEGATIVE
from hf_hardneg.negatives.add_negatives import AddHardNegatives
from hf_hardneg.training.collator import HardNegCollator
from hf_hardneg.training.command import main as train


@pytest.fixture
def texts(monkeypatch):
    """The caption and the negatives of every row that is collated."""
    seen, collate = [], HardNegCollator.__call__

    def record(self, rows):
        seen.extend((row["caption"], row.get("negatives")) for row in rows)
        return collate(self, rows)

    monkeypatch.setattr(HardNegCollator, "__call__", record)
    return seen


@pytest.fixture
def upper(monkeypatch):
    """Negatives that are made begin with their caption in capitals, which a tokenizer of lower case cannot tell."""
    make = AddHardNegatives.__call__

    def shout(self, batch):
        made = make(self, batch)
        for caption, negatives in zip(batch["caption"], made["negatives"], strict=True):
            negatives[:1] = [caption.upper()] * len(negatives[:1])
        return made

    monkeypatch.setattr(AddHardNegatives, "__call__", shout)


def run(folder, start, *options):
    argv = ["--model_name_or_path", start, "--output_dir", str(folder / "out"), "--use_cpu", "true", "--num_proc", "1"]
    argv += ["--max_steps", "4", "--per_device_train_batch_size", "8", "--report_to", "none", "--save_strategy", "no"]
    train([*argv, "--shuffle_buffer", "0", "--dataloader_num_workers", "0", *options])
    return json.loads((folder / "out" / "metrics.json").read_text())["data"]


def table(folder, **columns):
    write_photos(folder, [f"{i}.jpg" for i in range(30)])
    rows = [
        {"filepath": str(folder / f"{i}.jpg"), "caption": f"a {color} car and a dog"}
        for i, color in enumerate(["red", "blue", "green"] * 10)
    ]
    for name, make in columns.items():
        rows = [{**row, name: make(row["caption"])} for row in rows]
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return str(folder / "t.jsonl")


def test_given_negatives_with_the_tokens_of_their_caption_are_dropped_and_counted(tmp_path, start, texts):
    data = table(tmp_path, negatives=lambda caption: [caption.upper(), caption.replace("car", "bus")])
    counts = run(tmp_path, start, "--dataset", data)
    assert texts and all(negatives == [caption.replace("car", "bus")] for caption, negatives in texts)
    assert counts["skipped"][EQUAL_NEGATIVE] == 27


def test_a_file_of_nothing_but_equal_negatives_says_so(tmp_path, start):
    data = table(tmp_path, negatives=lambda caption: [caption.upper()])
    with pytest.raises(SystemExit, match="None of 27 captions has a hard negative.*same tokens as its caption.* .27."):
        run(tmp_path, start, "--dataset", data)


@pytest.mark.parametrize("streaming", [[], ["--streaming", "true"]])
def test_negatives_that_are_made_are_never_equal_either(tmp_path, start, texts, upper, streaming):
    counts = run(tmp_path, start, "--dataset", table(tmp_path), *streaming)
    assert sum(len(negatives) for _, negatives in texts) > 5
    assert not [caption for caption, negatives in texts if caption.upper() in negatives]
    assert counts["skipped"][EQUAL_NEGATIVE] > 5


def test_labels_in_a_column_called_negative_are_no_negatives(tmp_path, start, texts, caplog):
    for value in (True, 3, "0", "False"):
        texts.clear()
        run(tmp_path, start, "--dataset", table(tmp_path, negative=lambda caption, value=value: value))
        assert any(negatives and len(negatives[0]) > 10 for _, negatives in texts)
        assert "Column 'negative' of" in caplog.text and "is not used as negatives" in caplog.text


def test_a_stream_says_that_it_uses_the_negatives_of_the_data(tmp_path, start, texts, caplog):
    data = table(tmp_path, negatives=lambda caption: ["a purple cow"])
    run(tmp_path, start, "--dataset", data, "--streaming", "true")
    assert "The negatives are those of column 'negatives'" in caplog.text
    assert {negative for _, negatives in texts for negative in negatives} == {"a purple cow"}


BEST = ["--eval_strategy", "steps", "--eval_steps", "2", "--save_steps", "2", "--save_strategy", "steps"]


def test_a_metric_of_a_concept_that_given_negatives_lack_is_refused_before_the_training(tmp_path, start, texts):
    data = table(tmp_path, negatives=lambda caption: ["a purple cow"])
    with pytest.raises(SystemExit, match="accuracy_color.*which no evaluation has"):
        run(tmp_path, start, "--dataset", data, *BEST, "--metric_for_best_model", "accuracy_color")
    assert texts == []
    counts = run(tmp_path, start, "--dataset", data, *BEST, "--metric_for_best_model", "accuracy_unknown")
    assert counts["negatives"] == {"unknown": 27}


def test_scores_are_of_the_model_that_is_saved(tmp_path, start, monkeypatch):
    from hf_hardneg.model.encoding import encode_texts
    from hf_hardneg.model.loading import load_model
    from hf_hardneg.training import run as run_module

    scored, collect = [], run_module.collect_outcomes

    def record(model, processor, *data):
        scored.append(encode_texts(model, processor, ["a red car", "a dog"]))
        return collect(model, processor, *data)

    monkeypatch.setattr(run_module, "collect_outcomes", record)
    options = ["--lora_towers", "text", "--dtype", "bfloat16", "--learning_rate", "1e-3"]
    run(tmp_path, start, "--dataset", table(tmp_path), *options)
    saved = load_model(str(tmp_path / "out"), "bfloat16")
    assert (encode_texts(*saved, ["a red car", "a dog"]) == scored[-1]).all()


def test_neftune_is_refused(tmp_path, start):
    with pytest.raises(SystemExit, match="neftune_noise_alpha adds noise to the input embeddings of a language model"):
        run(tmp_path, start, "--dataset", table(tmp_path), "--neftune_noise_alpha", "5")
