import json
import random

import numpy as np
import pytest
import torch
from datasets import Dataset
from helpers.models import gray, processor_for, small_metaclip, small_siglip, small_siglip2
from helpers.slow_choices import slow_choice
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hf_hardneg.columns import PAIR_FEATURES
from hf_hardneg.data.lazy_images import ImageFile, UnusableImage, row_images
from hf_hardneg.evaluation import retrieval
from hf_hardneg.evaluation.bootstrap import grouped_interval, p_value, percentiles, resampled_means
from hf_hardneg.evaluation.choice_scores import choice_chance, choice_outcomes
from hf_hardneg.evaluation.evaluate import parse_models
from hf_hardneg.evaluation.negatives_accuracy import negatives_accuracy
from hf_hardneg.evaluation.outcomes import Outcome
from hf_hardneg.evaluation.pairs import CHANCE, pairs_task, score_pairs
from hf_hardneg.evaluation.results import (
    compare_to_control,
    join_seeds,
    mean_scores,
    summarize_outcomes,
    summarize_run,
)
from hf_hardneg.evaluation.retrieval import recalls, retrieval_outcomes, retrieval_ranks, rows_task
from hf_hardneg.evaluation.tasks import ONE_TRUE_TEXT, PAIR, ChoiceTask
from hf_hardneg.model.encoding import Encoder, encode_images, encode_texts
from hf_hardneg.scenes.world import sample_pair


FORMS = [
    [[1, 0]],
    [[1, 0, 0, 0]],
    [[1], [0]],
    [[1], [0], [0]],
    [[1, 0], [0, 1]],
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    [[1, 1, 0]],
    [[1, 1, 1, 0, 0]],
    [[1, 1, 0, 0], [0, 0, 1, 1]],
]


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
@settings(max_examples=40)
def test_choices_of_every_form_equal_the_obvious_reference_ties_included(form, data):
    size = len(form) * len(form[0])
    rows = data.draw(st.lists(st.lists(st.integers(0, 3), min_size=size, max_size=size), min_size=1, max_size=5))
    scores = np.array(rows, dtype=float).reshape(-1, len(form), len(form[0]))
    outcomes = choice_outcomes(scores, np.array(form, dtype=bool))
    for i, item in enumerate(scores.tolist()):
        expected = {name: float(value) for name, value in slow_choice(item, form).items()}
        assert {name: values[i] for name, values in outcomes.items()} == pytest.approx(expected)


@pytest.mark.parametrize("form", FORMS)
def test_random_scores_land_at_chance_and_perfect_and_wrong_ones_at_the_ends(form):
    belongs = np.array(form, dtype=bool)
    scores = np.random.default_rng(0).normal(size=(40000, *belongs.shape))
    alike = np.random.default_rng(1).normal(size=(40000, belongs.shape[1], belongs.shape[1]))
    chance = choice_chance(belongs)
    outcomes = choice_outcomes(scores, belongs, alike + alike.transpose(0, 2, 1))
    assert chance and set(chance) | {"group", "text_to_text"} >= set(outcomes)
    for name, expected in chance.items():
        assert outcomes[name].mean() == pytest.approx(expected, abs=0.01), name
    perfect = np.broadcast_to(belongs, (5, *belongs.shape)).astype(float)
    for sign, value in ((1, 1.0), (-1, 0.0)):
        for name, values in choice_outcomes(sign * perfect, belongs).items():
            assert (values == (0.0 if name == "brittleness" else value)).all(), name


