"""The draw is balanced: whoever knows how often each caption occurs cannot tell a caption from its negative."""

import numpy as np
import pytest
from helpers.captions import batch_of
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_hardneg.negatives import slot_model
from hf_hardneg.negatives.add_negatives import AddHardNegatives, fit_slot_model
from hf_hardneg.negatives.balance import balanced_rates


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 9), st.sampled_from([1.0, 1.4]))
def test_flows_are_the_same_in_both_directions_and_within_their_limits(seed, limit, temperature):
    rng = np.random.default_rng(seed)
    size = 5
    p = rng.dirichlet(np.full(size, 0.3))
    opposed = np.triu(rng.integers(0, 2, (size, size)), 1)
    opposed = (opposed + opposed.T).astype(float)
    rates = balanced_rates(np.tile(p, (size, 1)), np.arange(size), opposed, np.full(size, limit), temperature)
    flat = p ** (1 / temperature) / (p ** (1 / temperature)).sum()
    flow = flat[:, None] * rates.rate
    assert flow == pytest.approx(flow.T, abs=1e-9)
    assert (rates.rate <= 1).all() and (rates.rate.sum(-1) <= limit + 1e-9).all()
    assert (rates.rate[opposed == 0] == 0).all()
    if flat.min() > 1e-6:  # far above the grain to which probabilities are rounded
        assert rates.ratio[0, 1] == pytest.approx(flat[1] / flat[0], rel=1e-3)


def test_flows_use_all_of_a_form_that_can_be_used():
    """No form has more than half of the probability, so each caption can have a negative."""
    p = np.array([0.4, 0.3, 0.2, 0.1])
    rates = balanced_rates(np.tile(p, (4, 1)), np.arange(4), 1 - np.eye(4), np.ones(4), 1.0)
    assert rates.rate.sum(-1) == pytest.approx(np.ones(4), abs=0.05)


COLORS = ["red", "blue", "green", "yellow"]
THINGS = ["car", "bus", "truck"]


def sample_captions(number, slots, seed):
    """Captions of 1 to 3 slots whose words depend on each other, and the probability of each.

    A hidden topic decides all words, so that each word says something of the others.
    """
    rng = np.random.default_rng(seed)
    topics = np.array([0.5, 0.3, 0.2])
    colors = rng.dirichlet(np.full(len(COLORS), 0.7), 3)
    things = rng.dirichlet(np.full(len(THINGS), 0.7), 3)

    def words(topic):
        color, thing, other = (
            rng.choice(len(COLORS), p=colors[topic]),
            rng.choice(len(THINGS), p=things[topic]),
            rng.choice(len(COLORS), p=colors[topic]),
        )
        return color, thing, other

    def caption(color, thing, other):
        text = f"a {THINGS[thing]}" if slots == 1 else f"a {COLORS[color]} {THINGS[thing]}"
        return f"{text} in front of a {COLORS[other]} wall" if slots == 3 else text

    def probability(color, thing, other):
        parts = topics * things[:, thing]
        parts = parts * colors[:, color] if slots > 1 else parts
        return float((parts * colors[:, other] if slots == 3 else parts).sum())

    known = {}
    for color in range(len(COLORS)):
        for thing in range(len(THINGS)):
            for other in range(len(COLORS)):
                known[caption(color, thing, other)] = probability(color, thing, other)
    return [caption(*words(topic)) for topic in rng.choice(3, number, p=topics)], known


def told_by_bayes(captions, negatives, known):
    """How often the likelier text is the caption, weighted as a reader would: ties are half."""
    told = [
        0.5 + 0.5 * np.sign(known[caption] - known[negative])
        for caption, of_caption in zip(captions, negatives, strict=True)
        for negative in of_caption
        if negative in known
    ]
    return np.mean(told), len(told)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("slots", [1, 2, 3])
