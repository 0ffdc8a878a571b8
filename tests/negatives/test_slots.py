import pytest

from hf_hardneg.lexicon.index import load_index
from hf_hardneg.negatives.slots import AFTER, BEFORE, BOTH_AFTER, analyze, find_mentions


def found(caption):
    [analysis] = analyze([caption], load_index())
    return {(slot.reading.entry.concept, " ".join(analysis.words[slot.start : slot.end])) for slot in analysis.slots}


def classes(caption):
    [analysis] = analyze([caption], load_index())
    return [load_index().classes[slot.of_class].forms for slot in analysis.slots]


def test_concept_words_are_found_longest_first():
    assert found("A red fire hydrant stands to the left of a small dog.") == {
        ("color", "red"),
        ("object", "fire hydrant"),
        ("location", "to the left of"),
        ("size", "small"),
        ("object", "dog"),
    }


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("An orange sits there", {("object", "orange")}),
        ("An orange cat sits there", {("color", "orange"), ("object", "cat")}),
        ("The man left his friend", {("object", "man")}),
        ("They train hard", set()),
        ("The train is late", {("object", "train")}),
        ("Men watching a horse race", {("object", "men")}),
        ("A horse racing", {("object", "horse")}),
        ("He waves", set()),
        ("People park here", {("object", "people")}),
        ("A colored thing", set()),
        ("THE CAR IS RED", {("object", "car"), ("color", "red")}),
    ],
)
def test_the_words_around_decide_what_a_word_is(caption, expected):
    assert found(caption) == expected


def test_plurals_are_replaced_by_plurals():
    [dogs] = classes("two dogs")
    assert "mice" in dogs and "mouse" not in dogs


@pytest.mark.parametrize(("caption", "number"), [("the sheep is grazing", "cow"), ("two sheep are grazing", "cows")])
def test_the_tagger_decides_the_number_of_words_that_do_not_inflect(caption, number):
    assert number in classes(caption)[0]


def test_words_without_a_singular_only_stand_for_plurals():
    [scissors] = classes("some scissors")
    assert "forks" in scissors and "fork" not in scissors
    [umbrellas] = classes("two umbrellas")
    assert "luggage" not in umbrellas


@pytest.mark.parametrize(
    "caption", ["A black and white photo", "some orange juice", "a little bit", "they stand on top of each other"]
)
def test_idioms_are_left_alone(caption):
    assert found(caption) <= {("object", "orange juice")}


def test_mass_and_count_nouns_fit_the_same_place_only_after_a_definite_word():
    index = load_index()

    def replacements(caption):
        [analysis] = analyze([caption], index)
        [slot] = [slot for slot in analysis.slots if slot.reading.is_noun]
        of_class = index.classes[slot.of_class]
        return {form for form, fits in zip(of_class.forms, of_class.opposed[slot.reading.form], strict=True) if fits}

    assert {"street", "snow"} <= replacements("in the water")
    assert "street" not in replacements("in deep water") and "snow" in replacements("in deep water")
    assert "water" not in replacements("in a wet street") and "beach" in replacements("in a wet street")


def test_a_hypernym_that_ends_a_longer_name_says_nothing_more():
    index = load_index()
    names = list(index.mentions)

    def said(text):
        return {names[mention][1] for mention in find_mentions(text, index)}

    assert said("a tennis player") == {"tennis player", "tennis"}
    assert said("living rooms and another room") == {"living room", "room"}
    assert said("a stuffed animal") == {"stuffed animal", "animal"}  # not below it: one may be called the other


@pytest.mark.parametrize(
    ("caption", "ties"),
    [
        ("a coin purse is open", [BEFORE]),
        ("a leather purse is open", [0]),
        ("a red purse is open", [0, 0]),
        ("a jar of honey", [BOTH_AFTER]),
        ("a beer bottle of milk", [BEFORE | BOTH_AFTER, 0]),
        ("a man sits outside", [0, AFTER]),
    ],
)
def test_words_are_tied_to_those_that_make_one_name_with_them(caption, ties):
    [analysis] = analyze([caption], load_index())
    assert [slot.ties for slot in analysis.slots] == ties


def test_what_is_said_not_to_be_there_is_no_slot():
    assert found("a truck with no bed is parked near a car") == {
        ("object", "truck"), ("location", "near"), ("object", "car")
    }  # fmt: skip
    assert found("a man without a hat") == {("object", "man")}
