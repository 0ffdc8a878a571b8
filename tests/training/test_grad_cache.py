import copy

import pytest
import torch
from datasets import Dataset
from helpers.models import small_siglip

from hf_hardneg.columns import with_negatives
from hf_hardneg.model.adapters import add_lora
from hf_hardneg.model.dual_encoder import find_text_format, take_collated_batches
from hf_hardneg.model.embeddings import join_embeddings, split_embeddings
from hf_hardneg.negatives.add_negatives import AddHardNegatives
from hf_hardneg.scenes.world import scene_rows
from hf_hardneg.training.collator import NO_NEGATIVE, ChunkCollator, HardNegCollator
from hf_hardneg.training.grad_cache import backward_in_chunks
from hf_hardneg.training.losses import batch_negatives_loss, sigmoid_loss


@pytest.fixture(scope="module")
def rows() -> Dataset:
    rows = scene_rows("grad cache", 8)
    return rows.map(AddHardNegatives(num_negatives=2), batched=True, features=with_negatives(rows.features))


def with_dropout(model):
    for module in model.modules():
        if hasattr(module, "dropout"):
            module.dropout = 0.3
    return model.train()


def embed(model, chunk):
    return model(**{name: part for name, part in chunk.items() if name != "negative_concepts"})


def loss_of(chunks, outputs):
    batch = join_embeddings(
        [
            split_embeddings(o["image_embeds"], o["text_embeds"], c["negative_concepts"] != NO_NEGATIVE, c["image_id"])
            for c, o in zip(chunks, outputs, strict=True)
        ]
    )
    if "logit_bias" in outputs[0]:
        return sigmoid_loss(batch, logit_scale=outputs[0]["logit_scale"], logit_bias=outputs[0]["logit_bias"])
    return batch_negatives_loss(batch, logit_scale=outputs[0]["logit_scale"])


def gradients(model):
    return {name: p.grad for name, p in model.named_parameters() if p.requires_grad}


def chunks_for(model, processor, rows, size):
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    form = find_text_format(plain, processor.tokenizer)
    take_collated_batches(plain)
    return ChunkCollator(HardNegCollator(processor, 2, text_format=form), size)(list(rows))["chunks"]


def cached_and_whole(model, chunks, whole_chunks):
    """Loss and gradients by GradCache, and of one backward pass through all outputs with the same random numbers."""
    whole = copy.deepcopy(model)
    torch.manual_seed(7)
    loss = backward_in_chunks(chunks, lambda c: embed(model, c), lambda o: loss_of(chunks, o), torch.Tensor.backward)
    after = torch.rand(1)
    torch.manual_seed(7)
    expected = loss_of(whole_chunks, [embed(whole, chunk) for chunk in whole_chunks])
    assert torch.equal(after, torch.rand(1))  # what is drawn next does not depend on the second forward pass
    expected.backward()
    return (loss, gradients(model)), (expected.detach(), gradients(whole))


def assert_equal(ours, expected, tolerance):
    torch.testing.assert_close(ours[0], expected[0], atol=tolerance, rtol=tolerance)
    assert ours[1].keys() == expected[1].keys() and len(ours[1]) > 3
    for name, gradient in expected[1].items():
        if gradient is None:  # weights that nothing uses, such as CLIP's post_layernorm of other patches
            assert ours[1][name] is None or not ours[1][name].any(), name
        else:
            torch.testing.assert_close(ours[1][name], gradient, atol=tolerance, rtol=1e-4, msg=name)


@pytest.mark.parametrize("size", [3, 8])  # of 8 rows: an odd last chunk, and one chunk
@pytest.mark.parametrize("kind", ["clip", "lora", "siglip"])
def test_with_dropout_it_is_the_gradient_of_the_same_forward_passes(model, processor, rows, kind, size):
    model = small_siglip(processor.tokenizer) if kind == "siglip" else model
    if kind == "lora":
        model = add_lora(model, rank=2, dropout=0.3)
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weights, std=0.1)  # zeros hide what happens in A
    chunks = chunks_for(model, processor, rows, size)
    ours, expected = cached_and_whole(with_dropout(model), chunks, chunks)
    assert_equal(ours, expected, 1e-6)


def test_without_dropout_chunks_are_the_whole_batch(model, processor, rows):
    chunks, whole = (chunks_for(model, processor, rows, size) for size in (3, 8))
    ours, expected = cached_and_whole(model.eval(), chunks, whole)
    assert_equal(ours, expected, 1e-6)


def test_a_chunk_is_in_memory_alone(model, processor, rows):
    """The second pass frees each chunk's graph before it builds the next one."""
    chunks = chunks_for(model, processor, rows, 2)
    alive, most = set(), 0

    class Watch(torch.autograd.Function):
        @staticmethod
        def forward(ctx, part, key):
            nonlocal most
            ctx.key = key
            if torch.is_grad_enabled() or part.requires_grad:
                alive.add(key)
            most = max(most, len(alive))
            return part.clone()

        @staticmethod
        def backward(ctx, gradient):
            alive.discard(ctx.key)
            return gradient, None

    def watched(chunk):
        outputs = embed(model, chunk)
        key = int(chunk["image_id"][0])
        return {**outputs, "text_embeds": Watch.apply(outputs["text_embeds"], key)}

    backward_in_chunks(chunks, watched, lambda o: loss_of(chunks, o), torch.Tensor.backward)
    assert len(chunks) == 4 and most == 1
