"""Captions over the model's position table, from data of one's own to the rows of a training."""

import pytest
from datasets import Dataset
from helpers.models import gray

from hf_hardneg.training.prepare import prepare_data
from hf_hardneg.training.recipe import parse_arguments


LONG = "the caption is longer than the model's position table"
DENSE = "a red car stands next to a blue bus " + "and behind it there is a small green tree " * 10
SHORT = "a red car stands next to a blue bus"


@pytest.fixture
def prepare(processor, tmp_path):
    """Prepares a saved dataset of twenty photos with these captions; the model reads 32 tokens."""

    def run(captions, *flags):
        rows = {"image": [gray()] * 20, "image_id": list(range(20)), "caption": captions}
        Dataset.from_dict(rows).save_to_disk(tmp_path / "data")
        argv = ["photos.yaml", "--dataset", str(tmp_path / "data"), "--output_dir", str(tmp_path / "out")]
        argv += ["--use_cpu", "true", "--num_proc", "1", *flags]
        return prepare_data(parse_arguments(argv), processor.tokenizer, 32)

    return run


def test_dense_captions_are_left_out_by_default_and_cut_on_purpose(prepare):
    captions = [SHORT, DENSE] * 10
    data = prepare(captions)
    assert set(data.rows["caption"]) == {SHORT}
    assert data.skipped[LONG] + data.skipped[LONG.replace("caption", "held-out caption")] == 10
    data = prepare(captions, "--long_captions", "cut")
    assert len(data.rows) + len(data.held_out) == 20
    cut = [row for row in data.rows if row["caption"] != SHORT]
    assert data.skipped[f"{LONG}, and was cut"] == len(cut) and LONG not in data.skipped
    assert all(DENSE.startswith(row["caption"]) for row in cut)
    assert all(negative[: len(row["caption"])] != row["caption"] for row in data.rows for negative in row["negatives"])
    assert any(row["negatives"] for row in cut)


def test_if_only_held_out_captions_are_long_the_count_says_so(prepare):
    held_out = set(prepare([SHORT] * 20).held_out["image_id"])
    captions = [SHORT] * 20
    captions[max(held_out)] = DENSE
    with pytest.raises(ValueError, match="All .* held-out captions have more than"):
        prepare(captions)
    assert prepare(captions, "--long_captions", "cut").skipped == {
        "the held-out caption is longer than the model's position table, and was cut": 1
    }


def test_an_unknown_way_is_refused(prepare):
    with pytest.raises(ValueError, match="long_captions is 'trim'; it must be one of drop, cut"):
        prepare([SHORT] * 20, "--long_captions", "trim")