def test_a_false_text_that_an_item_lacks_is_no_rival():
    scores, present = np.array([[[0.5, 0.4, 0.6]]] * 2), np.array([[True, True, False], [True, True, True]])
    belongs = np.array([[True, False, False]])
    assert choice_outcomes(scores, belongs, present=present)["image_to_text"].tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="False only for texts that are true of no image"):
        choice_outcomes(scores, belongs, present=~present)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused_wherever_they_enter(bad):
    """A comparison with nan is False, so that all-nan scores counted as perfect ranks."""
    square, owner = np.array([[1.0, bad], [0.0, 1.0]]), np.array([0, 1])
    pairs, three = np.array([[[1.0, bad], [0.0, 1.0]]]), np.zeros((1, 3, 3))
    entries = {
        "choices": lambda: choice_outcomes(pairs, PAIR),
        "the text that an item has": lambda: choice_outcomes(
            np.array([[[1.0, bad]]]), np.array([[True, False]]), present=np.array([[True, True]])
        ),
        "text to text": lambda: choice_outcomes(np.zeros((1, 1, 3)), np.array([[True, True, False]]), three + bad),
        "retrieval": lambda: retrieval_outcomes(square, owner),
        "ranks": lambda: retrieval_ranks(square, np.eye(2), owner),
        "negatives": lambda: negatives_accuracy(np.array([[0.5, bad]]), np.array([[0]]), ["color"]),
        "intervals": lambda: grouped_interval(np.array([1.0, bad]), owner),
    }
    for entry, score in entries.items():
        with (
            np.errstate(invalid="ignore"),
            pytest.raises(ValueError, match=r"of \d+ .*are nan or infinite.*fp16") as caught,
        ):
            score()
        assert "diverged" in str(caught.value), entry


def test_an_absent_negative_may_have_any_score():
    scores = np.array([[0.5, 0.4, np.nan]])
    assert negatives_accuracy(scores, np.array([[0, -1]]), ["color"]) == {"accuracy": 100.0, "accuracy_color": 100.0}


def test_scores_of_the_wrong_shape_are_named():
    with pytest.raises(ValueError, match=r"\(3, 2\) and belongs \(2, 2\); expected \(N, n, m\)"):
        choice_outcomes(np.zeros((3, 2)), PAIR)


def test_the_text_only_score_needs_true_texts_alike_and_a_tie_is_wrong():
    alike = np.array([[[1, 0.9, 0.5], [0.9, 1, 0.8], [0.5, 0.8, 1]], [[1, 0.8, 0.5], [0.8, 1, 0.8], [0.5, 0.8, 1]]])
    outcomes = choice_outcomes(np.zeros((2, 1, 3)), np.array([[True, True, False]]), alike)
    assert outcomes["text_to_text"].tolist() == [1.0, 0.0]


def test_pairs_are_scored_by_concept_as_one_by_one(model, processor):
    rows = [sample_pair(random.Random(i), concept) for i, concept in enumerate(["color", "size", "color"])]
    pairs = Dataset.from_list(rows, features=PAIR_FEATURES)
    outcomes = score_pairs(model, processor, pairs)
    assert outcomes["group"].groups.tolist() == ["color", "size", "color"]
    for i, row in enumerate(rows):
        images = [encode_images(model, processor, [row[name]]) for name in ("coco_image", "inpaint_image")]
        texts = [encode_texts(model, processor, [row[name]]) for name in ("coco_caption", "inpaint_caption")]
        expected = slow_choice([[float(image[0] @ text[0]) for text in texts] for image in images], [[1, 0], [0, 1]])
        assert {name: outcomes[name].values[i] for name in CHANCE} == expected


def test_each_distinct_image_and_text_is_encoded_once_and_read_once(model, processor, monkeypatch, tmp_path):
    reads, seen = [], []
    read = ImageFile.read
    monkeypatch.setattr(ImageFile, "read", lambda self: reads.append(self.name) or read(self))
    tokenizer = processor.tokenizer
    encoder = Encoder(model, processor)
    monkeypatch.setattr(type(encoder.text_format), "tokenize", _spy(type(encoder.text_format).tokenize, seen))
    for i in range(3):
        gray((32 + i, 32)).save(tmp_path / f"{i}.png")
    for _ in range(2):  # two tasks share images and texts
        task = ChoiceTask("task", ONE_TRUE_TEXT)
        for i in range(12):
            task.add(
                "all", str(i), [ImageFile(tmp_path / f"{i % 3}.png")], [f"a cup {i % 4}", f"a sun {i % 2} and a cat"]
            )
        assert len(task.run(encoder).items) == 12
    assert len(reads) == 3 and sorted(seen) == sorted(
        {f"a cup {i}" for i in range(4)} | {f"a sun {i} and a cat" for i in (0, 1)}
    )
    lengths = [len(ids) for ids in tokenizer(seen)["input_ids"]]
    assert lengths == sorted(lengths)


