"""Twins of small sets of captions, against what can be seen by eye and against all pairs one by one."""

from itertools import combinations

import pytest
from datasets import Dataset
from helpers.captions import mentions
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_hardneg.lexicon.index import load_index
from hf_hardneg.negatives.slots import analyze
from hf_hardneg.twins import choose_twins as rules
from hf_hardneg.twins.frames import find_views
from hf_hardneg.twins.twin_search import find_twins


def rows_of(photos, categories=()):
    """One row per caption of {image id: captions}."""
    columns = {"image_id": [], "caption": [], "other_captions": [], "categories": []}
    for image_id, captions in photos.items():
        for i, caption in enumerate(captions):
            values = (image_id, caption, captions[:i] + captions[i + 1 :], dict(categories).get(image_id, []))
            for name, value in zip(columns, values, strict=True):
                columns[name].append(value)
    return Dataset.from_dict(columns)


def seen(found):
    """What does not depend on which twin is called the first."""
    return {
        (twin.kind, twin.concept, frozenset((s.image_id, s.text, s.word) for s in (twin.first, twin.second)))
        for twin in found.twins
    }


def twins_of(photos, categories=()):
    return seen(find_twins(rows_of(photos, categories)))


def test_twins_of_each_kind_and_concept():
    photos = {
        1: ["A man rides a horse.", "Somebody rides."],
        2: ["a woman rides a horse"],
        3: ["A red bus on a road ."],
        4: ["A blue bus on a road"],
        5: ["The dog is running through the snow."],
        6: ["A dog runs through grass"],
        7: ["A large boat near a pier in the fog."],
        8: ["There is a small boat near a pier while it rains."],
        9: ["A cat under a table"],
        10: ["A cat on top of a table"],
        11: ["Nothing here has a twin."],
    }
    assert twins_of(photos) == {
        ("exact", "object", frozenset({(1, "A man rides a horse.", "man"), (2, "a woman rides a horse", "woman")})),
        ("exact", "color", frozenset({(3, "A red bus on a road .", "red"), (4, "A blue bus on a road", "blue")})),
        (
            "frame",
            "object",
            frozenset({(5, "The dog is running through the snow.", "snow"), (6, "A dog runs through grass", "grass")}),
        ),
        (
            "beginning",
            "size",
            frozenset({(7, "A large boat near a pier", "large"), (8, "There is a small boat near a pier", "small")}),
        ),
        (
            "exact",
            "location",
            frozenset({(9, "A cat under a table", "under"), (10, "A cat on top of a table", "on top of")}),
        ),
    }


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
@pytest.mark.parametrize(
    ("told", "categories", "reason"),
    [
        ("A man and a woman ride.", [], rules.TRUE_OF_OTHER[2]),
        ("They ride.", ["person", "woman"], rules.TRUE_OF_OTHER[3]),
    ],
)
def test_a_word_that_may_be_true_of_the_other_photo_makes_no_twins(order, told, categories, reason):
    """In either direction: the photo that tells more may come first or second."""
    man, woman = order
    photos = {man: ["A man rides a horse.", told], woman: ["A woman rides a horse."]}
    found = find_twins(rows_of(photos, {man: categories}))
    assert found.twins == [] and found.left_out == {reason: 1}
    assert len(find_twins(rows_of({man: ["A man rides a horse.", "They ride."], woman: photos[woman]})).twins) == 1


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ("A man rides a horse.", "A guy rides a horse.", rules.ALIKE),  # synonyms
        ("A dog sits on a bench.", "A puppy sits on a bench.", rules.ALIKE),  # a hypernym
        ("A man rides his horse.", "A woman rides his horse.", rules.TRUE_OF_OTHER[0]),
        ("A dog sits.", "The dogs sit.", None),
        ("A man rides a horse.", "A banana rides a horse.", None),  # words of two kinds
    ],
)
def test_words_that_do_not_exclude_each_other_make_no_twins(one, other, reason):
    found = find_twins(rows_of({1: [one], 2: [other]}))
    assert found.twins == [] and set(found.left_out) == ({reason} if reason else set())


def test_a_photo_is_no_twin_of_itself():
    found = find_twins(rows_of({1: ["A man rides a horse.", "A woman rides a horse."], 2: ["A cup."]}))
    assert found.twins == [] and found.left_out == {rules.SAME_PHOTO: 1}


def test_a_frequent_frame_gives_a_few_pairs_of_several_words():
    colors = ("red", "blue", "green", "yellow")
    found = find_twins(rows_of({i: [f"A {colors[i % 4]} bus on a road."] for i in range(200)}))
    assert len(found.twins) == rules.PER_FRAME
    assert len({frozenset((twin.first.word, twin.second.word)) for twin in found.twins}) > 2


CAPTIONS = st.builds(
    "{} {} {} {}{}".format,
    st.sampled_from(["A", "The", "a"]),
    st.sampled_from(["man", "woman", "dog", "red car", "blue car", "large dog"]),
    st.sampled_from(["runs on", "is running on", "under"]),
    st.sampled_from(["the grass", "a beach", "snow"]),
    st.sampled_from(["", ".", " near a tree.", " with a red ball"]),
)
PHOTOS = st.lists(st.lists(CAPTIONS, min_size=1, max_size=2), min_size=2, max_size=9)


def all_pairs(photos):
    """Every pair of views that could be twins, compared one by one."""
    index = load_index()
    views = []
    for image_id, captions in photos.items():
        names = set().union(*(mentions(caption) for caption in captions))
        for caption in captions:
            for view in find_views(analyze([caption], index)[0]):
                views.append((image_id, view, names))
    for (one, a, of_one), (other, b, of_other) in combinations(views, 2):
        words = a.slot.reading.entry, b.slot.reading.entry
        alike = one == other or a.frame != b.frame or words[0] == words[1]
        if alike or words[1] not in index.lexicon.opposed(words[0]):
            continue
        implied = [{(word.concept, name) for name in index.lexicon.implied(word)} for word in words]
        if not (implied[1] & of_one or implied[0] & of_other):
            yield frozenset((one, other))


@given(PHOTOS, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_twins_are_those_of_all_pairs_in_any_order_and_no_photo_comes_twice(photos, random):
    photos = dict(enumerate(photos))
    found = find_twins(rows_of(photos))
    shuffled = dict(random.sample(list(photos.items()), len(photos)))
    shuffled = {one: random.sample(captions, len(captions)) for one, captions in shuffled.items()}
    assert seen(find_twins(rows_of(shuffled))) == seen(found)
    pairs = [frozenset((twin.first.image_id, twin.second.image_id)) for twin in found.twins]
    taken = frozenset().union(*pairs)
    assert len(taken) == 2 * len(pairs)
    expected = set(all_pairs(photos))
    assert set(pairs) <= expected
    assert all(pair & taken for pair in expected)  # no pair is left of two free photos
    for twin in found.twins:
        for side in (twin.first, twin.second):
            assert any(caption.startswith(side.text) for caption in photos[side.image_id])


def test_two_processes_find_what_one_finds(tmp_path):
    photos = {i: [f"A {('red', 'blue')[i % 2]} car number {i // 2} on a road."] for i in range(60)}
    rows_of(photos).to_parquet(tmp_path / "rows.parquet")
    rows = Dataset.from_parquet(str(tmp_path / "rows.parquet"), cache_dir=str(tmp_path))
    one, two = (find_twins(rows, num_proc=number) for number in (1, 2))
    assert seen(one) == seen(two) and len(one.twins) == 30
