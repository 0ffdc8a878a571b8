"""Scores with images of other items: what a model knows by reading."""

import logging
from dataclasses import dataclass

import numpy as np
import pytest
from helpers.table_encoder import TableEncoder
from hypothesis import given
from hypothesis import strategies as st

from hf_hardneg.evaluation.choice_scores import choice_outcomes
from hf_hardneg.evaluation.outcomes import Outcome
from hf_hardneg.evaluation.results import compare_to_control, mean_scores, summarize_outcomes
from hf_hardneg.evaluation.tasks import ONE_TRUE_IMAGE, ONE_TRUE_TEXT, PAIR, TWO_TRUE_TEXTS, ChoiceTask
from hf_hardneg.evaluation.wrong_image import REPEATS, wrong_items


@dataclass(frozen=True)
class NamedImage:
    key: str
    photo: str

    @property
    def name(self):
        return self.key


def make_task(belongs, items, photos, texts=None):
    """A task whose item i shows photo i % photos, with texts of its own."""
    task = ChoiceTask("made", belongs)
    n, m = belongs.shape
    for i in range(items):
        images = [NamedImage(f"image {i % photos} {j}", f"photo {i % photos}") for j in range(n)]
        task.add("color" if i % 3 else "size", str(i), images, [f"text {i} {j}" for j in range(texts or m)])
    return task


def random_encoder(task, seed=0, size=6):
    rng = np.random.default_rng(seed)

    def units(names):
        rows = rng.normal(size=(len(names), size))
        return dict(zip(names, (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), strict=True))

    return TableEncoder(units(list(task.images)), units(list(task.texts)))


def slow_control(task, encoder, repeats=REPEATS):
    """The control by a loop over items and repetitions, one choice at a time."""
    photos = [task.images[keys[0]].photo for keys in task.item_images]
    numbers = {photo: i for i, photo in enumerate(dict.fromkeys(photos))}
    wrong = wrong_items(np.array([numbers[photo] for photo in photos]), repeats)
    names, values = list(task.texts), {}
    for i, others in enumerate(wrong.tolist()):
        sums = {}
        for other in others:
            if len(task.belongs) == 1:
                images, texts = task.item_images[other], task.item_texts[i]
            else:
                images, texts = task.item_images[i], task.item_texts[other]
            scores = [
                [float(encoder._images[key].astype(float) @ encoder._texts[names[text]]) for text in texts]
                for key in images
            ]
            for name, value in choice_outcomes(np.array([scores]), task.belongs[:, : len(texts)]).items():
                sums[name] = sums.get(name, 0) + float(value[0])
        for name, total in sums.items():
            values.setdefault(name, []).append(total / len(others))
    return {name: np.array(column) for name, column in values.items()}


@pytest.mark.parametrize(
    ("belongs", "name", "wrong", "gain"),
    [
        (ONE_TRUE_TEXT, "image_to_text", "_wrong_image", "_by_looking"),
        (np.array([[True, False, False, False]]), "image_to_text", "_wrong_image", "_by_looking"),
        (TWO_TRUE_TEXTS, "image_to_text", "_wrong_image", "_by_looking"),
        (TWO_TRUE_TEXTS, "original", "_wrong_image", "_by_looking"),
        (ONE_TRUE_IMAGE, "text_to_image", "_wrong_text", "_by_reading"),
    ],
)
@pytest.mark.parametrize("photos", [4, 40])
def test_the_control_equals_a_slow_loop_to_the_last_item(belongs, name, wrong, gain, photos):
    task = make_task(belongs, 60, photos)
    encoder = random_encoder(task)
    scores = task.run(encoder).scores
    expected = slow_control(task, encoder)[name]
    np.testing.assert_allclose(scores[name + wrong].values, expected, atol=1e-12)
    np.testing.assert_allclose(scores[name + gain].values, scores[name].values - expected, atol=1e-12)
    assert scores[name + wrong].chance == scores[name].chance and scores[name + gain].chance == 0


def test_items_with_fewer_false_texts_have_a_control_too():
    task = make_task(np.array([[True, False, False]]), 20, 20, texts=2)
    encoder = random_encoder(task)
    expected = slow_control(task, encoder)["image_to_text"]
    np.testing.assert_allclose(task.run(encoder).scores["image_to_text_wrong_image"].values, expected, atol=1e-12)


def test_a_model_that_ignores_its_image_scores_the_same_with_the_wrong_one():
    task = make_task(ONE_TRUE_TEXT, 50, 25)
    encoder = random_encoder(task)
    encoder._images = dict.fromkeys(encoder._images, next(iter(encoder._images.values())))
    scores = task.run(encoder).scores
    np.testing.assert_array_equal(scores["image_to_text_wrong_image"].values, scores["image_to_text"].values)
    assert not scores["image_to_text_by_looking"].values.any()


def test_a_perfect_model_falls_to_chance_with_the_wrong_image():
    items = 400
    task = make_task(ONE_TRUE_TEXT, items, items)
    encoder = random_encoder(task, size=64)
    for i in range(items):
        encoder._texts[f"text {i} 0"] = encoder._images[f"image {i} 0"]
    scores = mean_scores(task.run(encoder).scores)["macro"]
    assert scores["image_to_text"] == 100
    assert scores["image_to_text_wrong_image"] == pytest.approx(50, abs=4)


def test_two_images_need_no_control_since_both_sides_are_as_often_right_as_wrong():
    scores = make_task(PAIR, 10, 10)
    assert not [name for name in scores.run(random_encoder(scores)).scores if "wrong" in name or "by_" in name]


def test_one_photo_is_too_few_and_one_sentence_says_so(caplog):
    task = make_task(ONE_TRUE_TEXT, 3, 1)
    with caplog.at_level(logging.WARNING):
        assert set(task.run(random_encoder(task)).scores) == {"image_to_text"}
    assert "all items show one photo" in caplog.text


@given(st.lists(st.integers(0, 8), min_size=1, max_size=30), st.integers(1, 20))
def test_an_item_never_gets_its_own_photo_nor_another_one_twice(photos, repeats):
    photos = np.array(photos)
    wrong = wrong_items(photos, repeats)
    distinct = len(set(photos.tolist()))
    assert wrong.shape == (len(photos), min(repeats, distinct - 1))
    assert (photos[wrong] != photos[:, None]).all()
    assert all(len(set(row)) == len(row) for row in photos[wrong].tolist())
    assert all(len(set(column)) == distinct for column in photos[wrong].T.tolist())  # each photo serves another


def test_the_difference_has_a_paired_interval_and_the_wrong_image_is_neither_better_nor_worse():
    groups, clusters = np.full(200, "color"), np.arange(200)
    right = np.tile([1.0, 0.0], 100)
    outcomes = {
        "image_to_text": Outcome(right, groups, clusters),
        "image_to_text_wrong_image": Outcome(right, groups, clusters),
        "image_to_text_by_looking": Outcome(right - right, groups, clusters, 0.0),
    }
    score = summarize_outcomes(outcomes)["color"]["image_to_text_by_looking"]
    assert (score["value"], score["low"], score["high"]) == (0, 0, 0)  # unpaired, it would be about 14 points wide
    control = {name: Outcome(one.values * 0, groups, clusters) for name, one in outcomes.items()}
    differences = compare_to_control(outcomes, control)["color"]
    assert differences["image_to_text"]["mark"] == "better" and differences["image_to_text_wrong_image"]["mark"] == ""