def _spy(tokenize, seen):
    def spy(self, tokenizer, texts):
        seen.extend(texts)
        return tokenize(self, tokenizer, texts)

    return spy


def test_tries_and_padded_rows_give_the_same_choices(model, processor, pairs):
    task = pairs_task("pairs", pairs)
    plain, tree = (task.run(Encoder(model, processor, layout)) for layout in ("padded", "auto"))
    for first, second in zip(plain.items, tree.items, strict=True):
        assert first["scores"] == pytest.approx(second["scores"], abs=1e-5)


def test_equal_bytes_are_one_image_and_missing_ones_are_none(tmp_path):
    gray().save(tmp_path / "a.png")
    rows = Dataset.from_list(
        [{"image": gray()}, {"image": None}, {"image": gray()}, {"image": gray((40, 40))}],
        features=type(PAIR_FEATURES)({"image": PAIR_FEATURES["mask"]}),
    )
    images = row_images(rows, "image")
    assert images[1] is None and images[0].key == images[2].key != images[3].key
    assert images[3].read().size == (40, 40)
    with pytest.raises(ValueError, match="not images"):
        row_images(Dataset.from_dict({"image": ["x"]}), "image")


@pytest.mark.parametrize(
    ("box", "reason"), [((40, 0, 60, 20), "outside"), ((0, 0, 4, 30), "under 8 pixels"), ((-5, -5, 20, 99), None)]
)
def test_crops_are_cut_to_the_image_and_empty_ones_refused(tmp_path, box, reason):
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    image = ImageFile(tmp_path / "a.png", box)
    if reason is None:
        assert image.read().size == (20, 32)
    else:
        with pytest.raises(UnusableImage, match=reason):
            image.read()
    assert image.photo == ImageFile(tmp_path / "a.png").photo and image.key != ImageFile(tmp_path / "a.png").key


def test_broken_weights_are_named_instead_of_scored(model, processor):
    with torch.no_grad():
        model.text_projection.weight.fill_(float("nan"))
    encoder = Encoder(model, processor)
    with pytest.raises(ValueError, match="nan or infinite"):
        encoder.texts(["a cup"])


def test_items_of_another_form_are_refused():
    task = ChoiceTask("task", PAIR)
    with pytest.raises(ValueError, match="an item has 1 images and 2 texts, not 2 and 2"):
        task.add("all", "0", [ImageFile("a.png")], ["a", "b"])


def outcome(values, groups=None, clusters=None):
    values = np.asarray(values, float)
    n = values.shape[-1]
    return Outcome(
        values, np.array(groups if groups is not None else ["all"] * n), np.arange(n) if clusters is None else clusters
    )


def test_macro_is_the_mean_over_groups_and_all_the_mean_over_items():
    results = summarize_outcomes({"group": outcome([1, 0, 1, 1, 1, 1, 1, 1, 1, 1], ["color"] * 2 + ["size"] * 8)})
    assert {group: scores["group"]["value"] for group, scores in results.items()} == pytest.approx(
        {"color": 50, "size": 100, "macro": 75, "all": 90}
    )
    assert results["color"]["group"]["n"] == 2 and results["macro"]["group"]["n"] == 10
    assert mean_scores({"group": outcome([1, 0, 1], ["a", "a", "b"])})["macro"] == {"group": 75.0}
    run = summarize_run({"pairs": {"group": outcome([1, 0], ["a", "b"])}, "retrieval": {"R@1": outcome([1, 1])}})
    assert list(run) == ["a", "b", "macro", "retrieval"] and run["retrieval"]["R@1"]["value"] == 100.0


