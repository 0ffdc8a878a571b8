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
        ("a white towel and a blue hinge", [("white", "blue")]),
        ("an orange kayak and a blue kayak", []),
        ("a red car and a red and blue bus", []),
        ("a black dog chases a white cat", [("black", "white")]),
        ("a road in a forest", []),
        ("a dog is following a cat", [("dog", "cat")]),
        ("a black dog chasing a white cat", [("black", "white"), ("dog", "cat")]),
        ("a dog and cat are playing", []),
        ("a small black dog behind a big white cat", [("small", "big"), ("black", "white"), ("dog", "cat")]),
        (
            "a woman in a red hat and a man in a blue shirt",
            [("woman", "man"), ("red", "blue")],
        ),
        ("a woman in jeans next to a man in jeans", []),
        ("a woman in a hat and a man", []),
        ("a woman and a man in a hat", []),
        ("a woman next to a man in a hat", [("woman", "man")]),
        ("a woman next to a man in a kitchen", []),
        ("a woman near a man holding a cup", [("woman", "man")]),
        ("a man with his dog near a woman holding a cup", []),
        ("a dog on the left and a cat on the right", [("on the left", "on the right")]),
        ("a fork in a bowl next to a vase", [("in", "next to")]),
        ("a fork in a box next to a vase", []),
    ],
)
def test_only_what_changes_the_meaning_is_exchanged(caption, expected):
    assert exchanged(caption) == expected


def test_numbers_change_places_as_other_modifiers_do():
    index = load_index(("object", "number"))
    [analysis] = analyze(["two dogs and three cats"], index)
    assert find_exchanges(analysis, (), index) == [(0, 2)]


def test_an_exchange_that_another_caption_states_is_none():
    caption = "a red car and a blue bus"
    assert exchanged(caption, "some BLUE car") == exchanged(caption, "the red bus") == []
    assert exchanged(caption, "a red car", "a blue bus") == [("red", "blue")]
