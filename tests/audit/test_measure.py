import json
import random
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_hardneg.audit.caption_pairs import Captions
from hf_hardneg.audit.defects import count_artifacts, exchanges_list, wrong_articles
from hf_hardneg.audit.measure import Audit, audit_negatives, measure_margins
from hf_hardneg.audit.odd_one import edit_distance, odd_one_shares


COLORS = ("red", "blue", "green", "brown", "black")
THINGS = ("car", "bus", "dog", "chair", "cup", "hat")


def color_captions(size, seed=0):
    rng = random.Random(seed)
    return [f"A {rng.choice(COLORS)} {rng.choice(THINGS)} on a {rng.choice(THINGS)}." for _ in range(size)]


def swap_color(caption, new):
    words = caption.split()
    words[1] = new
    return " ".join(words)


@pytest.fixture(scope="module")
def mauve():
    """An audit of negatives with a word that no caption has, of two concepts."""
    captions = color_captions(200)
    concepts = [["color"] if i % 4 else ["size"] for i in range(200)]
    return audit_negatives(captions, [[swap_color(c, "mauve")] for c in captions], list(range(200)), concepts)


def test_a_word_that_only_negatives_use_gives_all_away_and_is_named(mauve):
    assert mauve.readers["n-grams"].share == mauve.readers["boosted"].share == 100
    assert any("mauve" in ngram and weight < 0 for ngram, weight in mauve.giveaways)


def test_readers_are_reported_by_concept_with_the_number_of_pairs(mauve):
    assert {name: told["n-grams"].pairs for name, told in mauve.by_concept.items()} == {"color": 150, "size": 50}
    assert mauve.pairs == mauve.pairs_read == 200 and mauve.readers["rules"].pairs == 200


def test_an_audit_comes_back_from_json(mauve):
    assert Audit.from_json(json.loads(json.dumps(asdict(mauve)))) == mauve


def test_the_strongest_reader_is_farthest_from_guessing_to_either_side(monkeypatch):
    margins = {"rules": np.ones(10), "topic": -np.ones(10)}
    margins["rules"][:3] = 0
    told, _ = measure_margins(margins, np.arange(10))
    assert (told["rules"].share, told["topic"].share) == (85, 0)
    captions = color_captions(100)
    # Negatives of words that go better with the rest than the caption's own: an inverted topic is no balance.
    audit = audit_negatives([f"{c} qq{i}" for i, c in enumerate(captions)], [[c] for c in captions])
    assert audit.strongest == max(audit.readers, key=lambda name: abs(audit.readers[name].share - 50))


def test_intervals_draw_whole_images():
    # 10 images of 50 pairs each, told or not as a whole: the interval is that of 10 values.
    margins = np.repeat([1, -1] * 5, 50)
    by_image = measure_margins({"rules": margins}, np.repeat(np.arange(10), 50))[0]["rules"]
    by_pair = measure_margins({"rules": margins}, np.arange(500))[0]["rules"]
    assert by_image.high - by_image.low > 4 * (by_pair.high - by_pair.low)


@pytest.mark.parametrize(
    ("caption", "negative", "defect"),
    [
        ("A dog on a bench.", "A dog on a bench .", "artifacts"),
        ("A dog on a bench.", "A ### on a bench.", "artifacts"),
        ("A dog on a bench.", "A umbrella on a bench.", "broken_articles"),
        ("A dog on a bench.", "a Dog on a bench.", "identical"),
        ("A dog and cat sleep.", "A cat and dog sleep.", "permuted_lists"),
        ("A dog on a bench.", "dog", "fragments"),
        ("A dog on a bench.", "", "fragments"),
    ],
)
def test_each_defect_is_counted(caption, negative, defect):
    captions = [caption, *color_captions(19)]
    fine = [[text.replace(".", ", twice.")] for text in captions[1:]]
    assert getattr(audit_negatives(captions, [[negative], *fine]), defect) == pytest.approx(5)


