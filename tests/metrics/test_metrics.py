"""The metrics as `evaluate` loads them, from a folder and without a network."""

import doctest
import importlib.util
import socket

import evaluate
import numpy as np
import pytest

from hf_hardneg.evaluation.choice_scores import choice_outcomes
from hf_hardneg.metrics import metric_folder


NAMES = ("pair_choices", "retrieval_recall", "negatives_accuracy")


@pytest.fixture
def load(tmp_path, monkeypatch):
    """`evaluate.load` of a metric's folder, with its caches in a folder of the test and no network."""

    def forbid(*args, **kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "getaddrinfo", forbid)
    return lambda name: evaluate.load(metric_folder(name), cache_dir=str(tmp_path))


def test_an_unknown_metric_names_those_there_are():
    with pytest.raises(ValueError, match="known are negatives_accuracy, pair_choices, retrieval_recall"):
        metric_folder("accuracy")


@pytest.mark.parametrize("name", NAMES)
def test_metrics_are_documented_and_their_examples_run(load, name):
    metric = load(name)
    assert metric.description and metric.citation and "Returns:" in metric.inputs_description
    spec = importlib.util.spec_from_file_location(name, f"{metric_folder(name)}/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    test = doctest.DocTestParser().get_doctest(module._KWARGS_DESCRIPTION, {}, name, None, 0)
    assert len(test.examples) >= 4 and doctest.DocTestRunner().run(test).failed == 0


def test_pair_choices_are_those_of_the_evaluation(load):
    scores = np.random.default_rng(0).normal(size=(50, 2, 2))
    results = load("pair_choices").compute(predictions=scores.tolist(), references=["color", "size"] * 25)
    for name, values in choice_outcomes(scores, np.eye(2, dtype=bool)).items():
        assert results[name] == pytest.approx(100 * values.mean())
        assert results[f"{name}_size"] == pytest.approx(100 * values[1::2].mean())


def test_batches_can_be_added(load):
    metric = load("pair_choices")
    for concept in ("color", "size"):
        metric.add_batch(predictions=[[[1.0, 0.0], [0.0, 1.0]]], references=[concept])
    assert metric.compute()["group"] == 100.0


def test_inputs_that_disagree_are_refused(load):
    with pytest.raises(ValueError, match="exactly one image"):
        load("retrieval_recall").compute(predictions=[[0.1, 0.2], [0.3, 0.4]], references=[[0], [0]])
    with pytest.raises(ValueError, match="2 scores and 2 concepts"):
        load("negatives_accuracy").compute(predictions=[[0.1, 0.2]], references=[["color", "size"]])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("pair_choices", {"predictions": [[[1.0, 0.0], [0.0, None]]], "references": ["color"]}),
        ("retrieval_recall", {"predictions": [[1.0, 0.0], [0.0, None]], "references": [[0], [1]]}),
        ("negatives_accuracy", {"predictions": [[1.0, None]], "references": [["color"]]}),
    ],
)
def test_scores_that_are_not_finite_are_refused_and_never_perfect(load, name, inputs, bad):
    """All-nan scores gave R@1 100 and group 100."""

    def spoil(value, everywhere):
        if isinstance(value, list):
            return [spoil(one, everywhere) for one in value]
        return bad if everywhere or value is None else value

    for everywhere, count in ((False, r"1 of \d+"), (True, r"(\d+) of \1")):
        spoiled = inputs | {"predictions": spoil(inputs["predictions"], everywhere)}
        with pytest.raises(ValueError, match=rf"{count} scores are nan or infinite.*fp16.*diverged"):
            load(name).compute(**spoiled)


def test_ragged_and_empty_inputs_are_refused(load):
    with pytest.raises(ValueError, match="the same n x m"):
        load("pair_choices").compute(predictions=[[[1.0, 0.0]], [[1.0]]], references=["a", "b"])
    with pytest.raises(ValueError, match="as many numbers as there are texts"):
        load("retrieval_recall").compute(predictions=[[0.1, 0.2], [0.3]], references=[[0], [1]])


@pytest.mark.parametrize("k", [-1, 0, 2.5])
def test_a_cut_off_is_a_whole_number_from_one_on(load, k):
    with pytest.raises(ValueError, match="a cut-off is a whole number, 1 or more"):
        load("retrieval_recall").compute(predictions=[[0.3, 0.1], [0.1, 0.2]], references=[[0], [1]], ks=[1, k])
