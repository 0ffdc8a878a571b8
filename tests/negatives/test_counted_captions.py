"""A slot model never counts a caption twice, however often its captions are given."""

import json

import numpy as np
import pytest
from datasets import load_dataset
from helpers.captions import scene_captions

from hf_hardneg.cli import main


CAPTIONS = scene_captions(200, "counted")


def make(folder, name, captions, *options):
    (folder / f"{name}.json").write_text(json.dumps([{"caption": caption} for caption in captions]))
    main(["negatives", str(folder / f"{name}.json"), "--out", str(folder / name), "--no_audit", *options])
    rows = load_dataset("parquet", data_files=str(folder / name / "data/train.parquet"), split="train")
    arrays = dict(np.load(folder / name / "slot_model" / "slot_model.npz"))
    return rows["negatives"][:], arrays


def test_the_model_of_the_very_captions_changes_nothing(tmp_path):
    negatives, arrays = make(tmp_path, "one", CAPTIONS)
    again, arrays_again = make(tmp_path, "two", CAPTIONS, "--model", str(tmp_path / "one" / "slot_model"))
    assert again == negatives
    assert all(np.array_equal(arrays[name], arrays_again[name]) for name in arrays)


def test_captions_that_a_model_shares_are_counted_once(tmp_path, caplog):
    _, whole = make(tmp_path, "whole", CAPTIONS)
    make(tmp_path, "first", CAPTIONS[:120])
    _, grown = make(tmp_path, "grown", CAPTIONS[80:], "--model", str(tmp_path / "first" / "slot_model"))
    # A text that stands in both parts and on other photos, too, is counted in the first part only.
    distinct = len(set(CAPTIONS[:120]) & set(CAPTIONS[120:]))
    assert distinct or all(np.array_equal(whole[name], grown[name]) for name in ("totals", "beside"))
    assert "captions already" in caplog.text


def test_an_older_model_is_used_with_a_warning(tmp_path, caplog):
    make(tmp_path, "one", CAPTIONS)
    (tmp_path / "one" / "slot_model" / "captions.npy").unlink()
    make(tmp_path, "two", CAPTIONS[:9], "--model", str(tmp_path / "one" / "slot_model"))
    assert "does not say which captions" in caplog.text


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"not numpy"])
def test_broken_digests_end_in_a_sentence(tmp_path, content):
    make(tmp_path, "one", CAPTIONS)
    (tmp_path / "one" / "slot_model" / "captions.npy").write_bytes(content)
    with pytest.raises(SystemExit, match=r"captions.npy cannot be read"):
        make(tmp_path, "two", CAPTIONS, "--model", str(tmp_path / "one" / "slot_model"))


def test_rows_of_another_run_are_not_mixed_in(tmp_path):
    make(tmp_path, "one", CAPTIONS)
    make(tmp_path, "one", CAPTIONS)
    (tmp_path / "one" / "data" / "part-1.parquet").write_bytes(b"PAR1")
    with pytest.raises(SystemExit, match="files of another run, such as part-1.parquet"):
        make(tmp_path, "one", CAPTIONS)
