import copy

import pytest
import torch
from helpers.models import gray
from transformers import CLIPConfig, CLIPModel
from transformers.activations import QuickGELUActivation

from hf_hardneg.model.dual_encoder import find_text_format, take_collated_batches
from hf_hardneg.model.tower_layers import LeanQuickGELU, use_lean_activations
from hf_hardneg.training.collator import HardNegCollator


def test_the_lean_activation_is_clips_in_value_and_slope():
    states = torch.linspace(-30, 30, 601, dtype=torch.float64, requires_grad=True)
    ours, theirs = LeanQuickGELU()(states), QuickGELUActivation()(states)
    torch.testing.assert_close(ours, theirs)
    slopes = [torch.autograd.grad(value.sum(), states)[0] for value in (ours, theirs)]
    torch.testing.assert_close(*slopes)
    assert torch.autograd.gradcheck(LeanQuickGELU(), states[::40].detach().requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_lean_activation_keeps_its_type_and_one_tensor_for_the_way_back(dtype):
    kept = []
    states = torch.randn(4, 8, dtype=dtype, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda part: kept.append(part) or part, lambda part: part):
        assert LeanQuickGELU()(states).dtype == dtype
    assert len(kept) == 1


def test_only_clips_activation_is_replaced_and_weights_keep_their_names(model):
    quick = CLIPModel(CLIPConfig(text_config={"num_hidden_layers": 1}, vision_config={"num_hidden_layers": 1}))
    names = list(quick.state_dict())
    use_lean_activations(quick)
    assert sum(isinstance(module, LeanQuickGELU) for module in quick.modules()) == 2
    assert list(quick.state_dict()) == names
    use_lean_activations(model)  # GELU
    assert not any(isinstance(module, LeanQuickGELU) for module in model.modules())


def test_a_prepared_vit_b_32_has_the_embeddings_and_gradients_of_transformers_own(processor):
    """All savings at once, both towers, at ViT-B/32's real widths and picture size."""
    torch.manual_seed(0)
    text = {"num_hidden_layers": 3, "eos_token_id": processor.tokenizer.eos_token_id}
    plain = CLIPModel(CLIPConfig(text_config=text, vision_config={"num_hidden_layers": 3})).train()
    model = copy.deepcopy(plain)
    form = find_text_format(model, processor.tokenizer)
    take_collated_batches(model)
    assert form.tree and model.reads_first_patch
    captions = ["A red car next to a dog.", "A red car next to a cat.", "Two cats.", "A red car next to a dog."]
    rows = [{"image": gray(), "image_id": i, "caption": caption} for i, caption in enumerate(captions)]
    pixels = torch.randn(4, 3, 224, 224)
    inputs = HardNegCollator(processor, 0, text_format=form)(rows) | {"pixel_values": pixels}
    inputs.pop("negative_concepts")
    ours = model(**inputs)
    tokens = processor.tokenizer(captions, padding=True, return_tensors="pt")
    theirs = plain(pixel_values=pixels, input_ids=tokens["input_ids"])
    for outputs in (ours, theirs):
        (outputs["image_embeds"] @ outputs["text_embeds"].T * 9).logsumexp(1).sum().backward()
    torch.testing.assert_close(ours["image_embeds"], theirs.image_embeds, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours["text_embeds"], theirs.text_embeds, atol=1e-5, rtol=0)
    largest = max(p.grad.norm() for p in plain.parameters() if p.grad is not None)
    for (name, weight), expected in zip(model.named_parameters(), plain.parameters(), strict=True):
        if expected.grad is not None:
            assert (weight.grad - expected.grad).norm() <= 1e-4 * expected.grad.norm() + 1e-6 * largest, name
