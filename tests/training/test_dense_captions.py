"""Captions over the model's position table, from data of one's own to the rows of a training."""

import pytest
from datasets import Dataset
from helpers.models import gray

from hf_hardneg.training.prepare import prepare_data
from hf_hardneg.training.recipe import parse_arguments


LONG = "the caption is longer than the model's position table"
COLORS = ("red", "green", "yellow", "white")
SHORT = [f"a {color} car stands next to a tree" for color in COLORS] * 5
DENSE = [f"{caption} {'and behind it there is a small house ' * 10}" for caption in SHORT]


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
    captions = SHORT[:10] + DENSE[10:]
    data = prepare(captions)
    assert set(data.rows["caption"]) == set(SHORT)
    assert data.skipped[LONG] + data.skipped[LONG.replace("caption", "held-out caption")] == 10
    data = prepare(captions, "--long_captions", "cut")
    assert len(data.rows) + len(data.held_out) == 20
    cut = [row for row in data.rows if row["caption"] not in SHORT]
    assert data.skipped[f"{LONG}, and was cut"] == len(cut) and LONG not in data.skipped
    assert all(DENSE[row["image_id"]].startswith(row["caption"]) for row in cut)
    assert all(negative[: len(row["caption"])] != row["caption"] for row in data.rows for negative in row["negatives"])
    assert any(row["negatives"] for row in cut)


def test_if_only_held_out_captions_are_long_the_count_says_so(prepare):
    held_out = set(prepare(SHORT).held_out["image_id"])
    captions = [DENSE[i] if i in held_out else SHORT[i] for i in range(20)]
    with pytest.raises(ValueError, match="All .* held-out captions have more than"):
        prepare(captions)
    counts = prepare(captions, "--long_captions", "cut").skipped
    held_out_too_long = "the held-out caption is longer than the model's position table, and was cut"
    assert counts == {held_out_too_long: len(held_out)}


def test_an_unknown_way_is_refused(prepare):
    with pytest.raises(ValueError, match="long_captions is 'trim'; it must be one of drop, cut"):
        prepare(SHORT, "--long_captions", "trim")
