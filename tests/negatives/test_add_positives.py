import pytest
from datasets import Dataset
from datasets.fingerprint import Hasher
from helpers.captions import CAPTIONS, outputs_under_two_hash_seeds, scene_captions
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_hardneg.columns import POSITIVE_FEATURES, with_positives
from hf_hardneg.lexicon.concepts import CONCEPTS, load_lexicon
from hf_hardneg.negatives.add_positives import (
    COUNT_NOUNS,
    HYPERNYM,
    KEPT,
    NOT_BELOW,
    REORDER,
    SYNONYM,
    AddHardPositives,
)


def rows(captions):
    return {"caption": list(captions), "image_id": list(range(len(captions)))}


def positives(caption, operator):
    """All positives of one operator."""
    batch = AddHardPositives(num_positives=99)(rows([caption]))
    return {
        text for text, of in zip(batch["positives"][0], batch["positive_operators"][0], strict=True) if of == operator
    }


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A man on a couch.", {"A man on a sofa."}),
        ("two sofas", {"two couches"}),
        ("an airplane", {"a plane"}),
        ("A plane", {"An airplane"}),
        ("a large grey dog", {"a big grey dog", "a large gray dog"}),
        ("TWO SMALL DOGS", {"TWO LITTLE DOGS"}),
        ("A guy rides a bicycle", {"A man rides a bicycle", "A guy rides a bike"}),
        ("a cup next to the laptop", {"a cup beside the laptop", "a cup next to the laptop computer"}),
        ("a dog to the left of a cat", {"a dog on the left of a cat"}),
        ("a dog on the left of the picture", set()),
        ("A TV on a wall", {"A television on a wall"}),
        ("TV and some TVs", set()),
        ("TVs on a wall", {"Televisions on a wall"}),
        ("a sign under an umbrella", {"a sign beneath an umbrella", "a sign underneath an umbrella"}),
    ],
)
def test_synonyms_keep_number_article_and_capitals(caption, expected):
    assert positives(caption, SYNONYM) == expected


@pytest.mark.parametrize(
    "caption",
    [
        "a dirt bike",  # a motorbike
        "a large number of birds",
        "a small crowded room",  # "a little crowded" is "somewhat crowded"
        "a road under construction",
        "a bench with birds underneath",
        "dogs next to each other",
        "a jet plane",
        "a couch and a sofa",
        "a couch near another couch",
        "a stuffed animal and a teddy bear",
        "a man with a tie",  # or a bow tie
        "a skateboard",
    ],
)
def test_no_synonym_where_it_says_something_else_or_is_odd(caption):
    assert positives(caption, SYNONYM) == set()


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A cat on a bed", {"An animal on a bed"}),
        ("two brown horses", {"two brown animals"}),
        ("A HERD OF COWS", {"A HERD OF ANIMALS"}),
        ("a man in the kitchen", {"a man in the room"}),
        ("a red bus and a man", {"a red vehicle and a man"}),
        ("a dog and a person", {"an animal and a person"}),
        ("a dog and a cat", set()),
        ("a dog looks at another dog", set()),
        ("a dog looks at a baby giraffe", set()),
        ("a dog and other animals", set()),
        ("a couple of giraffe", set()),
        ("a herd of sheep", set()),
        ("a person", set()),
        ("a train with red cars", set()),
        ("a computer mouse and a keyboard", set()),
        ("a guinea pig", set()),
        ("a man and his dog", set()),
        ("girl on surfboard", set()),
        ("a chair", set()),
        ("a cup of coffee", set()),
    ],
)
def test_hypernyms_keep_number_and_article_and_name_nothing_else_in_the_caption(caption, expected):
    assert positives(caption, HYPERNYM) == expected


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A cat and a dog.", "A dog and a cat."),
        ("A CAT AND A DOG", "A DOG AND A CAT"),
        ("Two small dogs and an orange cat", "An orange cat and two small dogs"),
        ("Dogs and cats are on a bed", "Cats and dogs are on a bed"),
        ("a room with a couch and a red chair", "a room with a red chair and a couch"),
        ("A man and a woman sitting on a bench", "A woman and a man sitting on a bench"),
        ("a picture of a cat and a dog", "a picture of a dog and a cat"),
        ("Computer and TV", "TV and computer"),
        ("A cat next to a red car.", "A red car next to a cat."),
    ],
)
def test_two_things_change_places_where_order_says_nothing(caption, expected):
    assert positives(caption, REORDER) == {expected}


