import numpy as np
import pytest
import torch

from hf_hardneg.columns import with_negatives
from hf_hardneg.model import image_cache
from hf_hardneg.model.encoding import encode_images
from hf_hardneg.model.image_cache import add_image_embeddings, vision_digest
from hf_hardneg.negatives.add_negatives import AddHardNegatives
from hf_hardneg.scenes.world import scene_rows


@pytest.fixture
def rows():
    rows = scene_rows("image cache", 6)
    return rows.select([0, 1, 1, 2, 3, 0, 4, 5])  # two images have two captions


def forbid(*args, **kwargs):
    raise AssertionError("the vision tower ran")


def test_each_row_gets_the_embedding_of_its_image_and_each_image_is_encoded_once(model, processor, rows, monkeypatch):
    encoded = []

    def count(model, processor, images, projected):
        encoded.extend(images)
        return encode_images(model, processor, images, projected)

    monkeypatch.setattr(image_cache, "encode_images", count)
    embedded = add_image_embeddings(rows, model, processor)
    assert len(encoded) == 6
    expected = encode_images(model, processor, rows["image"]).numpy()
    np.testing.assert_allclose(np.array(embedded["image_embeds"][:]), expected, atol=1e-6)
    assert embedded["caption"][:] == rows["caption"][:]


def test_a_second_run_takes_them_from_the_cache_unless_the_vision_tower_changed(model, processor, rows, monkeypatch):
    first = add_image_embeddings(rows, model, processor)
    monkeypatch.setattr(image_cache, "encode_images", forbid)
    with torch.no_grad():
        model.text_projection.weight.add_(1.0)  # the text side does not matter
    assert add_image_embeddings(rows, model, processor)["image_embeds"][:] == first["image_embeds"][:]
    with torch.no_grad():
        model.visual_projection.weight.add_(1.0)
    with pytest.raises(AssertionError, match="the vision tower ran"):
        add_image_embeddings(rows, model, processor)


def test_the_digest_knows_the_pictures_preparation(model, processor):
    before = vision_digest(model, processor)
    mean = processor.image_processor.image_mean
    processor.image_processor.image_mean = [0.1, 0.1, 0.1]
    try:
        assert vision_digest(model, processor) != before
    finally:
        processor.image_processor.image_mean = mean
    assert vision_digest(model, processor) == before


def test_text_only_training_never_runs_the_vision_tower_and_moves_the_text_tower_alone(
    model, processor, rows, make_trainer
):
    from hf_hardneg.model.adapters import freeze_towers

    rows = rows.map(AddHardNegatives(num_negatives=2), batched=True, features=with_negatives(rows.features))
    embedded = add_image_embeddings(rows, model, processor)
    trainer = make_trainer(model, rows=embedded, max_steps=2)
    freeze_towers(model, ["vision"])
    before = {name: weights.detach().clone() for name, weights in model.named_parameters()}
    model.vision_model.register_forward_pre_hook(forbid)
    trainer.train()
    changed = {name for name, weights in model.named_parameters() if not torch.equal(weights, before[name])}
    assert changed and all(name.startswith("text_") or name == "logit_scale" for name in changed)


@pytest.mark.parametrize("projected", [True, False])
def test_one_step_on_embeddings_is_one_step_on_images_with_a_frozen_tower(
    processor, rows, make_trainer, start, projected
):
    from transformers import CLIPModel

    from hf_hardneg.model.adapters import freeze_towers, unfreeze_visual_projection

    rows = rows.map(AddHardNegatives(num_negatives=2), batched=True, features=with_negatives(rows.features))
    models = [CLIPModel.from_pretrained(start) for _ in range(2)]
    embedded = add_image_embeddings(rows, models[0], processor, projected)
    for of_run, model in zip((rows, embedded), models, strict=True):
        trainer = make_trainer(model, rows=of_run, max_steps=1, learning_rate=0.1, optim="sgd", max_grad_norm=0)
        freeze_towers(model, ["vision"])
        if not projected:
            unfreeze_visual_projection(model)
        before = model.visual_projection.weight.detach().clone()
        trainer.train()
        assert model.visual_projection.weight.equal(before) == projected
    for (name, one), other in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4, msg=name)


def test_rows_without_images_are_refused_by_name(model, processor, rows):
    with pytest.raises(ValueError, match=r"lack \['image'\]"):
        add_image_embeddings(rows.remove_columns("image"), model, processor)
