import copy
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image

from hf_hardneg.model import encoding
from hf_hardneg.model.encoding import Encoder
from hf_hardneg.model.image_features import TowerFeatures, vision_digest
from hf_hardneg.scenes.world import scene_rows


@dataclass(frozen=True)
class OpenImage:
    key: object
    image: Image.Image

    def read(self):
        return self.image


@pytest.fixture
def images():
    return [OpenImage(key, picture) for key, picture in enumerate(scene_rows("image features", 6)["image"])]


@pytest.fixture
def counted(monkeypatch):
    """How many images went through a vision tower."""
    count = []
    embed = encoding._embed_inputs

    def embed_and_count(model, inputs, *rest):
        count.extend(inputs)
        return embed(model, inputs, *rest)

    monkeypatch.setattr(encoding, "_embed_inputs", embed_and_count)
    return count


def with_other_projections(model):
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.visual_projection.weight.mul_(-2.0).add_(0.1)
        other.text_projection.weight.add_(1.0)
    return other


@pytest.mark.parametrize("layout", ["padded", "auto"])
def test_a_model_with_the_same_tower_gets_its_own_embeddings_without_running_it(
    model, processor, images, counted, layout
):
    other = with_other_projections(model)
    expected = [Encoder(copy.deepcopy(one), processor, layout).images(images) for one in (model, other)]
    shared = TowerFeatures()
    counted.clear()
    got = [Encoder(one, processor, layout, shared).images(images) for one in (model, other)]
    assert len(counted) == len(images)
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert not np.allclose(got[0], got[1], atol=1e-2)


def change_weights(model, processor):
    with torch.no_grad():
        next(model.vision_model.parameters()).add_(0.01)


def change_activation(model, processor):
    model.config.vision_config.hidden_act = "relu"


def change_precision(model, processor):
    model.bfloat16()


@pytest.mark.parametrize("change", [change_weights, change_activation, change_precision])
def test_another_tower_runs_itself(model, processor, images, counted, change):
    shared = TowerFeatures()
    Encoder(model, processor, tower_features=shared).images(images)
    other = copy.deepcopy(model)
    change(other, processor)
    before = vision_digest(model, processor)
    assert vision_digest(other, processor) != before
    Encoder(other, processor, tower_features=shared).images(images)
    assert len(counted) == 2 * len(images)


def test_the_features_of_a_tower_do_not_change_when_its_model_gets_other_weights(model, processor, images):
    """Weight interpolation loads one mixture after the other into one model."""
    shared, other = TowerFeatures(), with_other_projections(model)
    change_weights(other, processor)
    expected = Encoder(copy.deepcopy(other), processor).images(images)
    Encoder(model, processor, tower_features=shared).images(images)
    model.load_state_dict(other.state_dict())
    np.testing.assert_allclose(Encoder(model, processor, tower_features=shared).images(images), expected, atol=1e-6)


def test_pixels_decide_what_is_the_same_image(model, processor, counted):
    shared = TowerFeatures()
    red, blue = (Image.new("RGB", (48, 48), color) for color in ("red", "blue"))
    Encoder(model, processor, tower_features=shared).images([OpenImage("a", red)])
    both = Encoder(model, processor, tower_features=shared).images([OpenImage("a", blue), OpenImage("b", red)])
    assert len(counted) == 2
    assert not np.allclose(both[0], both[1])
