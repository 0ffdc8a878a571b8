import numpy as np
import pytest
from helpers.captions import batch_of

from hf_hardneg.lexicon.index import load_index
from hf_hardneg.negatives.add_negatives import count_slots, fit_slot_model
from hf_hardneg.negatives.class_weights import ClassWeights
from hf_hardneg.negatives.slot_examples import MOST_EXAMPLES, SlotExamples
from hf_hardneg.negatives.slot_features import FOLDS, hash_images, tabulate_slots
from hf_hardneg.negatives.slot_model import SlotModel
from hf_hardneg.negatives.slots import analyze
from hf_hardneg.negatives.word_regression import PENALTY, fit_pairs, fit_words
from hf_hardneg.ragged import Ragged


COLORS = ("color",)


def slots_of(captions, index):
    return tabulate_slots(analyze(captions, index), hash_images(range(len(captions)), captions, [()] * len(captions)))


def color_probabilities(model, captions):
    index = load_index(COLORS)
    slots = slots_of(captions, index)
    p = model.probabilities(0, slots.features, slots.fold())
    return [dict(zip(index.classes[0].forms, row, strict=True)) for row in p]


def world(size, seed=0):
    """Captions whose color is decided by a word far from it: fires are red, seas blue; one in ten is not."""
    rng = np.random.default_rng(seed)
    captions = []
    for i in range(size):
        fire, odd = rng.integers(2), rng.random() < 0.1
        color = "red" if fire != odd else "blue"
        captions.append(f"a {color} thing number {i} of people who look at the {'fire' if fire else 'sea'}")
    return captions


def test_a_word_far_from_the_slot_decides_what_is_likely():
    captions = world(2000)
    model = fit_slot_model([batch_of(captions)], COLORS)
    by_fire, by_sea = color_probabilities(
        model, ["a red thing that people look at in the fire", "a red thing that people look at in the sea"]
    )
    assert by_fire["red"] == pytest.approx(0.9, abs=0.05)
    assert by_sea["red"] == pytest.approx(0.1, abs=0.05)


def test_a_caption_is_scored_by_a_model_that_has_not_seen_its_image():
    """A word that only the captions of one image have says nothing of them, however often they have it."""
    captions = [*world(400), *(f"a red thing beside a zyzzyva {i}" for i in range(50))]
    others = [[]] * 400 + [[caption for caption in captions[400:] if caption != one] for one in captions[400:]]
    batch = {"caption": captions, "other_captions": others}
    index = load_index(COLORS)
    model = fit_slot_model([batch], COLORS)
    images = hash_images(None, captions, others)
    slots = tabulate_slots(analyze(captions, index), images)
    assert len(set(images[400:].tolist())) == 1
    red = index.classes[0].forms.index("red")
    fold = slots.fold()[-1]
    scored = model.probabilities(0, slots.features.take(np.array([-1 % len(slots.row)])), np.array([fold]))[0, red]
    seen = model.probabilities(0, slots.features.take(np.array([-1 % len(slots.row)])), np.array([(fold + 1) % FOLDS]))
    assert scored < 0.7 < seen[0, red]


def test_a_model_that_saw_nothing_finds_all_forms_alike():
    [p] = color_probabilities(SlotModel.empty(load_index(COLORS)), ["a red car"])
    assert np.ptp(list(p.values())) == 0


def test_forms_that_no_caption_has_are_impossible():
    [p] = color_probabilities(fit_slot_model([batch_of(["a red car", "a blue car"])], COLORS), ["a red bus"])
    assert {form for form, value in p.items() if value > 0} == {"red", "blue"}
    assert sum(p.values()) == pytest.approx(1)


def test_the_regression_is_where_its_gradient_is_zero():
    from scipy.sparse import csr_matrix

    rng = np.random.default_rng(0)
    features = csr_matrix((rng.random((60, 5)) < 0.4).astype(np.float32))
    form, intercepts = rng.integers(0, 3, 60), np.log([0.5, 0.3, 0.2])
    found = fit_words(features, form, intercepts)
    scores = features @ found + intercepts
    p = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    gradient = features.T @ (p - np.eye(3)[form]) + PENALTY * found
    assert np.abs(gradient).max() < 0.05
    assert np.abs(features.T @ (np.exp(intercepts) - np.eye(3)[form])).max() > 1


def test_readers_find_the_log_odds_of_pairs():
    rng = np.random.default_rng(0)
    odds = np.array([1.0, -0.5])
    first = rng.normal(size=(20_000, 2))
    is_caption = rng.random(20_000) < 1 / (1 + np.exp(-first @ odds))
    assert fit_pairs(np.where(is_caption[:, None], first, -first)) == pytest.approx(odds, abs=0.05)


def reference_scores(weights, bag, fold):
    """Scores of one bag by the formula, one word at a time."""
    scores = weights.intercepts[fold].astype(float).copy()
    for word in bag:
        for i, key in enumerate(weights.keys):
            if key == word:
                scores += weights.coefficients[fold, i].astype(float)
    return scores


