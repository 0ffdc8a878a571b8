import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_hardneg.audit.defects import count_artifacts, exchanges_list, wrong_articles
from hf_hardneg.audit.text_only_readers import audit_negatives


COLORS = ("red", "blue", "green", "brown", "black")
THINGS = ("car", "bus", "dog", "chair", "cup", "hat")


def color_captions(size, seed=0):
    rng = random.Random(seed)
    return [f"A {rng.choice(COLORS)} {rng.choice(THINGS)} on a {rng.choice(THINGS)}." for _ in range(size)]


def swap_color(caption, new):
    words = caption.split()
    words[1] = new
    return " ".join(words)


def test_an_exchangeable_swap_is_told_no_better_than_by_chance():
    # All captions differ: equal ones are held out together, and then a text known only as a negative looks like one.
    captions = [caption.replace("on", f"number {i} on") for i, caption in enumerate(color_captions(3000))]
    rng = random.Random(1)
    negatives = [[swap_color(c, rng.choice([x for x in COLORS if x not in c]))] for c in captions]
    result = audit_negatives(captions, negatives)
    assert 46 < result.learned < 54 and result.learned_low < 50 < result.learned_high
    assert result.rules == result.length == 50
    assert result.artifacts == result.broken_articles == result.identical == 0


def test_a_word_that_only_negatives_use_gives_all_away_and_is_named():
    captions = color_captions(200)
    result = audit_negatives(captions, [[swap_color(caption, "mauve")] for caption in captions])
    assert result.learned == 100
    assert any("mauve" in ngram and weight < 0 for ngram, weight in result.giveaways)


def test_the_reader_is_never_tested_on_a_caption_it_was_taught_on():
    # Each word occurs in one caption only: a reader that has seen the caption would know, another can only guess.
    words = iter(f"w{i}" for i in range(10_000))
    captions = [" ".join(next(words) for _ in range(4)) for _ in range(100)] * 2
    negatives = [[" ".join(f"{word}x" for word in caption.split())] * 2 for caption in captions]
    assert audit_negatives(captions, negatives).learned == 50


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


def test_rules_and_length_count_ties_half():
    captions = [f"A {color} {thing}." for color in COLORS for thing in THINGS]
    half = len(captions) // 2
    negatives = [[c.lower() + " again"] for c in captions[:half]] + [
        [c.replace("A ", "The ")] for c in captions[half:]
    ]
    result = audit_negatives(captions, negatives)
    assert result.rules == result.length == 75


def test_coverage_counts_captions_without_negatives():
    captions = color_captions(40)
    assert (
        audit_negatives(captions, [[swap_color(c, "odd")] if i % 4 else [] for i, c in enumerate(captions)]).coverage
        == 75
    )


def test_too_little_to_audit_is_said():
    with pytest.raises(ValueError, match="at least 5"):
        audit_negatives(["a dog"], [["a cat"]])
    with pytest.raises(ValueError, match="1 captions but 2"):
        audit_negatives(["a dog"], [[], []])


def test_articles_follow_the_sound():
    assert wrong_articles("A hour in an university with an apple") == 2


@given(st.text(max_size=80), st.text(max_size=80))
@settings(max_examples=100, deadline=None)
def test_any_text_can_be_looked_at(caption, negative):
    assert wrong_articles(caption) >= 0 and count_artifacts(negative) >= 0
    assert not exchanges_list(caption, caption)