def test_one_group_has_no_macro():
    assert list(summarize_outcomes({"group": outcome([1, 0])})) == ["all"]


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
    for k in (1, 5, 10):
        expected = slow_retrieval(scores, owner, k)
        assert (outcomes[f"image_to_text_R@{k}"] == expected[0]).all()
        assert (outcomes[f"text_to_image_R@{k}"] == expected[1]).all()


@settings(max_examples=40)
@given(st.integers(2, 23), st.integers(1, 5), st.integers(1, 400), st.integers(0, 1000))
def test_retrieval_in_chunks_of_any_size_is_exact_ties_included(images, each, chunk, seed):
    rng = np.random.default_rng(seed)
    owner = rng.permutation(np.repeat(np.arange(images), each))
    pictures = rng.normal(size=(images, 16)).astype(np.float32)
    pictures[images // 2] = pictures[0]  # a photo that is there twice ties with itself
    pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
    texts = rng.normal(size=(len(owner), 16)).astype(np.float32)
    texts[-1] = texts[0]
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    whole = (pictures.astype(np.float64) @ texts.T.astype(np.float64)).astype(np.float32)
    outcomes = recalls(*retrieval_ranks(pictures, texts, owner, chunk))
    for k in (1, 5, 10):
        expected = slow_retrieval(whole, owner, k)
        assert (outcomes[f"image_to_text_R@{k}"] == expected[0]).all()
        assert (outcomes[f"text_to_image_R@{k}"] == expected[1]).all()


def test_retrieval_of_odd_shapes_is_refused():
    for owner in (np.array([0, 2]), np.array([0, -1]), np.array([0])):
        with pytest.raises(ValueError, match="an owner from 0 to 1 for each text"):
            retrieval_outcomes(np.zeros((2, 2)), owner)


def test_retrieval_shares_the_image_of_several_rows_and_folds_are_apart(model, processor):
    captions = ["a cup", "a sun", "a cat", "a dog", "a kite"]
    images = [gray(), gray(), gray((48, 48)), gray((40, 48)), gray((48, 40))]
    rows = Dataset.from_dict({"image": images, "image_id": [9, 9, 3, 4, 5], "caption": captions})
    task = rows_task("rows", rows)
    scores = task.run(Encoder(model, processor)).scores
    assert scores["image_to_text_R@1"].values.shape == (4,) and scores["text_to_image_R@1"].values.shape == (5,)
    assert scores["text_to_image_R@1"].clusters.tolist() == [0, 0, 1, 2, 3]
    task.folds = 2
    found = task.run(Encoder(model, processor)).scores["text_to_image_R@1"]
    assert found.groups.tolist() == ["all"] * 5 + ["all in 2 folds"] * 5
    halves = [rows_task("half", rows.select(part)) for part in ([0, 1, 2], [3, 4])]
    expected = [half.run(Encoder(model, processor)).scores["text_to_image_R@1"].values for half in halves]
    assert found.values[5:].tolist() == np.concatenate(expected).tolist()


def test_negatives_accuracy_leaves_absent_negatives_out():
    scores, ids = np.array([[0.5, 0.4, -1.0], [0.1, 0.1, 0.2]]), np.array([[0, -100], [1, 1]])
    result = negatives_accuracy(scores, ids, ["object", "color", "size"])
    assert result == {"accuracy": pytest.approx(100 / 3), "accuracy_object": 100.0, "accuracy_color": 0.0}
    assert negatives_accuracy(np.zeros((2, 1)), np.zeros((2, 0)), ["object"]) == {}


def interval(values, clusters=None, groups=None, seed=0):
    values = np.atleast_2d(np.asarray(values, float))
    n = values.shape[1]
    groups = np.zeros(n, int) if groups is None else groups
    means = resampled_means(values, groups, np.arange(n) if clusters is None else clusters, seed)
    return percentiles(means.mean(axis=1))


def width(values, **options):
    low, high = interval(values, **options)
    return high - low


def test_intervals_have_their_coverage_and_widen_with_seeds_that_disagree():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(150):
        low, high = interval(rng.random(80) < 0.3, seed=trial)
        covered += low <= 0.3 <= high
    assert 0.88 <= covered / 150 <= 0.99
    agree = np.tile(np.repeat([0.0, 1.0], 200), (3, 1))
    disagree = agree.copy()
    disagree[0] = 1
    assert width(disagree) > 2 * width(agree)
    with pytest.raises(ValueError, match="not empty"):
        interval(np.empty(0))


def test_intervals_by_image_cover_where_those_by_item_do_not():
    """Ten items of each of 40 photos, which the model gets right or wrong together."""
    rng = np.random.default_rng(1)
    photos = np.repeat(np.arange(40), 10)
    covered = {"image": 0, "item": 0}
    for trial in range(150):
        values = np.repeat(rng.random(40) < 0.5, 10)
        for name, clusters in (("image", photos), ("item", None)):
            low, high = interval(values, clusters=clusters, seed=trial)
            covered[name] += low <= 0.5 <= high
    assert covered["image"] >= 0.88 * 150 and covered["item"] < 0.6 * 150


def test_the_macro_interval_keeps_what_a_seed_does_to_all_groups():
    part = np.concatenate([np.ones((1, 1200)), np.zeros((1, 1200))])
    groups = np.repeat(np.arange(4), 300)
    assert interval(part, groups=groups) == (0.0, 1.0)  # both draws can be the same seed
    independent = np.tile(np.repeat([0.0, 1.0], 600), (2, 1))
    assert width(independent, groups=np.tile(np.arange(4), 300)) < 0.08


def test_texts_beyond_the_position_table_are_cut_and_counted(model, processor):
    encoder = Encoder(model, processor)
    assert np.isfinite(encoder.texts(["a red cup " * 100, "a cup"])).all() and encoder.cut == 1


def test_rows_of_one_group_do_not_narrow_the_interval():
    values = (np.random.default_rng(3).random(200) < 0.4).astype(float)
    single = interval(values)
    assert grouped_interval(values, np.arange(200)) == pytest.approx(single, abs=0.015)
    tripled = grouped_interval(np.repeat(values, 3), np.repeat(np.arange(200), 3))
    assert tripled == pytest.approx(single, abs=0.015)


def test_a_paired_test_sees_what_two_intervals_side_by_side_do_not():
    rng = np.random.default_rng(0)
    control = (rng.random(400) < 0.5).astype(float)
    better = control.copy()
    better[np.flatnonzero(control == 0)[:20]] = 1  # five points, all on items that the control gets wrong
    ours, theirs = ({"group": outcome(values)} for values in (better, control))
    apart = [summarize_outcomes(scores)["all"]["group"] for scores in (ours, theirs)]
    assert apart[0]["low"] < apart[1]["high"]
    found = compare_to_control(ours, theirs)["all"]["group"]
    assert found["value"] == pytest.approx(5) and found["low"] > 0 and found["mark"] == "better" and found["p"] < 0.01
    assert compare_to_control(theirs, ours)["all"]["group"]["mark"] == "worse"
    assert compare_to_control(ours, ours)["all"]["group"] == {
        "value": 0,
        "low": 0,
        "high": 0,
        "n": 400,
        "p": 1.0,
        "mark": "",
    }


def test_models_that_do_not_differ_are_marked_as_rarely_as_the_level_says():
    rng = np.random.default_rng(5)
    marked, small = 0, 0
    for _ in range(120):
        first, second = ({"group": outcome(rng.random(100) < 0.5)} for _ in range(2))
        found = compare_to_control(first, second)["all"]["group"]
        marked += found["mark"] != ""
        small += found["p"] < 0.05
    assert marked <= 0.12 * 120 and small <= 0.12 * 120


def test_a_lower_brittleness_is_better_and_other_items_cannot_be_compared():
    ones, zeros = ({"brittleness": outcome(np.full(50, value))} for value in (1.0, 0.0))
    assert compare_to_control(zeros, ones)["all"]["brittleness"]["mark"] == "better"
    with pytest.raises(ValueError, match=r"different items \(50 and 49\)"):
        compare_to_control(zeros, {"brittleness": outcome(np.zeros(49))})


def test_seeds_are_joined_on_the_same_items_and_widen_the_difference():
    rng = np.random.default_rng(0)
    seeds = [{"group": outcome(rng.random(300) < rate)} for rate in (0.4, 0.8)]
    joined = join_seeds(seeds)
    assert joined["group"].values.shape == (2, 300)
    one, two = (
        compare_to_control(run, {"group": outcome(np.zeros(300))})["all"]["group"] for run in (seeds[0], joined)
    )
    assert two["high"] - two["low"] > 2 * (one["high"] - one["low"])
    with pytest.raises(ValueError, match=r"not run on the same items, \[300, 299\]"):
        join_seeds([seeds[0], {"group": outcome(np.zeros(299))}])


@pytest.mark.parametrize(
    ("groups", "photos"), [(["color", "size", "size"], [0, 1, 2]), (["color", "color", "size"], [0, 0, 1])]
)
def test_as_many_items_of_other_groups_or_photos_are_neither_compared_nor_joined(groups, photos):
    first = Outcome(np.ones(3), np.array(["color", "color", "size"]), np.arange(3))
    other = Outcome(np.ones(3), np.array(groups), np.array(photos))
    with pytest.raises(ValueError, match="different items"):
        compare_to_control({"group": first}, {"group": other})
    with pytest.raises(ValueError, match="not run on the same items"):
        join_seeds([{"group": first}, {"group": other}])


def test_the_p_value_is_never_zero_and_one_without_a_difference():
    assert p_value(np.ones(999)) == pytest.approx(2 / 1000) and p_value(np.zeros(999)) == 1.0


def test_models_can_be_named_and_have_seeds():
    assert parse_models(["a", "b=c", "d=e,f"]) == {"a": ["a"], "b": ["c"], "d": ["e", "f"]}


def test_results_can_be_written_as_json_and_read_again():
    results = summarize_outcomes({"group": outcome([1, 0, 1], ["a", "a", "b"])})
    assert json.loads(json.dumps(results)) == results and results["a"]["group"]["value"] == 50


def test_chunks_hold_no_more_scores_than_asked(monkeypatch):
    blocks = []
    count = retrieval._count_at_least
    monkeypatch.setattr(retrieval, "_count_at_least", lambda *args: blocks.append(args[0].size) or count(*args))
    vectors = np.eye(30, dtype=np.float32)
    retrieval_ranks(vectors, np.repeat(vectors, 5, axis=0), np.repeat(np.arange(30), 5), chunk=1000)
    assert len(blocks) > 4 and max(blocks) <= 1000 and sum(blocks) == 2 * 30 * 30  # distinct texts, both directions


@pytest.mark.parametrize("make", [small_metaclip, small_siglip, small_siglip2])
def test_other_dual_encoders_are_evaluated_as_their_own_forward_pass_says(processor, pairs, make):
    model, processor = make(processor.tokenizer).eval(), processor_for(make, processor)
    task = pairs_task("pairs", pairs.select(range(4)))
    plain = [item["scores"] for item in task.run(Encoder(model, processor)).items]
    prepared = [item["scores"] for item in task.run(Encoder(model, processor, "auto")).items]
    for pair, first, second in zip(pairs, plain, prepared, strict=False):
        images = encode_images(model, processor, [pair["coco_image"], pair["inpaint_image"]])
        texts = torch.cat([encode_texts(model, processor, [pair[f"{name}_caption"]]) for name in ("coco", "inpaint")])
        expected = (images @ texts.T).flatten().tolist()
        assert first == pytest.approx(expected, abs=1e-5) and second == pytest.approx(expected, abs=1e-5)