@pytest.mark.parametrize(
    "caption",
    [
        "a cup of coffee and milk",
        "a red car and bus",
        "red cars and buses",
        "a man and his dog",
        "a man riding a horse and a dog",
        "a dog and a man wearing a hat",
        "a bench and a man sitting down",
        "a dog and a cat on a bed",
        "a cat, a dog and a bird",
        "a man with a dog and a cat are here",
        "a cat and a cat",
        "a cat behind a dog",
        "a man sees a cat next to a dog",
        "a cat next to a dog on a bed",
    ],
)
def test_nothing_changes_places_where_order_may_say_something(caption):
    assert positives(caption, REORDER) == set()


def test_at_most_k_and_none_for_empty_captions():
    batch = AddHardPositives(num_positives=2)(rows(["a large cat next to a couch", "", None, "It is raining."]))
    assert [len(texts) for texts in batch["positives"]] == [2, 0, 0, 0]
    with pytest.raises(ValueError, match="must"):
        AddHardPositives(num_positives=0)


def test_output_does_not_depend_on_processes_batches_or_order():
    data = Dataset.from_dict(rows(scene_captions(200) + CAPTIONS))
    add = AddHardPositives(num_positives=2, seed=3)
    kwargs = {"batched": True, "features": with_positives(data.features)}
    one = data.map(add, **kwargs)
    two = data.map(add, batch_size=7, num_proc=2, **kwargs)
    shuffled = data.shuffle(seed=1).map(add, **kwargs).sort("image_id")
    assert one[:] == two[:] == shuffled[:]
    assert (
        any(one["positives"])
        and one["positives"][:] != data.map(AddHardPositives(2, seed=4), **kwargs)["positives"][:]
    )


def test_output_does_not_depend_on_the_hash_seed():
    code = (
        "from hf_hardneg.negatives import AddHardPositives as A\n"
        f"print(A(2)({{'caption': {CAPTIONS!r}, 'image_id': range(5)}}))"
    )
    outputs = outputs_under_two_hash_seeds(code)
    assert outputs[0] == outputs[1] != b""


def test_a_caption_of_five_thousand_words_is_no_problem():
    assert len(AddHardPositives()(rows(["a red dog and a big couch " * 800]))["positives"][0]) <= 1


WORDS = st.sampled_from(
    ["a", "An", "big", "Couch", "dogs", "and", "next to", "TV", "שלום", "🚗", ".", "A", "CAT", "under", "\n", "İ"]
)


@settings(max_examples=80, deadline=None)
@given(st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=60), st.integers(1, 9))
def test_any_text_gives_real_positives_with_where_they_come_from(caption, num_positives):
    batch = AddHardPositives(num_positives=num_positives)(rows([caption]))
    assert batch.keys() == POSITIVE_FEATURES.keys()
    texts, _, operators, olds, news, spans = parallel = [values[0] for values in batch.values()]
    assert len({len(values) for values in parallel}) == 1 and len(texts) == len(set(texts)) <= num_positives
    assert set(operators) <= {SYNONYM, HYPERNYM, REORDER}
    for text, old, new, (start, end) in zip(texts, olds, news, spans, strict=True):
        assert caption[start:end] == old
        assert caption[:start] + new + caption[end:] == text != caption


def test_every_name_in_the_rules_is_a_word_of_the_vocabulary():
    lexicon = load_lexicon()
    names = {entry.name for concept in lexicon.concepts.values() for entry in concept.entries}
    assert KEPT <= {name for concept in lexicon.concepts.values() for group in concept.synonyms for name in group}
    assert NOT_BELOW <= names and set(COUNT_NOUNS) <= lexicon.concepts["object"].hypernyms.keys()


def test_synonyms_are_of_one_kind_and_never_negatives():
    for concept in load_lexicon().concepts.values():
        kinds = {entry.name: entry.kind for entry in concept.entries}
        assert all(len({kinds[name] for name in group}) == 1 < len(group) for group in concept.synonyms)


def test_other_rules_or_words_are_another_cache_key(tmp_path):
    assert (
        Hasher.hash(AddHardPositives())
        == Hasher.hash(AddHardPositives())
        != Hasher.hash(AddHardPositives(sources="x"))
    )
    file = tmp_path / "material.yaml"
    file.write_text("{concept: material, tags: [JJ, NN], kinds: {m: [wooden, timber]}, synonyms: [[wooden, timber]]}")
    add = AddHardPositives(concepts=(*CONCEPTS, str(file)))
    assert "a timber table" in add(rows(["a wooden table"]))["positives"][0]
    file.write_text(file.read_text() + "\n")
    assert Hasher.hash(add) != Hasher.hash(AddHardPositives(concepts=add.concepts))
