import math

import pytest
import torch
from conftest import gray
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from hf_hardneg.collator import HardNegCollator
from hf_hardneg.embeddings import Embeddings, split_embeddings
from hf_hardneg.losses import batch_negatives_loss, own_negatives_loss, pair_scores


SCALE = torch.tensor(7.0, dtype=torch.float64)


def random_batch(size, k, seed=0, repeated=False):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return normalize(torch.randn(*shape, 6, generator=generator, dtype=torch.float64), dim=-1)

    mask = torch.rand(size, k, generator=generator) < 0.6
    ids = torch.randint(0, 2, (size,), generator=generator) if repeated else torch.arange(size)
    return Embeddings(draw(size), draw(size), draw(size, k) * mask[..., None], mask, ids)


def slow_batch_loss(batch, scale):
    size, k = batch.mask.shape
    total = 0.0
    for i in range(size):
        others = [j for j in range(size) if j == i or batch.image_id[j] != batch.image_id[i]]
        to_texts = [float(scale * batch.image[i] @ batch.caption[j]) for j in others]
        hard = [(j, n) for j in others for n in range(k) if batch.mask[j, n]]
        to_texts += [float(scale * batch.image[i] @ batch.negatives[j, n]) for j, n in hard]
        to_images = [float(scale * batch.caption[i] @ batch.image[j]) for j in others]
        own = float(scale * batch.image[i] @ batch.caption[i])
        total += math.log(sum(map(math.exp, to_texts))) + math.log(sum(map(math.exp, to_images))) - 2 * own
    return total / (2 * size)


def slow_own_loss(batch, scale):
    losses = []
    for i in range(len(batch.image)):
        hard = [float(scale * batch.image[i] @ n) for n, m in zip(batch.negatives[i], batch.mask[i], strict=True) if m]
        own = float(scale * batch.image[i] @ batch.caption[i])
        if hard:
            losses.append(math.log(sum(map(math.exp, [own, *hard]))) - own)
    return sum(losses) / max(1, len(losses))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(0, 3), st.integers(0, 99), st.booleans())
def test_losses_equal_a_double_loop(size, k, seed, repeated):
    batch = random_batch(size, k, seed, repeated)
    assert batch_negatives_loss(batch, logit_scale=SCALE).item() == pytest.approx(slow_batch_loss(batch, SCALE))
    assert own_negatives_loss(batch, logit_scale=SCALE).item() == pytest.approx(slow_own_loss(batch, SCALE))


def test_without_negatives_the_loss_is_clips_own(model, processor):
    rows = [
        {"image": gray(), "image_id": i, "caption": text} for i, text in enumerate(["a cup", "a sun", "a red cup"])
    ]
    batch = HardNegCollator(processor, 0)(rows)
    batch["pixel_values"] = torch.randn_like(batch["pixel_values"])
    with torch.no_grad():
        output = model(pixel_values=batch["pixel_values"], input_ids=batch["input_ids"], return_loss=True)
    mask = batch["negative_concepts"] != -100
    ours = split_embeddings(output.image_embeds, output.text_embeds, mask, batch["image_id"])
    torch.testing.assert_close(batch_negatives_loss(ours, logit_scale=model.logit_scale.exp()), output.loss)


def test_closed_forms_of_equal_embeddings():
    x = torch.zeros(4, 8)
    batch = Embeddings(x, x, torch.zeros(4, 2, 8), torch.ones(4, 2, dtype=torch.bool), torch.arange(4))
    one = torch.tensor(1.0)
    assert batch_negatives_loss(batch, logit_scale=one).item() == pytest.approx((math.log(12) + math.log(4)) / 2)
    assert own_negatives_loss(batch, logit_scale=one).item() == pytest.approx(math.log(3))


def test_a_masked_negative_is_no_negative_and_gets_no_gradient():
    batch = random_batch(4, 2)
    junk = batch.negatives.clone().masked_fill(~batch.mask[..., None], 5.0).requires_grad_()
    for loss in (batch_negatives_loss, own_negatives_loss):
        value = loss(batch._replace(negatives=junk), logit_scale=SCALE)
        torch.testing.assert_close(value, loss(batch, logit_scale=SCALE))
        (gradient,) = torch.autograd.grad(value, junk)
        assert gradient.isfinite().all() and (gradient[~batch.mask] == 0).all()


def test_one_image_makes_batch_and_own_negatives_the_same_choice():
    batch = random_batch(1, 3, seed=5)._replace(mask=torch.ones(1, 3, dtype=torch.bool))
    both = batch_negatives_loss(batch, logit_scale=SCALE) * 2  # text-to-image has nothing to choose from
    torch.testing.assert_close(both, own_negatives_loss(batch, logit_scale=SCALE))


def test_order_of_negatives_does_not_matter_and_taking_one_for_the_caption_costs():
    batch = random_batch(5, 3)._replace(mask=torch.ones(5, 3, dtype=torch.bool))
    flipped = batch._replace(negatives=batch.negatives.flip(1))
    near = batch._replace(caption=batch.image, negatives=-batch.image[:, None].expand(5, 3, 6))
    far = near._replace(caption=near.negatives[:, 0], negatives=near.caption[:, None].expand(5, 3, 6))
    for loss in (batch_negatives_loss, own_negatives_loss):
        torch.testing.assert_close(loss(batch, logit_scale=SCALE), loss(flipped, logit_scale=SCALE))
        assert loss(far, logit_scale=SCALE) > loss(near, logit_scale=SCALE)


def test_no_negative_at_all_gives_zero_own_loss_and_finite_gradient():
    batch = random_batch(3, 2)
    empty = batch._replace(mask=torch.zeros_like(batch.mask), image=batch.image.clone().requires_grad_())
    loss = own_negatives_loss(empty, logit_scale=SCALE)
    assert loss.item() == 0
    assert torch.autograd.grad(loss, empty.image)[0].isfinite().all()


def test_shapes_that_disagree_are_named():
    batch = random_batch(3, 2)
    with pytest.raises(ValueError, match=r"caption has shape \(2, 6\), expected \(3, 6\)"):
        batch_negatives_loss(batch._replace(caption=batch.caption[:2]), logit_scale=SCALE)
    with pytest.raises(ValueError, match="mask has 2 rows for 3 images"):
        split_embeddings(batch.image, batch.caption, batch.mask[:2], batch.image_id)


def test_pair_scores_put_the_caption_first_and_mark_absent_negatives():
    batch = random_batch(4, 2)
    scores = pair_scores(batch)
    torch.testing.assert_close(scores[:, 0], (batch.image * batch.caption).sum(-1))
    assert (scores[:, 1:][~batch.mask] == -1).all()
