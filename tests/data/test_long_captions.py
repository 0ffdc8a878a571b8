"""Captions over the model's position table: left out or cut, and counted."""

import io

import pytest
from datasets import Dataset, Image
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PILImage

from hf_hardneg.columns import with_negatives
from hf_hardneg.data.long_captions import cut_text, drop_equal_negatives, fit_captions
from hf_hardneg.data.skip_reasons import EQUAL_NEGATIVE, TOO_LONG
from hf_hardneg.negatives.add_negatives import AddHardNegatives


DENSE = "a red car stands next to a blue bus " + "and behind it there is a small green tree " * 10


def count(processor, text):
    return len(processor.tokenizer(text)["input_ids"])


def with_photos(captions):
    """Rows with embedded JPEGs."""
    buffer = io.BytesIO()
    PILImage.effect_noise((32, 32), 50).convert("RGB").save(buffer, "jpeg", quality=97)
    rows = {"image": [{"bytes": buffer.getvalue(), "path": None}] * len(captions), "caption": captions}
    return Dataset.from_dict(rows).cast_column("image", Image()), buffer.getvalue()


def test_long_captions_are_dropped_or_cut_and_counted_with_which_of_both(processor):
    rows = Dataset.from_dict({"caption": ["a cat", DENSE, "x" * 300]})
    kept, counts = fit_captions(rows, processor.tokenizer, 28)
    assert kept["caption"][:] == ["a cat"] and counts == {TOO_LONG: 2}
    kept, counts = fit_captions(rows, processor.tokenizer, 28, cut=True)
    assert (
        len(kept) == 2 and DENSE.startswith(kept["caption"][1]) and kept["caption"][1].startswith("a red car stands")
    )
    assert counts == {TOO_LONG: 1, f"{TOO_LONG}, and was cut": 1}


def test_held_out_captions_are_called_so(processor):
    rows = Dataset.from_dict({"caption": ["a cat", DENSE]})
    _, counts = fit_captions(rows, processor.tokenizer, 28, what="held-out caption")
    assert counts == {"the held-out caption is longer than the model's position table": 1}
    with pytest.raises(ValueError, match="All 1 held-out captions have more than 28 tokens.*--long_captions cut"):
        fit_captions(rows.select([1]), processor.tokenizer, 28, what="held-out caption")


def test_cutting_reads_and_changes_no_image(processor, monkeypatch):
    rows, photo = with_photos(["a cat", DENSE])
    monkeypatch.setattr(Image, "decode_example", None)  # Reading an image would fail.
    kept, _ = fit_captions(rows, processor.tokenizer, 28, cut=True)
    kept, _ = fit_captions(kept.select([1, 0]), processor.tokenizer, 28, cut=True)
    assert [image["bytes"] for image in kept.cast_column("image", Image(decode=False))["image"]] == [photo] * 2
    assert kept.features["image"] == Image()


@settings(max_examples=40, deadline=None)
@given(
    words=st.lists(st.sampled_from(["red", "car", "a", "extraordinary", "umbrella,", "é"]), min_size=1, max_size=40)
)
def test_a_cut_text_is_the_longest_beginning_in_whole_words_that_fits(processor, words):
    text = " ".join(words)
    cut = cut_text(text, processor.tokenizer, 20)
    kept = len(cut.split())
    assert text.split()[:kept] == cut.split() and count(processor, cut) <= 20
    assert kept == len(words) or count(processor, " ".join(words[: kept + 1])) > 20


def test_negatives_of_a_cut_caption_differ_from_it_within_what_the_model_reads(processor):
    rows = Dataset.from_dict(
        {"caption": [DENSE] * 20, "image_id": list(range(20)), "other_captions": [[]] * 20, "categories": [[]] * 20}
    )
    rows, _ = fit_captions(rows, processor.tokenizer, 28, cut=True)
    rows = rows.map(AddHardNegatives(num_negatives=3), batched=True, features=with_negatives(rows.features))
    rows, removed = drop_equal_negatives(rows, processor.tokenizer, 32)
    assert sum(map(len, rows["negatives"])) > 20 and not removed
    limits = {"truncation": True, "max_length": 32}
    for row in rows:
        texts = [row["caption"], *row["negatives"]]
        assert len(set(map(tuple, processor.tokenizer(texts, **limits)["input_ids"]))) == len(texts)


def test_a_negative_whose_word_is_cut_off_is_dropped_with_all_that_belongs_to_it(processor):
    late = DENSE + "with a red door"
    columns = {
        "caption": [late, "a Red car", "nothing"],
        "negatives": [[late.replace("red door", "blue door"), late.replace("red car", "blue car")], ["a red car"], []],
        "negative_concepts": [["color", "color"], ["color"], []],
        "negative_olds": [["red", "red"], ["Red"], []],
        "rejections": [["a reason"], [], []],
    }
    rows, removed = drop_equal_negatives(Dataset.from_dict(columns), processor.tokenizer, 32)
    assert rows["negatives"][:] == [[columns["negatives"][0][1]], [], []] and removed == {EQUAL_NEGATIVE: 2}
    assert rows["negative_concepts"][:] == [["color"], [], []]
    assert rows["negative_olds"][:] == [["red"], [], []] and rows["rejections"][:] == [["a reason"], [], []]
