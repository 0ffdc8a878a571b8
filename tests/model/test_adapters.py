import pytest
import torch
from peft import PeftModel
from transformers import CLIPModel, CLIPProcessor

from hf_hardneg.model.adapters import add_lora, freeze_towers, merge_lora


def trainable(model):
    return {name for name, weights in model.named_parameters() if weights.requires_grad}


@pytest.mark.parametrize(("tower", "projection"), [("vision", "visual_projection"), ("text", "text_projection")])
def test_a_frozen_tower_keeps_its_projection_too_and_leaves_the_rest(model, tower, projection):
    every = trainable(model)
    freeze_towers(model, [tower])
    frozen = every - trainable(model)
    assert frozen == {name for name in every if name.startswith((f"{tower}_model.", projection))}
    assert "logit_scale" in trainable(model)


@pytest.mark.parametrize("towers", [("vision",), ("text",), ("vision", "text")])
def test_lora_trains_matrices_of_the_named_towers_alone(model, towers):
    adapted = add_lora(model, towers, rank=2)
    names = trainable(adapted)
    assert names and all("lora_" in name for name in names)
    assert {name.split("_model.encoder")[0].split(".")[-1] for name in names} == set(towers)
    per_tower = {t: sum(f"{t}_model" in n for n in names) for t in towers}
    layers = {"vision": len(model.vision_model.encoder.layers), "text": len(model.text_model.encoder.layers)}
    assert per_tower == {t: 2 * 6 * layers[t] for t in towers}  # A and B of q, k, v, out, fc1, fc2


def test_a_merged_model_is_plain_and_embeds_as_the_adapted_one_that_goes_on_training(model, processor):
    adapted = add_lora(model, rank=2)
    with torch.no_grad():
        for name, weights in adapted.named_parameters():
            if "lora_B" in name:
                weights.normal_(std=0.1)
    inputs = processor(text=["A red car."], images=[torch.zeros(3, 48, 48)], return_tensors="pt")
    plain = merge_lora(adapted)
    assert type(plain) is CLIPModel and not any("lora" in name for name in plain.state_dict())
    with torch.no_grad():
        ours, theirs = (m(**inputs).text_embeds for m in (adapted.eval(), plain.eval()))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    assert isinstance(adapted, PeftModel) and trainable(adapted)
    assert merge_lora(plain) is plain


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: add_lora(model, ["audio"]), r"towers are \['audio'\]; name one or both of"),
        (lambda model: add_lora(model, []), r"towers are \[\]"),
        (lambda model: add_lora(model, rank=0), "rank is 0; it must be 1 or more"),
        (lambda model: freeze_towers(model, ["sound"]), r"towers are \['sound'\]"),
        (lambda model: freeze_towers(model.text_model, ["vision"]), "has no vision_model; its parts are"),
    ],
)
def test_what_cannot_be_adapted_is_named(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)


def test_a_lora_run_saves_a_plain_model_and_the_adapter_beside_it(model, start, make_trainer, tmp_path, pairs):
    from hf_hardneg.evaluation.pairs import score_pairs

    adapted = add_lora(model, ["text"], rank=2, dropout=0.1)
    before = {name: weights.detach().clone() for name, weights in adapted.named_parameters()}
    # At five times this rate, both captions of a pair become one, and rounding decides which is nearer to an image.
    trainer = make_trainer(adapted, learning_rate=0.01, max_steps=4)
    trainer.train()
    changed = {name for name, weights in adapted.named_parameters() if not torch.equal(weights, before[name])}
    assert changed == {name for name in before if "lora_" in name}
    saved = tmp_path / "saved"
    trainer.save_model(str(saved))
    processor = CLIPProcessor.from_pretrained(saved)
    again = CLIPModel.from_pretrained(saved)
    with_adapter = PeftModel.from_pretrained(CLIPModel.from_pretrained(start), saved / "adapter")
    scores = [score_pairs(m, processor, pairs) for m in (adapted, again, with_adapter)]
    first = scores[0]
    assert all((first[n].values == other[n].values).all() for other in scores[1:] for n in first)
    texts = processor(text=["A red car."], return_tensors="pt")
    with torch.no_grad():
        ours, theirs, start_ones = (
            m.get_text_features(**texts).pooler_output
            for m in (again.eval(), with_adapter.eval(), CLIPModel.from_pretrained(start))
        )
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    assert (ours - start_ones).abs().max() > 1e-3
    assert trainer.model is adapted
