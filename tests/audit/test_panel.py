"""The readers against captions of a world whose truth is known."""

import os
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest

from hf_hardneg.audit.caption_pairs import Captions, Pairs
from hf_hardneg.audit.corpus import build_corpus
from hf_hardneg.audit.folds import FOLDS, assign_folds, hash_fold
from hf_hardneg.audit.panel import BOOSTED, LENGTH, NGRAMS, RULES, TOPIC, fit_readers


# Each place goes with some things more than with others.
PLACES = {
    "kitchen": ("oven", "cup", "sink", "bowl"),
    "street": ("bus", "truck", "sign", "horse"),
    "beach": ("wave", "kite", "towel", "boat"),
    "field": ("cow", "horse", "kite", "fence"),
}
THINGS = sorted({thing for things in PLACES.values() for thing in things})


def draw_world(size, draw_negative, per_image=2, seed=0):
    """Pairs of captions that differ in a thing; no caption comes twice."""
    rng = random.Random(seed)
    captions, negatives, ids = [], [], []
    for i in range(size):
        if i % per_image == 0:
            place = rng.choice(list(PLACES))
        shape = f"A {rng.choice(('big', 'small', 'nice'))} {{}} in the {place}, as number {i} shows."
        thing, other = draw_negative(rng, place)
        captions.append(shape.format(thing))
        negatives.append(shape.format(other))
        ids.append(i // per_image)
    return Pairs(captions, negatives, ids)


def draw_exchangeable(rng, place):
    """Caption and negative are two draws of one distribution, so that no reader of text can be right."""
    weights = [6 if thing in PLACES[place] else 1 for thing in THINGS]
    first = second = rng.choices(THINGS, weights)[0]
    while second == first:
        first, second = rng.choices(THINGS, weights, k=2)
    return first, second


def draw_off_topic(rng, place):
    """The caption's thing goes with the place, the negative's with another; each thing is as often in both."""
    other = rng.choice([name for name in PLACES if name != place])
    return rng.choice(PLACES[place]), rng.choice([thing for thing in PLACES[other] if thing not in PLACES[place]])


def told(margins):
    return {name: 50 * float((1 + np.sign(values)).mean()) for name, values in margins.items()}


@pytest.fixture(scope="module")
def off_topic():
    pairs = draw_world(1200, draw_off_topic)
    return pairs, fit_readers(pairs)


def test_no_reader_tells_negatives_that_cannot_be_told():
    pairs = draw_world(2500, draw_exchangeable, seed=1)
    for name, share in told(fit_readers(pairs).margins(pairs)).items():
        assert abs(share - 50) < 3, f"{name} {share}"  # three standard deviations of 2,500 guesses


def test_a_thing_that_does_not_go_with_the_place_is_found_by_topic_and_boosting_alone(off_topic):
    pairs, readers = off_topic
    share = told(readers.margins(pairs))
    assert share[TOPIC] > 95 and share[BOOSTED] > 95
    assert share[RULES] == share[LENGTH] == 50


def test_exchanging_caption_and_negative_turns_every_margin_over(off_topic):
    pairs, readers = off_topic
    turned = Pairs(pairs.negatives, pairs.captions, pairs.image_ids)
    of_turned = readers.margins(turned)
    for name, values in readers.margins(pairs).items():
        assert values == pytest.approx(-of_turned[name], abs=1e-9), name


def test_margins_of_the_trained_readers_are_log_odds(off_topic):
    # A tenth of the labels are turned over, so that a reader who is sure of itself would be wrong in 10 %.
    pairs, _ = off_topic
    rng = random.Random(3)
    turned = [rng.random() < 0.1 for _ in range(len(pairs))]
    olds = [new if flip else old for old, new, flip in zip(pairs.captions, pairs.negatives, turned, strict=True)]
    news = [old if flip else new for old, new, flip in zip(pairs.captions, pairs.negatives, turned, strict=True)]
    noisy = Pairs(olds, news, pairs.image_ids)
    margins = fit_readers(noisy).margins(noisy)
    for name in (NGRAMS, BOOSTED):
        believed = (1 / (1 + np.exp(-np.abs(margins[name])))).mean()
        assert abs(100 * believed - max(told(margins)[name], 50)) < 8, name


def test_shuffled_labels_tell_nothing_so_that_no_reader_has_seen_what_it_reads():
    # Every image has words of its own, and half of the pairs are turned over: only memory could tell which.
    rng = random.Random(4)
    captions, negatives, ids = [], [], []
    for i in range(800):
        sides = [f"A w{i // 2}x thing of {rng.choice(THINGS)} v{i // 2}x.", f"A w{i // 2}y thing of cup v{i // 2}y."]
        rng.shuffle(sides)
        captions.append(sides[0])
        negatives.append(sides[1])
        ids.append(i // 2)
    pairs = Pairs(captions, negatives, ids)
    for name, share in told(fit_readers(pairs).margins(pairs)).items():
        assert abs(share - 50) < 6, f"{name} {share}"


def test_negatives_that_are_balanced_to_the_last_one_are_not_told_by_their_opposite():
    # What other folds lack, this fold has: a cross-validated reader of words that always chooses falls below 50.
    shares = []
    for seed in range(6):
        colors = ["red", "blue"] * 60
        random.Random(seed).shuffle(colors)
        captions = [f"A {color} car w{seed}x{i}." for i, color in enumerate(colors)]
        other = {"red": "blue", "blue": "red"}
        negatives = [c.replace(color, other[color]) for c, color in zip(captions, colors, strict=True)]
        pairs = Pairs(captions, negatives)
        shares.append(told(fit_readers(pairs).margins(pairs)))
    # One that always chooses is at 43 here. Boosted is left out: docs/audit.md says what it finds in so few.
    assert np.mean([share[NGRAMS] for share in shares]) > 46


def test_one_image_and_equal_captions_are_never_in_two_folds():
    captions = [f"caption {i % 180}" for i in range(400)]
    ids = [i // 2 for i in range(400)]
    folds, groups = assign_folds([f"{c} {i}" for i, c in enumerate(captions)], ids)
    assert all(folds[i] == folds[i + 1] for i in range(0, 400, 2)) and len(set(folds)) == FOLDS
    assert len(set(groups)) == 200
    by_text, _ = assign_folds(["Same text", "other", "same  TEXT", *map(str, range(50))], list(range(53)))
    assert by_text[0] == by_text[2]
    unknown, _ = assign_folds(captions, None)
    assert all(unknown[i] == unknown[i - 180] for i in range(180, 400))


def test_few_captions_that_chain_all_images_together_are_held_out_by_image():
    captions = [("a red car", "a blue car", "a red bus")[i % 3] for i in range(300)]
    folds, groups = assign_folds(captions, [i // 2 for i in range(300)])
    assert len(set(folds)) == FOLDS and len(set(groups)) == 150


def test_the_fold_of_an_image_is_alike_in_every_process_and_does_not_depend_on_order():
    code = "from hf_hardneg.audit.folds import hash_fold; print([hash_fold(i) for i in range(9)], hash_fold('a b'))"
    outputs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**env}).stdout
        for env in _hash_seeds()
    }
    assert outputs == {f"{[hash_fold(i) for i in range(9)]} {hash_fold('a b')}\n"}
    captions, ids = [f"caption {i % 150}" for i in range(200)], list(range(200))
    folds, _ = assign_folds(captions, ids)
    turned, _ = assign_folds(captions[::-1], ids[::-1])
    assert (folds == turned[::-1]).all()


def _hash_seeds():
    return [{**os.environ, "PYTHONHASHSEED": seed} for seed in ("1", "2")]


def test_new_negatives_of_an_image_are_read_by_those_who_have_not_seen_it(off_topic):
    pairs, readers = off_topic
    folds = readers.corpus.find_folds(pairs)
    new = Pairs(["A new caption with a cup"] * 40, ["A new caption with a cow"] * 40, pairs.image_ids[:40])
    assert (readers.corpus.find_folds(new) == folds[:40]).all()
    unknown = Pairs(["A new caption"], ["A new negative"], [123_456])
    assert readers.corpus.find_folds(unknown)[0] == hash_fold(123_456)
    assert set(readers.margins(unknown)) == set(readers.margins(pairs))


def test_topic_knows_nothing_of_the_captions_of_its_own_fold():
    # A rare thing that only one image names: other images know no company of it.
    captions = [f"A cup on the table {i}." for i in range(60)] + ["A zither on the moon.", "A zither near the moon."]
    pairs = Pairs(["A zither on the moon."], ["A cup on the moon."], [60])
    corpus = build_corpus(pairs, Captions(captions, [*range(60), 60, 60]))
    counts = corpus.without(int(corpus.find_folds(pairs)[0]))
    word = corpus.vocabulary["zither"]
    assert counts.images.single[word] == counts.captions.single[word] == counts.neighbors.single[word] == 0
    assert counts.trigrams.forward.unigrams[word] == 0 and not counts.places[word].any()


def test_readers_survive_pickling(off_topic):
    pairs, readers = off_topic
    few = pairs.take(np.arange(50))
    again = pickle.loads(pickle.dumps(readers)).margins(few)
    assert all((again[name] == values).all() for name, values in readers.margins(few).items())


def test_pairs_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="2 captions but 1 negatives"):
        Pairs(["a", "b"], ["c"])
    with pytest.raises(ValueError, match="1 captions but 2 image ids"):
        Captions(["a"], [1, 2])
    with pytest.raises(ValueError, match="no pair"):
        fit_readers(Pairs([], []))
