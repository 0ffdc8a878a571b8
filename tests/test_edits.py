import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_hardneg.edits import apply_swap, article_for
from hf_hardneg.lexicon import Entry
from hf_hardneg.swaps import Swap


def swap(caption, old, new):
    start = caption.index(old)
    entries = (Entry("color", old.lower(), "x", (old.lower(),)), Entry("color", new, "x", (new,)))
    return Swap(start, start + len(old), "color", old, new, *entries)


@pytest.mark.parametrize(
    ("caption", "old", "new", "expected"),
    [
        ("a red car", "red", "orange", "an orange car"),
        ("An orange  car.", "orange", "red", "A red  car."),
        ("AN ORANGE CAR", "ORANGE", "red", "A RED CAR"),
        ("A RED CAR", "RED", "orange", "AN ORANGE CAR"),
        ("Red cars", "Red", "blue", "Blue cars"),
        ("Banana  , red", "red", "blue", "Banana  , blue"),
        ("a hat", "hat", "umbrella", "an umbrella"),
        ("the red car", "red", "orange", "the orange car"),
        ("pasta red", "red", "orange", "pasta orange"),
        ("a red, red car", "red", "orange", "an orange, red car"),
    ],
)
def test_edits_leave_no_trace(caption, old, new, expected):
    assert apply_swap(caption, swap(caption, old, new)) == expected


@pytest.mark.parametrize("word", ["umbrella", "unimportant", "hour", "orange", "eagle", "unknown"])
def test_article_before_vowel_sounds(word):
    assert article_for(word) == "an"


@pytest.mark.parametrize("word", ["unicorn", "uniform", "used", "European", "one", "one-eyed", "horse", "red"])
def test_article_before_consonant_sounds(word):
    assert article_for(word) == "a"


def test_a_swap_of_another_caption_is_refused():
    with pytest.raises(ValueError, match="'red' at 2:5.*'blu'"):
        apply_swap("a blue car", swap("a red car", "red", "green"))


BEFORE = st.text(max_size=40) | st.sampled_from(["a ", "An  ", "x A\n", "pasta ", "an"])


@given(BEFORE, st.text(max_size=40), st.sampled_from(["red", "Red", "RED"]))
def test_all_but_the_span_and_its_article_stay_as_they_were(before, after, old):
    caption = before + old + after
    one = Swap(len(before), len(before) + len(old), "color", old, "orange", *[Entry("color", "x", "x", ("x",))] * 2)
    edited = apply_swap(caption, one)
    assert edited != caption
    assert edited.endswith(after)
    head = edited[: len(edited) - len(after)]
    assert head.lower().endswith("orange")
    kept = head[: -len("orange")]
    if kept != before:
        # Where the text before the word changed, it was an article and nothing else.
        article = re.search(r"\b(an?)\s+$", before, re.IGNORECASE)
        assert kept.startswith(before[: article.start()])
        assert kept[article.start() :].lower() == "an" + before[article.end(1) :]
