import pytest

from hf_hardneg.lexicon.concepts import CONCEPTS, FURTHER_CONCEPTS
from hf_hardneg.lexicon.index import load_index
from hf_hardneg.lexicon.words import locate_words
from hf_hardneg.negatives.edits import replace_words
from hf_hardneg.negatives.slots import analyze, find_mentions


def found_in(caption, concept, *further):
    """The words of a concept's slots, each with the kind that they were read as."""
    index = load_index((*CONCEPTS, *further))
    [analysis] = analyze([caption], index)
    slots = [slot for slot in analysis.slots if slot.reading.entry.concept == concept]
    return [(" ".join(analysis.words[slot.start : slot.end]), slot.reading.entry.kind) for slot in slots]


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A man on a horse.", [("on", "a perch")]),
        ("A bowl is on the small wooden table", [("on", "a table")]),
        ("a cat in a box", [("in", "a box")]),
        ("flowers in a vase", [("in", "a bowl")]),
        ("A dog under a car", [("under", "a vehicle")]),
        ("A woman in front of a fence", [("in front of", "a thing")]),
        ("zebras behind trees", [("behind", "a tree")]),
        ("They sit at a table.", [("at", "a table")]),
        ("a truck on the side of the road", [("on the side of", "middle")]),
        ("A man skis down a hill", [("down", "slope")]),
        ("a man walks down the street", [("down", "along")]),
        ("people eat outside", [("outside", "roof")]),
        ("a dog jumps into the water", [("into", "into")]),
    ],
)
def test_the_noun_after_a_relation_says_which_relations_exclude_it(caption, expected):
    assert found_in(caption, "location") == expected


@pytest.mark.parametrize(
    "caption",
    [
        "A man on a sunny day",
        "A photo in black and white",
        "A man in a red shirt",
        "a cake with a candle on top of it",
        "a dog over there",
        "a kite in the air",
        "A woman on the phone",
        "A man on his way",
        "a train in motion",
        "A man in the process of a turn",
        "a field covered in snow",
        "A show on TV",
        "a man gets on a bus",
        "a cat inside of it",
        "a child in bed",
        "the inside of a car",
        "a shirt on a table top",
        "a kitchen in a house",
    ],
)
def test_time_state_manner_clothing_and_idioms_are_no_place(caption):
    assert found_in(caption, "location") == []


@pytest.mark.parametrize(
    ("form", "noun", "never"),
    [
        ("on", "a table", ["on top of", "in", "at", "above"]),
        ("near", "a bench", ["next to", "by", "beside", "behind", "in front of", "under"]),
        ("next to", "a tree", ["under", "near", "behind"]),
        ("outside", ".", ["under", "outdoors", "behind"]),
        ("on", "a street", ["next to", "near", "by"]),
        ("in", "a chair", ["on", "on top of"]),
        ("in", "the ocean", ["on", "over", "near"]),
    ],
)
def test_what_may_be_true_at_once_is_never_put_in(form, noun, never):
    index = load_index()
    [analysis] = analyze([f"a dog {form} {noun}"], index)
    slot = next(slot for slot in analysis.slots if slot.reading.entry.name == form)
    of_class = index.classes[slot.of_class]
    put_in = {of_class.forms[i] for i in of_class.opposed[slot.reading.form].nonzero()[0]}
    assert put_in and put_in.isdisjoint(never)


def test_only_the_same_relation_to_such_a_noun_is_stated_elsewhere():
    index = load_index()
    names = list(index.mentions)

    def said(text):
        return {names[mention] for mention in find_mentions(text, index) if names[mention][0] == "location"}

    assert said("on a sunny day") == set()
    assert said("a cup on a table") == {("location", "on a table")}
    assert said("a cup on a horse") == {("location", "on a perch")}


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("Two dogs", ["two"]),
        ("two big brown dogs run", ["two"]),
        ("2 people", ["2"]),
        ("three sheep and four cats", ["three", "four"]),
        ("A clock says 2:30", []),
        ("a plane at gate 2", []),
        ("the number two buses", []),
        ("two of them", []),
        ("a two story house", []),
        ("a bear on its two hind legs", []),
        ("two or three dogs", []),
        ("one dog", []),
        ("The Big Ten", []),
    ],
)
def test_numbers_count_only_before_plural_things(caption, expected):
    assert [word for word, _ in found_in(caption, "number", "number")] == expected


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a dog with a collar", [("with a", "with a")]),
        ("a dog without a collar", [("without a", "with a")]),
        ("a man with no shirt", [("with no", "with a")]),
        ("a street with no cars", [("with no", "with things")]),
        ("a man with an umbrella", [("with an", "with a")]),
        ("There is no dog", [("there is no", "there is a")]),
        ("He is wearing a hat", [("is", "is"), ("wearing a", "wearing a")]),
        ("He is not here", [("is not", "is")]),
        ("They aren't here", [("aren't", "are")]),
        ("a plate topped with cheese", []),
        ("a dog with it", []),
        ("a man with two dogs", []),
        ("a man with his arms up", []),
    ],
)
def test_what_can_be_denied_and_what_is_denied_are_slots_of_one_class(caption, expected):
    assert found_in(caption, "negation", "negation") == expected


SENTENCES = (
    """
A man on a horse in a field next to a fence. | Two dogs with no collars under a table.
A woman with an umbrella stands in front of a building. | There is a cat in the box on the left.
Three people are sitting at a table near the ocean while a dog sleeps outside. | A plane flies over the water.
Five birds on a branch above a pond. | A bus on the side of the road with no passengers.
A man wearing no shirt is in a car. | A kite over a beach with people. | There are no cars on the street.
A boy jumps into a pool. | A skier goes down a hill. | 2 cups on top of a microwave beside a bowl with an orange in it.
A bird in a tree behind a house in the foreground. | A dog without a leash walks across the street.
A couch inside of a living room next to a lamp. | A man has a hat. | A train on the tracks near a station with a clock.
A man is not wearing an apron by a stove. | He wears an old hat indoors.
A man without shirt or hat is on a bench. | Boats with no sails are near a pier.
""".strip()
    .replace("\n", " | ")
    .split(" | ")
)


def test_every_negative_has_the_slot_of_its_caption_with_the_new_word():
    # The draw is symmetric only if what is put in is found there, as one of the same class.
    concepts = (*CONCEPTS, *FURTHER_CONCEPTS)
    index = load_index(concepts)
    tried, wanted, made = [], [], []
    for caption, analysis in zip(SENTENCES, analyze(SENTENCES, index), strict=True):
        for slot in analysis.slots:
            if slot.reading.entry.concept not in ("object", "color", "size"):
                of_class = index.classes[slot.of_class]
                for form in of_class.opposed[slot.reading.form].nonzero()[0]:
                    place = locate_words(caption, analysis.words, slot.start, slot.end)
                    made.append(replace_words(caption, [(*place, of_class.forms[form])]).text)
                    wanted.append((slot.start, slot.of_class, form))
                    tried.append((caption, of_class.forms[form]))
    lost = [
        (*told, text)
        for told, text, place, analysis in zip(tried, made, wanted, analyze(made, index), strict=True)
        if place not in {(slot.start, slot.of_class, slot.reading.form) for slot in analysis.slots}
    ]
    assert lost == [] and len(made) > 150
