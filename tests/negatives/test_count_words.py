"""Equal captions are counted once: a second run takes the slot model from the cache, and the very same arrays."""

import numpy as np
import pytest
from datasets import Dataset
from datasets.fingerprint import Hasher
from helpers.captions import scene_captions

from hf_hardneg.data.photo_files import cache_folder
from hf_hardneg.lexicon import tagging
from hf_hardneg.lexicon.concepts import CONCEPTS
from hf_hardneg.negatives import count_words as module
from hf_hardneg.negatives.add_negatives import AddHardNegatives, fit_slot_model
from hf_hardneg.negatives.count_words import count_words
from hf_hardneg.negatives.counted_captions import digest_captions
from hf_hardneg.training.prepare import prepare_data
from hf_hardneg.training.recipe import parse_arguments


COLORS = ("color",)


@pytest.fixture
def fits(monkeypatch):
    """How often a slot model was fitted."""
    calls = []
    monkeypatch.setattr(module, "fit_slot_model", lambda *args: calls.append(args) or fit_slot_model(*args))
    return calls


def captions(name, **changes):
    texts = scene_captions(30, f"count {name}")
    blank = [[]] * 30
    rows = {"caption": texts, "image_id": range(30), "other_captions": blank, "categories": blank}
    return Dataset.from_dict(rows | changes)


def same(one, two):
    """Whether two models have the same examples and weights."""
    pairs = zip(one.weights, two.weights, strict=True)
    return np.array_equal(one.examples.order, two.examples.order) and all(
        np.array_equal(a, b) for of_class in pairs for a, b in zip(*of_class, strict=True)
    )


def test_equal_captions_are_counted_once_however_they_were_made(fits):
    rows = captions("once")
    first = count_words([rows.select(range(20)), rows.select(range(20, 30))], COLORS)
    other = rows.select(range(29, -1, -1)).select(range(29, -1, -1)).add_column("photo", range(30))
    again = count_words([other.select(range(20)), other.select(range(20, 30))], COLORS)
    assert len(fits) == 1
    expected = fit_slot_model([rows[:]], COLORS)
    assert same(again, expected)
    # Then `datasets` finds the negatives of the first run, too.
    hashes = {Hasher.hash(AddHardNegatives(concepts=COLORS, model=model)) for model in (first, again)}
    assert len(hashes) == 1


def test_whatever_decides_the_counts_is_counted_anew(fits, monkeypatch):
    rows = captions("anew")
    count_words([rows], COLORS)
    texts = rows["caption"][:]
    count_words([captions("other")], COLORS)
    count_words([captions("anew", other_captions=[["a red dog"]] * 30)], COLORS)
    count_words([captions("anew", categories=[["dog"]] * 30)], COLORS)
    count_words([rows], ("color", "size"))
    count_words([rows], COLORS, digest_captions(texts[:3]))
    monkeypatch.setattr(module, "package_versions", lambda: {"en-core-web-sm": "9"})
    count_words([rows], COLORS)
    monkeypatch.setattr(module, "source_digest", lambda *patterns: "other rules")
    count_words([rows], COLORS)
    assert len(fits) == 8
    assert len({model_file.read_bytes() for model_file in cache_folder("slot_models").glob("*/*.npz")}) >= 5


def test_a_broken_or_unwritable_cache_costs_a_count_and_no_run(fits, monkeypatch, caplog):
    rows = captions("broken")
    expected = count_words([rows], COLORS)
    folder = max(cache_folder("slot_models").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    (folder / "slot_model.npz").write_bytes(b"cut short")
    assert same(count_words([rows], COLORS), expected)
    assert "fitted anew" in caplog.text and len(fits) == 2
    assert not [path for path in folder.parent.iterdir() if path.name.startswith("tmp")]
    count_words([rows], COLORS)
    assert len(fits) == 2

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.SlotModel, "save", full)
    assert count_words([captions("full")], COLORS).totals
    assert "No space left on device" in caplog.text and not [
        path for path in folder.parent.iterdir() if path.name.startswith("tmp")
    ]


def forbid():
    raise AssertionError("the tagger was asked")


def test_a_second_run_with_another_seed_does_not_ask_the_tagger(monkeypatch):
    rows = captions("tags", caption=[f"an orange van {i} beside a dog and a boat" for i in range(30)])
    tagging._remembered.clear()
    first = AddHardNegatives(seed=1, model=count_words([rows], CONCEPTS))(rows[:])
    tagging._remembered.clear()  # a new process
    monkeypatch.setattr(tagging, "load_tagger", forbid)
    assert AddHardNegatives(seed=1, model=count_words([rows], CONCEPTS))(rows[:]) == first
    AddHardNegatives(seed=2, model=count_words([rows], CONCEPTS))(rows[:])
    with pytest.raises(AssertionError, match="asked"):
        tagging.tag_windows([("", "an", "orange", "zebra", "")])


@pytest.mark.parametrize(
    "content",
    [None, "", '{" an orange van 1": "DT JJ', "[]", '{"a b": "NN NN NN"}', '{" an orange van 1": "JJ"}', '{"a": {}}'],
)
def test_broken_tags_are_asked_for_anew_and_nothing_of_them_is_used(content, fits, caplog):
    words = [f"an orange van {i}" for i in range(30)] + [f"a tree {content}"]  # of this case alone
    rows = captions("broken tags", caption=words[1:])
    tagging._remembered.clear()
    expected = count_words([rows], COLORS)
    tags, used = dict(tagging._remembered), len(fits)
    file = max(cache_folder("slot_models").glob("*/tags.json"), key=lambda path: path.stat().st_mtime_ns)
    assert "orange van 29" in file.read_text()
    file.unlink() if content is None else file.write_text(content)
    tagging._remembered.clear()
    again = count_words([rows], COLORS)
    assert same(again, expected) and len(fits) == used + 1
    assert "fitted anew" in caplog.text and tagging._remembered.items() <= tags.items()
    count_words([rows], COLORS)
    assert len(fits) == used + 1


def test_a_second_run_on_a_coco_folder_neither_counts_nor_draws_again(fits, coco, processor):
    argv = ["--dataset", str(coco), "--allow_challenge_images", "true", "--num_proc", "1", "--use_cpu", "true"]
    arguments = parse_arguments([*argv, "--output_dir", str(coco / "out")])
    first, again = (prepare_data(arguments, processor.tokenizer, 77).rows for _ in range(2))
    assert len(fits) == 1
    assert again.cache_files == first.cache_files and any(again["negatives"])
