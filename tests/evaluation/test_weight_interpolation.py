"""Weight-space interpolation: the curve, the choice on dev photos alone, and the model that is saved."""

import json

import numpy as np
import pytest
import torch
from helpers.benchmark_fixtures import make_benchmark
from transformers import CLIPModel, CLIPProcessor

from hf_hardneg.cli import main
from hf_hardneg.evaluation import weight_interpolation as module
from hf_hardneg.evaluation.benchmarks import load_benchmark
from hf_hardneg.evaluation.tasks import ChoiceTask
from hf_hardneg.evaluation.weight_interpolation import ALPHAS, choose_alpha, is_dev, main_score, mix_weights
from hf_hardneg.model.encoding import Encoder
from hf_hardneg.training.make_start_model import build_model


@pytest.fixture
def tuned(processor, tmp_path):
    """Another random model of the same shape, and its processor."""
    folder = tmp_path / "tuned"
    build_model(processor.tokenizer, seed=1, num_hidden_layers=1).save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def benchmarks(tmp_path):
    return [make_benchmark(name, tmp_path / name) for name in ("winoground", "coco", "zero_shot")]


def test_half_way_is_the_mean_of_all_weights_and_the_ends_are_the_models(start, tuned):
    first, second = CLIPModel.from_pretrained(start), CLIPModel.from_pretrained(tuned)
    for alpha, expected in ((0, first), (1, second)):
        mixed = mix_weights(first, second, alpha)
        assert all(torch.equal(mixed[name], weight) for name, weight in expected.state_dict().items())
    half, others = mix_weights(first, second, 0.5), second.state_dict()
    for name, weight in first.state_dict().items():
        if weight.is_floating_point():
            torch.testing.assert_close(half[name], (weight + others[name]) / 2)


def test_models_of_other_shapes_are_refused(start, processor):
    other = build_model(processor.tokenizer, num_hidden_layers=2)
    with pytest.raises(ValueError, match="different weights"):
        mix_weights(CLIPModel.from_pretrained(start), other, 0.5)


def test_the_command_saves_the_curve_and_a_plain_model_that_scores_as_the_curve_says(
    start, tuned, benchmarks, tmp_path, capsys
):
    out = tmp_path / "out"
    main(["interpolate", start, tuned, "--out", str(out), "--max_loss", "100", "--benchmarks", *benchmarks])
    curve = json.loads((out / "curve.json").read_text())
    assert "chosen on dev" in capsys.readouterr().out and (out / "curve.png").stat().st_size > 10_000
    assert curve["gain_tasks"] == ["winoground"] and curve["retention_tasks"] == ["coco", "zero_shot"]
    assert (
        curve["chosen"] == ALPHAS[int(np.argmax(curve["dev"]["gain"]))]
        or curve["dev"]["gain"].count(max(curve["dev"]["gain"])) > 1
    )
    model, processor = CLIPModel.from_pretrained(out), CLIPProcessor.from_pretrained(out)
    expected = mix_weights(CLIPModel.from_pretrained(start), CLIPModel.from_pretrained(tuned), curve["chosen"])
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(weight, expected[name], atol=0, rtol=0, msg=name)
    place = ALPHAS.index(curve["chosen"])
    for spec in benchmarks:
        for half, keep in (("dev", is_dev), ("test", lambda photo: not is_dev(photo))):
            task = load_benchmark(spec)[0].select(keep)
            score = main_score(task, Encoder(model.eval(), processor))
            assert curve[half]["tasks"][task.name][place] == pytest.approx(score)
    for side, names in (("gain", ["winoground"]), ("retention", ["coco", "zero_shot"])):
        mean = np.mean([curve["test"]["tasks"][name] for name in names], axis=0)
        assert curve["test"][side] == pytest.approx(mean.tolist())


def test_no_photo_is_in_both_halves_and_every_item_is_in_one(benchmarks):
    for spec in benchmarks:
        (task,) = load_benchmark(spec)
        dev, test = task.select(is_dev), task.select(lambda photo: not is_dev(photo))
        assert len(dev) + len(test) == len(task) and len(dev) and len(test)


def test_alpha_is_chosen_without_a_look_at_the_test_half(start, tuned, benchmarks, tmp_path, monkeypatch):
    """Whatever the test half says, the choice is the same."""
    chosen, tests = [], []
    for worst in (0.0, 100.0):
        monkeypatch.setattr(
            module, "main_score", lambda t, e, w=worst: main_score(t, e) if on_dev(t) else abs(w - main_score(t, e))
        )
        out = tmp_path / f"out{worst}"
        module.interpolate(start, tuned, out, benchmarks)
        curve = json.loads((out / "curve.json").read_text())
        chosen.append(curve["chosen"])
        tests.append(curve["test"]["gain"])
    assert chosen[0] == chosen[1] and tests[0] == pytest.approx([100 - value for value in tests[1]])


def on_dev(task):
    """Whether a task is the development half of one, by its first item."""
    if isinstance(task, ChoiceTask):
        return is_dev(task.images[task.item_images[0][0]].photo)
    images = [image for image, _ in task.images] if isinstance(task.images, list) else list(task.images.values())
    return is_dev(images[0].photo)


def test_the_greatest_gain_within_the_allowed_loss_is_chosen():
    gain, retention = [10, 30, 50, 60], [80, 80.5, 79.2, 70]
    assert choose_alpha([0, 0.3, 0.6, 1], gain, retention, max_loss=1.0) == 0.6
    assert choose_alpha([0, 0.3, 0.6, 1], gain, retention, max_loss=0.5) == 0.3
    assert choose_alpha([0, 0.3, 0.6, 1], gain, retention, max_loss=20) == 1
    assert choose_alpha([0, 1], [50, 40], [80, 90], max_loss=0) == 0


def test_benchmarks_that_measure_one_side_only_are_refused(start, tuned, benchmarks, tmp_path):
    for specs in (benchmarks[:1], benchmarks[1:]):
        with pytest.raises(ValueError, match="measure only one side"):
            module.interpolate(start, tuned, tmp_path / "out", specs)
