import pytest

from hf_hardneg.lexicon.index import load_index
from hf_hardneg.negatives.exchanges import find_exchanges
from hf_hardneg.negatives.slots import analyze


def exchanged(caption, *others):
    [analysis] = analyze([caption], load_index())
    slots = analysis.slots
    return [
        tuple(" ".join(analysis.words[slots[i].start : slots[i].end]) for i in exchange)
        for exchange in find_exchanges(analysis, others, load_index())
    ]


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a red car and a blue bus", [("red", "blue")]),
        ("a large dog next to a small wooden table", [("large", "small")]),
        ("a dog behind a cat", [("dog", "cat")]),
        ("a red and blue car", []),
        ("a red, blue car", []),
        ("a red car and a blue car", []),
        ("a red car and a blue taxi", []),
        ("a dog and a cat", []),
        ("a dog or a cat", []),
        ("a dog next to a cat", []),
        ("a red car and a red bus", []),
        ("a big car and a large bus", []),
    ],
)
def test_only_what_changes_the_meaning_is_exchanged(caption, expected):
    assert exchanged(caption) == expected


def test_an_exchange_that_another_caption_states_is_none():
    caption = "a red car and a blue bus"
    assert exchanged(caption, "some BLUE car") == exchanged(caption, "the red bus") == []
    assert exchanged(caption, "a red car", "a blue bus") == [("red", "blue")]