def test_scores_are_those_of_the_slow_reference():
    rng = np.random.default_rng(1)
    keys = np.sort(rng.choice(100, 12, replace=False)).astype(np.uint32)
    weights = ClassWeights(
        keys, rng.normal(size=(FOLDS, 12, 3)).astype(np.float16), rng.normal(size=(FOLDS, 3)).astype(np.float32)
    )
    bags = [rng.integers(0, 110, rng.integers(0, 9)).tolist() for _ in range(20)]
    fold = rng.integers(0, FOLDS, 20)
    expected = [reference_scores(weights, bag, k) for bag, k in zip(bags, fold, strict=True)]
    assert weights.scores(Ragged.of(bags, np.uint32), fold) == pytest.approx(np.array(expected), abs=1e-4)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_examples_of_parts_join_to_those_of_the_whole(order):
    index, captions = load_index(), world(60)
    batch = batch_of(captions)
    parts = [{name: column[part] for name, column in batch.items()} for part in np.s_[:20, 20:21, 21:]]
    whole = count_slots(batch, index)
    joined = SlotExamples.empty(index).join(count_slots(parts[i], index) for i in order)
    for name in ("beside", "of_class", "form", "image", "order", "fits"):
        assert np.array_equal(getattr(whole, name), getattr(joined, name)), name
    assert np.array_equal(whole.features.values, joined.features.values)


def test_of_a_class_only_so_many_examples_are_kept_and_all_are_counted(monkeypatch):
    monkeypatch.setattr("hf_hardneg.negatives.slot_examples.MOST_EXAMPLES", 50)
    captions = world(120)
    one = count_slots(batch_of(captions), load_index(COLORS))
    batch = batch_of(captions)
    halves = [
        count_slots({name: column[half] for name, column in batch.items()}, load_index(COLORS))
        for half in np.s_[:60, 60:]
    ]
    joined = SlotExamples.empty(load_index(COLORS)).join(halves)
    assert len(one.form) == len(joined.form) == 50 < MOST_EXAMPLES
    assert np.array_equal(one.order, joined.order)
    assert one.totals[0].sum() == joined.totals[0].sum() == 120


def test_a_saved_model_is_the_same_and_another_vocabulary_is_refused(tmp_path):
    captions = world(300)
    model = fit_slot_model([batch_of(captions)])
    model.save(tmp_path, load_index())
    again = SlotModel.load(tmp_path, load_index())
    slots = slots_of(captions, load_index())
    for c in set(slots.of_class.tolist()):
        rows = np.flatnonzero(slots.of_class == c)
        features, fold = slots.features.take(rows), slots.fold()[rows]
        assert np.array_equal(model.probabilities(c, features, fold), again.probabilities(c, features, fold))
    refitted = again.add([], load_index())
    assert all(np.array_equal(a.keys, b.keys) for a, b in zip(model.weights, refitted.weights, strict=True))
    with pytest.raises(ValueError, match="another vocabulary"):
        SlotModel.load(tmp_path, load_index(COLORS))
    with pytest.raises(ValueError, match="no slot model that can be used"):
        SlotModel.load(tmp_path / "nothing", load_index())


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("coefficients", lambda a: np.full_like(a, np.nan), "NaN"),
        ("keys", lambda a: a[::-1], "not sorted"),
        ("of_class", lambda a: a + 1000, "outside"),
        ("form", lambda a: a + 1000, "no forms of their class"),
        ("intercepts", lambda a: a[:-1], "holds"),
        ("totals", lambda a: a - 1000, "outside"),
        ("order", lambda a: a.astype(np.float32), "float32"),
        ("features_starts", lambda a: a[::-1].copy(), "starts|holds"),
    ],
)
def test_a_broken_model_is_refused_with_what_is_wrong(tmp_path, name, change, message):
    fit_slot_model([batch_of(world(100))], COLORS).save(tmp_path, load_index(COLORS))
    with np.load(tmp_path / "slot_model.npz") as archive:
        arrays = dict(archive)
    np.savez(tmp_path / "slot_model.npz", **{**arrays, name: change(arrays[name])})
    with pytest.raises(ValueError, match=message):
        SlotModel.load(tmp_path, load_index(COLORS))


def test_a_tied_word_is_replaced_only_by_what_captions_have_in_its_company():
    captions = ["a coin purse", "a coin bag", "a wooden basket", "a jar of honey", "a mug of honey", "a mug of water"]
    index = load_index()
    model = fit_slot_model([batch_of(captions)])
    slots = slots_of(["a coin purse", "a jar of honey"], index)
    fitting = []
    for i, c in enumerate(slots.of_class.tolist()):
        forms = index.classes[c].forms
        fits = model.tied_forms.fits(c, len(forms), slots.form[i : i + 1], slots.ties[i : i + 1], slots.tied_to[[i]])
        fitting.append({form for form, fit in zip(forms, fits[0], strict=True) if fit})
    assert fitting == [{"purse", "bag"}, {"jar", "mug"}]