def test_a_reader_who_knows_all_probabilities_tells_half(slots, k, monkeypatch):
    monkeypatch.setattr(slot_model, "LEAST_PAIRS", 10**9)  # the model alone, without readers
    told = []
    for seed in range(3):
        captions, known = sample_captions(6000, slots, seed)
        model = fit_slot_model([batch_of(captions)], ("object", "color"))
        add = AddHardNegatives(num_negatives=k, model=model, concepts=("object", "color"), temperature=1.0)
        share, pairs = told_by_bayes(captions, add(batch_of(captions))["negatives"], known)
        assert pairs > 1000
        told.append(share)
    assert np.mean(told) == pytest.approx(0.5, abs=0.02), told


@pytest.mark.parametrize(
    ("caption", "others"), [("a horse near a cat and a dog", []), ("a horse", ["a dog and a cat"])]
)
def test_forms_that_the_images_texts_name_leave_their_part_of_the_flows_to_the_rest(caption, others, monkeypatch):
    """A horse could become a cow only. Where the flows went to the dog and the cat first, it hardly ever would."""
    monkeypatch.setattr(slot_model, "LEAST_PAIRS", 10**9)
    animals = {"dog": 0.5, "cat": 0.3, "horse": 0.1, "cow": 0.1}
    known = np.random.default_rng(0).choice([f"a {animal}" for animal in animals], 3000, p=list(animals.values()))
    model = fit_slot_model([batch_of(known.tolist())], ("object",))
    add = AddHardNegatives(num_negatives=1, model=model, concepts=("object",), temperature=1.0)
    rows = {**batch_of([caption] * 500), "other_captions": [others] * 500}
    assert sum(map(len, add(rows)["negatives"])) > 0.85 * 500


def test_without_a_model_the_same_reader_tells_far_more():
    captions, known = sample_captions(3000, 3, 0)
    share, _ = told_by_bayes(captions, AddHardNegatives(num_negatives=1)(batch_of(captions))["negatives"], known)
    assert share > 0.55


def test_a_higher_temperature_gives_more_negatives_which_are_told_more_often():
    captions, known = sample_captions(6000, 2, 1)
    model = fit_slot_model([batch_of(captions)], ("object", "color"))
    found = []
    for temperature in (1.0, 2.0):
        add = AddHardNegatives(num_negatives=1, model=model, concepts=("object", "color"), temperature=temperature)
        found.append(told_by_bayes(captions, add(batch_of(captions))["negatives"], known))
    (one, few), (two, many) = found
    assert few < many and one + 0.03 < two


def test_the_filters_bias_is_learned_by_readers():
    """The filter rejects what other captions of an image mention; without readers, a topic would show it."""
    rng = np.random.default_rng(0)
    captions, others = [], []
    for _ in range(4000):
        # Of photos at sea, half of the images mention a boat and a ship alike elsewhere: "boat" passes less often.
        at_sea = rng.random() < 0.5
        word = rng.choice(["dog", "cat", "horse", "cow"], p=[0.4, 0.2, 0.3, 0.1] if at_sea else [0.1, 0.3, 0.2, 0.4])
        captions.append(f"a {word} near the {'sea' if at_sea else 'hill'}")
        mentioned = rng.choice(["dog", "horse"] if at_sea else ["cat", "cow"])
        others.append([f"there is a {mentioned} too"] if mentioned != word and rng.random() < 0.8 else [])
    batch = {**batch_of(captions), "other_captions": others}
    told = []
    for rounds in (0, 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(slot_model, "ROUNDS", rounds)
            model = fit_slot_model([batch], ("object",))
        add = AddHardNegatives(num_negatives=1, model=model, concepts=("object",), temperature=1.0)
        negatives = add(batch)["negatives"]
        counts = {}
        for caption, of_caption in zip(captions, negatives, strict=True):
            for negative in of_caption:
                counts[caption, negative] = counts.get((caption, negative), 0) + 1
        flows = [(n, counts.get((b, a), 0)) for (a, b), n in counts.items() if a < b]
        told.append(sum(max(pair) for pair in flows) / sum(map(sum, flows)))
    assert told[1] < 0.55 < told[0], told