def test_rules_count_ties_half_and_length_learns_its_direction():
    captions = [f"A {color} {thing}." for color in COLORS for thing in THINGS]
    half = len(captions) // 2
    negatives = [[c.lower() + " again"] for c in captions[:half]] + [
        [c.replace("A ", "The ")] for c in captions[half:]
    ]
    result = audit_negatives(captions, negatives)
    assert result.readers["rules"].share == result.readers["length"].share == 75


def test_a_length_that_says_nothing_is_a_tie_and_not_its_opposite():
    # As many longer as shorter negatives: other folds have more of the one where this fold has more of the other.
    captions = [f"A {color} car number {i}." for i in range(20) for color in COLORS]
    negatives = [[c.replace("car", "big car") if i % 2 else c.replace("A ", "")] for i, c in enumerate(captions)]
    assert audit_negatives(captions, negatives).readers["length"].share == 50


def test_coverage_counts_captions_without_negatives():
    captions = color_captions(40)
    negatives = [[swap_color(c, "odd")] if i % 4 else [] for i, c in enumerate(captions)]
    assert audit_negatives(captions, negatives).coverage == 75


def test_too_little_to_audit_is_said():
    with pytest.raises(ValueError, match="at least 5"):
        audit_negatives(["a dog"], [["a cat"]])
    with pytest.raises(ValueError, match="at least 5"):
        audit_negatives(["a dog"] * 20, [["a cat"]] * 20)
    with pytest.raises(ValueError, match="at least 5"):
        audit_negatives(["a dog"], [[]])
    with pytest.raises(ValueError, match="1 captions but 2"):
        audit_negatives(["a dog"], [[], []])
    with pytest.raises(ValueError, match="1 captions but 2 image ids"):
        audit_negatives(["a dog"], [["a cat"]], [1, 2])
    with pytest.raises(ValueError, match="one concept"):
        audit_negatives(["a dog"], [["a cat"]], [1], [[]])


def test_of_too_many_pairs_those_of_evenly_spread_captions_are_read(monkeypatch):
    monkeypatch.setattr("hf_hardneg.audit.measure.MAX_PAIRS", 50)
    captions = color_captions(100)
    audit = audit_negatives(captions, [[swap_color(c, "mauve")] * 2 for c in captions])
    assert (audit.pairs, audit.pairs_read) == (200, 50)


def test_captions_of_audited_images_are_left_out_of_the_further_corpus():
    captions = [f"{text} {i}" for i, text in enumerate(color_captions(30))]
    ids = [f"COCO_val2014_{i:012d}.jpg" for i in range(30)]
    corpus = Captions(["by its number", "elsewhere", captions[3].upper(), "with an audited caption"], [7, 99, 98, 98])
    audit = audit_negatives(captions, [[c.replace("A", "An")] for c in captions], ids, corpus=corpus)
    assert audit.extra_captions == 1


def test_the_caption_is_the_odd_one_where_negatives_change_different_words():
    caption = "a red car on a street"
    told, chance = odd_one_shares(
        [caption, caption, caption, caption],
        [
            ["a blue car on a street", "a red bus on a street", "a red car on a beach"],
            ["a blue car on a street", "a green car on a street"],
            ["a blue car on a street", "a blue car on a street"],
            ["a blue car"],
        ],
    )
    assert told.tolist() == [1, pytest.approx(1 / 3)] and chance.tolist() == [0.25, pytest.approx(1 / 3)]


@given(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), max_size=6))
@settings(max_examples=200, deadline=None)
def test_the_edit_distance_is_the_one_of_the_textbook(first, second):
    table = [[i + j for j in range(len(second) + 1)] for i in range(len(first) + 1)]
    for i in range(1, len(first) + 1):
        for j in range(1, len(second) + 1):
            cost = first[i - 1] != second[j - 1]
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + cost)
    assert edit_distance(first, second) == table[-1][-1]


def test_articles_follow_the_sound():
    assert wrong_articles("A hour in an university with an apple") == 2


@given(st.text(max_size=80), st.text(max_size=80))
@settings(max_examples=100, deadline=None)
def test_any_text_can_be_looked_at(caption, negative):
    assert wrong_articles(caption) >= 0 and count_artifacts(negative) >= 0
    assert not exchanges_list(caption, caption)
