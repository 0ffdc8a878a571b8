import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_hardneg.lexicon.index import SwapClass, load_index
from hf_hardneg.negatives.add_negatives import fit_slot_model
from hf_hardneg.negatives.slot_model import (
    PRIOR,
    STRENGTHS,
    SlotModel,
    add_counts,
    balanced_rates,
    count_contexts,
    tabulate_slots,
)
from hf_hardneg.negatives.slots import analyze


CAPTIONS = ["a red car", "a red bus", "a blue car", "the blue car", "an orange cat", "a red car", "red"]


def batch(captions):
    blank = [[]] * len(captions)
    return {"caption": list(captions), "image_id": range(len(captions)), "other_captions": blank, "categories": blank}


def reference(captions, i, forms):
    """p(color | context) of the first word or the second of caption i by the formulas, one dictionary at a time."""
    rows = []
    for j, caption in enumerate(captions):
        words = ["", "", *["a" if word == "an" else word for word in caption.split()], "", ""]
        at = next(k for k, word in enumerate(words) if word in forms)
        rows.append((j, words[at], (words[at - 2], words[at - 1], words[at + 1], words[at + 2])))
    mine = rows[i][2]

    def counts(places):
        key = [mine[p] for p in places]
        return {f: sum(w == f and [a[p] for p in places] == key for j, w, a in rows if j != i) for f in forms}

    def back_off(count, back, strength):
        weight = strength * sum(n > 0 for n in count.values())
        total = sum(count.values()) + weight
        return {f: (count[f] + weight * back[f]) / total if total else back[f] for f in forms}

    seen = {f: sum(w == f for _, w, _ in rows) for f in forms}
    prior = {f: seen[f] + PRIOR - (f == rows[i][1]) if seen[f] else 0 for f in forms}
    prior = {f: p / sum(prior.values()) for f, p in prior.items()}
    left = back_off(counts((0, 1)), back_off(counts((1,)), prior, STRENGTHS[0]), STRENGTHS[1])
    right = back_off(counts((2, 3)), back_off(counts((2,)), prior, STRENGTHS[2]), STRENGTHS[3])
    product = {f: left[f] * right[f] / prior[f] if prior[f] else 0 for f in forms}
    product = {f: p / sum(product.values()) for f, p in product.items()}
    return back_off(counts((1, 2)), product, STRENGTHS[4])


def test_probabilities_are_those_of_the_slow_reference():
    index = load_index(("color",))
    model = fit_slot_model([batch(CAPTIONS)], ("color",))
    slots = tabulate_slots(analyze(CAPTIONS, index))
    p = model.probabilities(0, model.look_up(slots), slots.form)
    forms = index.classes[0].forms
    for i in range(len(CAPTIONS)):
        assert p[i] == pytest.approx(list(reference(CAPTIONS, i, forms).values()))


def test_a_model_that_saw_nothing_finds_all_forms_alike():
    index = load_index(("color",))
    slots = tabulate_slots(analyze(["a red car"], index))
    model = SlotModel.empty(index)
    assert np.ptp(model.probabilities(0, model.look_up(slots), slots.form)) == 0


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_counts_of_parts_add_up_to_the_counts_of_the_whole(order):
    index = load_index()
    parts = [CAPTIONS[:2], CAPTIONS[2:3], CAPTIONS[3:]]
    whole = count_contexts(tabulate_slots(analyze(CAPTIONS, index)))
    added = add_counts([count_contexts(tabulate_slots(analyze(parts[i], index))) for i in order])
    assert all((a == b).all() for a, b in zip(whole, added, strict=True))


def test_a_saved_model_is_the_same_and_another_vocabulary_is_refused(tmp_path):
    model = fit_slot_model([batch(CAPTIONS)])
    model.save(tmp_path, load_index())
    again = SlotModel.load(tmp_path, load_index())
    assert all((a == b).all() for a, b in zip(model.counts, again.counts, strict=True))
    for name in ("totals", "tried", "passed"):
        assert all((a == b).all() for a, b in zip(getattr(model, name), getattr(again, name), strict=True))
    with pytest.raises(ValueError, match="another vocabulary"):
        SlotModel.load(tmp_path, load_index(("color",)))
    with pytest.raises(ValueError, match="no slot model that can be used"):
        SlotModel.load(tmp_path / "nothing", load_index())


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 5), st.sampled_from([1.0, 1.4]))
def test_flow_is_the_same_in_both_directions_and_within_its_share(seed, share, temperature):
    rng = np.random.default_rng(seed)
    size = 5
    p = rng.dirichlet(np.full(size, 0.3))
    opposed = np.triu(rng.integers(0, 2, (size, size)), 1)
    of_class = SwapClass("x", list("abcde"), (opposed + opposed.T).astype(float), np.zeros((size, 1)))
    rates, ratios = balanced_rates(np.tile(p, (size, 1)), np.arange(size), of_class, np.full(size, share), temperature)
    flat = p ** (1 / temperature) / (p ** (1 / temperature)).sum()
    flow = flat[:, None] * rates
    assert flow == pytest.approx(flow.T, abs=1e-9)
    assert (rates <= 1).all() and (rates.sum(-1) <= share + 1e-9).all()
    assert (rates[of_class.opposed == 0] == 0).all()
    if flat.min() > 1e-6:  # far above the grain to which probabilities are rounded
        assert ratios[0, 1] == pytest.approx(flat[1] / flat[0], rel=1e-3)


def test_a_tied_word_is_replaced_only_by_what_captions_have_in_its_company():
    captions = ["a coin purse", "a coin bag", "a wooden basket", "a jar of honey", "a mug of honey", "a mug of water"]
    index = load_index()
    model = fit_slot_model([batch(captions)])
    slots = tabulate_slots(analyze(["a coin purse", "a jar of honey"], index))
    fitting = []
    for i, c in enumerate(slots.of_class.tolist()):
        one = slots._replace(**{name: column[i : i + 1] for name, column in slots._asdict().items()})
        fits = model.forms_beside_ties(c, model.look_up(one), one.form, one.ties)
        fitting.append({form for form, fit in zip(index.classes[c].forms, fits[0], strict=True) if fit})
    assert fitting == [{"purse", "bag"}, {"jar", "mug"}]
