import random

import numpy as np
import pytest
import torch
from conftest import gray
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_hardneg.columns import PAIR_FEATURES
from hf_hardneg.evaluation.encoding import encode_images, encode_texts
from hf_hardneg.evaluation.intervals import bootstrap_interval, grouped_interval
from hf_hardneg.evaluation.negatives import negatives_accuracy
from hf_hardneg.evaluation.pairs import CHANCE, choice_outcomes, score_pairs, summarize_pairs
from hf_hardneg.evaluation.results import summarize
from hf_hardneg.evaluation.retrieval import retrieval_outcomes, score_retrieval
from hf_hardneg.scenes import sample_pair


def slow_choices(s):
    by_image = [s[0][0] > s[0][1], s[1][1] > s[1][0]]
    by_caption = [s[0][0] > s[1][0], s[1][1] > s[0][1]]
    return sum(by_image) / 2, sum(by_caption) / 2, float(all(by_image + by_caption))


@given(st.lists(st.lists(st.integers(0, 2), min_size=4, max_size=4), min_size=1, max_size=5))
def test_choices_equal_the_obvious_reference_ties_included(rows):
    scores = np.array(rows, dtype=float).reshape(-1, 2, 2)
    outcomes = choice_outcomes(scores)
    got = zip(outcomes["image_to_text"], outcomes["text_to_image"], outcomes["group"], strict=True)
    assert [tuple(item) for item in got] == [slow_choices(s) for s in scores]


def test_random_scores_land_at_chance_and_perfect_and_wrong_ones_at_the_ends():
    scores = np.random.default_rng(0).normal(size=(20000, 2, 2))
    for name, values in choice_outcomes(scores).items():
        assert 100 * values.mean() == pytest.approx(CHANCE[name], abs=1)
    perfect = np.broadcast_to(np.eye(2), (5, 2, 2))
    assert all((values == 1).all() for values in choice_outcomes(perfect).values())
    assert all((values == 0).all() for values in choice_outcomes(1 - perfect).values())
    with pytest.raises(ValueError, match=r"\(3, 2\), expected \(N, 2, 2\)"):
        choice_outcomes(np.zeros((3, 2)))


def test_pairs_are_scored_by_concept_as_one_by_one(model, processor):
    rows = [sample_pair(random.Random(i), concept) for i, concept in enumerate(["color", "size", "color"])]
    pairs = Dataset.from_list(rows, features=PAIR_FEATURES)
    outcomes = score_pairs(model, processor, pairs)
    assert {concept: len(scores["group"]) for concept, scores in outcomes.items()} == {"color": 2, "size": 1}
    for i, (concept, place) in enumerate([("color", 0), ("size", 0), ("color", 1)]):
        images = [encode_images(model, processor, [rows[i][name]]) for name in ("coco_image", "inpaint_image")]
        texts = [encode_texts(model, processor, [rows[i][name]]) for name in ("coco_caption", "inpaint_caption")]
        expected = slow_choices([[float(image[0] @ text[0]) for text in texts] for image in images])
        assert tuple(outcomes[concept][name][place] for name in CHANCE) == expected


def test_macro_is_the_mean_over_concepts_whatever_their_size():
    outcomes = {"color": {"group": np.array([1.0, 0.0])}, "size": {"group": np.ones(8)}}
    assert summarize_pairs(outcomes)["macro"] == {"group": 75.0}
    results = summarize({**outcomes, "retrieval": {"R@1": np.array([1.0, 1.0])}})
    assert results["macro"]["group"]["value"] == 75.0
    assert results["color"]["group"]["n"] == 2 and results["retrieval"]["R@1"]["value"] == 100.0


def slow_retrieval(scores, owner, k):
    images = [
        max(
            (
                sum(scores[i, u] >= scores[i, t] and owner[u] != i for u in range(len(owner))) < k
                for t in range(len(owner))
                if owner[t] == i
            ),
            default=False,
        )
        for i in range(len(scores))
    ]
    texts = [
        sum(scores[j, t] >= scores[owner[t], t] and j != owner[t] for j in range(len(scores))) < k
        for t in range(len(owner))
    ]
    return np.array(images, dtype=float), np.array(texts, dtype=float)


@settings(max_examples=40)
@given(st.integers(2, 5), st.integers(1, 3), st.integers(0, 1000))
def test_retrieval_equals_the_obvious_reference_with_several_captions_an_image(images, each, seed):
    rng = np.random.default_rng(seed)
    owner = rng.permutation(np.repeat(np.arange(images), each))
    scores = rng.integers(0, 4, (images, len(owner))).astype(float)  # few values: many ties
    outcomes = retrieval_outcomes(scores, owner)
    for k in (1, 5):
        expected = slow_retrieval(scores, owner, k)
        assert (outcomes[f"image_to_text_R@{k}"] == expected[0]).all()
        assert (outcomes[f"text_to_image_R@{k}"] == expected[1]).all()


def test_retrieval_shares_the_image_of_several_rows(model, processor):
    rows = Dataset.from_dict(
        {"image": [gray(), gray(), gray((48, 48))], "image_id": [9, 9, 3], "caption": ["a cup", "a sun", "a cat"]}
    )
    outcomes = score_retrieval(model, processor, rows)
    assert outcomes["image_to_text_R@1"].shape == (2,) and outcomes["text_to_image_R@1"].shape == (3,)


def test_negatives_accuracy_leaves_absent_negatives_out():
    scores, ids = np.array([[0.5, 0.4, -1.0], [0.1, 0.1, 0.2]]), np.array([[0, -100], [1, 1]])
    result = negatives_accuracy(scores, ids, ["object", "color", "size"])
    assert result == {"accuracy": pytest.approx(100 / 3), "accuracy_object": 100.0, "accuracy_color": 0.0}
    assert negatives_accuracy(np.zeros((2, 1)), np.zeros((2, 0)), ["object"]) == {}


def test_intervals_have_their_coverage_and_widen_with_seeds_that_disagree():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(150):
        low, high = bootstrap_interval((rng.random(80) < 0.3).astype(float), seed=trial)
        covered += low <= 0.3 <= high
    assert 0.88 <= covered / 150 <= 0.99
    agree = np.tile(np.repeat([0.0, 1.0], 200), (3, 1))
    disagree = agree.copy()
    disagree[0] = 1

    def width(values):
        return np.subtract(*bootstrap_interval(values)[::-1])

    assert width(disagree) > 2 * width(agree)
    with pytest.raises(ValueError, match="not empty"):
        bootstrap_interval(np.array([]))


def test_the_macro_interval_keeps_what_a_seed_does_to_all_concepts():
    lucky, unlucky = np.ones((1, 300)), np.zeros((1, 300))
    part = np.concatenate([lucky, unlucky])
    low, high = bootstrap_interval(part, part, part, part)
    assert (low, high) == (0.0, 1.0)  # both draws can be the same seed
    independent = np.tile(np.repeat([0.0, 1.0], 150), (2, 1))
    assert np.subtract(*bootstrap_interval(*[independent] * 4)[::-1]) < 0.08


def test_texts_beyond_the_position_table_are_cut_not_refused(model, processor):
    assert torch.isfinite(encode_texts(model, processor, ["a red cup " * 100])).all()


def test_rows_of_one_group_do_not_narrow_the_interval():
    values = (np.random.default_rng(3).random(200) < 0.4).astype(float)
    single = bootstrap_interval(values)
    assert grouped_interval(values, np.arange(200)) == pytest.approx(single, abs=0.015)
    tripled = grouped_interval(np.repeat(values, 3), np.repeat(np.arange(200), 3))
    assert tripled == pytest.approx(single, abs=0.015)
