import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from hf_hardneg.lexicon import load_lexicon
from hf_hardneg.swaps import find_swaps


def doc(*tagged):
    words, tags = zip(*(item.rsplit("/", 1) for item in tagged), strict=True)
    return Doc(Vocab(), words=words, tags=tags)


def found(*tagged):
    return {(swap.concept, swap.old) for swap in find_swaps(doc(*tagged), load_lexicon())}


def test_concept_words_are_found_with_their_offsets():
    caption = doc("a/DT", "red/JJ", "fire/NN", "hydrant/NN", "to/IN", "the/DT", "left/NN")
    swaps = find_swaps(caption, load_lexicon())
    assert {(s.concept, s.old) for s in swaps} == {
        ("color", "red"),
        ("object", "fire hydrant"),
        ("location", "to the left"),
    }
    assert all(caption.text[s.start : s.end] == s.old for s in swaps)


@pytest.mark.parametrize(
    ("tagged", "expected"),
    [
        (["an/DT", "orange/NN", "on/IN", "it/PRP"], {("object", "orange")}),
        (["an/DT", "orange/JJ", "cat/NN"], {("color", "orange"), ("object", "cat")}),
        (["an/DT", "orange/NN", "cat/NN"], {("color", "orange"), ("object", "cat")}),
        (["he/PRP", "left/VBD", "it/PRP"], set()),
        (["the/DT", "bus/NN", "driver/NN"], set()),
        (["a/DT", "colored/JJ", "thing/NN"], set()),
        (["they/PRP", "train/VBP"], set()),
        (["the/DT", "car/NN", "is/VBZ", "red/JJ"], {("object", "car"), ("color", "red")}),
    ],
)
def test_the_tagger_decides_what_a_word_is(tagged, expected):
    assert found(*tagged) == expected


def test_plural_is_replaced_by_plural():
    news = {swap.new for swap in find_swaps(doc("two/CD", "sheep/NNS", "and/CC", "dogs/NNS"), load_lexicon())}
    assert "mice" in {s.new for s in find_swaps(doc("two/CD", "dogs/NNS"), load_lexicon())}
    assert "cat" not in {s.new for s in find_swaps(doc("two/CD", "dogs/NNS"), load_lexicon())}
    assert "cows" in news


@pytest.mark.parametrize(("tag", "new"), [("NN", "elephant"), ("NNS", "elephants")])
def test_the_tagger_decides_the_number_of_words_that_do_not_inflect(tag, new):
    assert new in {swap.new for swap in find_swaps(doc("the/DT", f"sheep/{tag}"), load_lexicon())}


def test_words_joined_by_and_never_become_equal():
    swaps = find_swaps(doc("a/DT", "red/JJ", "and/CC", "white/JJ", "bus/NN"), load_lexicon())
    colors = {(swap.old, swap.new) for swap in swaps if swap.concept == "color"}
    assert ("red", "blue") in colors and ("white", "blue") in colors
    assert not {("red", "white"), ("white", "red")} & colors


def test_words_without_a_singular_only_stand_for_plurals():
    scissors = find_swaps(doc("a/DT", "pair/NN", "of/IN", "scissors/NNS"), load_lexicon())
    assert "forks" in {swap.new for swap in scissors} and "fork" not in {swap.new for swap in scissors}
    assert "scissors" not in {swap.new for swap in find_swaps(doc("a/DT", "fork/NN"), load_lexicon())}
    assert "luggage" not in {swap.new for swap in find_swaps(doc("two/CD", "umbrellas/NNS"), load_lexicon())}


@pytest.mark.parametrize(
    "tagged",
    [
        ["a/DT", "black/JJ", "and/CC", "white/JJ", "photo/NN"],
        ["some/DT", "orange/JJ", "juice/NN"],
        ["a/DT", "little/JJ", "bit/NN"],
        ["they/PRP", "stand/VBP", "on/IN", "top/NN", "of/IN", "each/DT", "other/JJ"],
    ],
)
def test_idioms_are_left_alone(tagged):
    news = found(*tagged)
    assert news <= {("object", "orange juice")}
