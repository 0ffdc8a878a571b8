import math

import pytest
import torch
from helpers.models import gray, small_siglip
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from hf_hardneg.model.embeddings import NO_PAIR, Embeddings, split_embeddings
from hf_hardneg.training.collator import HardNegCollator
from hf_hardneg.training.losses import (
    batch_negatives_loss,
    distillation_loss,
    margin_loss,
    own_negatives_loss,
    sigmoid_loss,
    twins_loss,
)


SCALE = torch.tensor(7.0, dtype=torch.float64)


def random_batch(size, k, seed=0, repeated=False):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return normalize(torch.randn(*shape, 6, generator=generator, dtype=torch.float64), dim=-1)

    mask = torch.rand(size, k, generator=generator) < 0.6
    ids = torch.randint(0, 2, (size,), generator=generator) if repeated else torch.arange(size)
    return Embeddings(draw(size), draw(size), draw(size, k) * mask[..., None], mask, ids)


def choices(batch, scale):
    """For each image the logits of what it may choose from, its own caption first; and for each caption."""
    size, k = batch.mask.shape
    for i in range(size):
        others = [j for j in range(size) if j != i and batch.image_id[j] != batch.image_id[i]]
        hard = [(j, n) for j in [i, *others] for n in range(k) if batch.mask[j, n]]
        texts = [batch.caption[i], *(batch.caption[j] for j in others), *(batch.negatives[j, n] for j, n in hard)]
        to_texts = [float(scale * batch.image[i] @ text) for text in texts]
        to_images = [float(scale * batch.caption[i] @ batch.image[j]) for j in [i, *others]]
        yield to_texts, to_images


def slow_choice(logits, smoothing=0.0, gamma=0.0):
    """Focal, smoothed cross-entropy of choosing the first."""
    total = sum(map(math.exp, logits))
    p = [math.exp(logit) / total for logit in logits]
    smooth = sum(math.log(q) for q in p) / len(p)
    return (1 - p[0]) ** gamma * -((1 - smoothing) * math.log(p[0]) + smoothing * smooth)


def slow_batch_loss(batch, scale, *options):
    rows = list(choices(batch, scale))
    return sum(slow_choice(logits, *options) for row in rows for logits in row) / (2 * len(rows))


def own_logits(batch, scale):
    for i in range(len(batch.image)):
        hard = [float(scale * batch.image[i] @ n) for n, m in zip(batch.negatives[i], batch.mask[i], strict=True) if m]
        if hard:
            yield [float(scale * batch.image[i] @ batch.caption[i]), *hard]


def slow_own_loss(batch, scale, *options):
    losses = [slow_choice(logits, *options) for logits in own_logits(batch, scale)]
    return sum(losses) / max(1, len(losses))


def slow_margin_loss(batch, margin):
    lacks = [max(0.0, margin - own + n) for own, *hard in own_logits(batch, 1.0) for n in hard]
    return sum(lacks) / max(1, len(lacks))


def slow_sigmoid_loss(batch, scale, bias):
    total = 0.0
    for to_texts, _ in choices(batch, scale):
        for place, logit in enumerate(to_texts):
            sign = 1 if place == 0 else -1
            total += math.log(1 + math.exp(-sign * (logit + float(bias))))
    return total / len(batch.image)


def slow_distillation_loss(batch, teacher, scale, teacher_scale):
    size, total = len(batch.image), 0.0
    for transposed in (False, True):
        for i in range(size):
            logits = []
            for of, s in ((batch, scale), (teacher, teacher_scale)):
                one, others = (of.caption[i], of.image) if transposed else (of.image[i], of.caption)
                values = [math.exp(float(s * one.detach() @ other.detach())) for other in others]
                logits.append([value / sum(values) for value in values])
            ours, known = logits
            total += sum(q * (math.log(q) - math.log(p)) for p, q in zip(ours, known, strict=True))
    return total / (2 * size)


BATCHES = st.builds(random_batch, st.integers(1, 6), st.integers(0, 3), st.integers(0, 99), st.booleans())


@settings(max_examples=60, deadline=None)
@given(BATCHES, st.sampled_from([0.0, 0.1, 0.5]), st.sampled_from([0.0, 1.0, 2.0]))
def test_softmax_losses_equal_a_double_loop_smoothed_and_focal_or_not(batch, smoothing, gamma):
    options = {"logit_scale": SCALE, "label_smoothing": smoothing, "focal_gamma": gamma}
    expected = slow_batch_loss(batch, SCALE, smoothing, gamma)
    assert batch_negatives_loss(batch, **options).item() == pytest.approx(expected)
    assert own_negatives_loss(batch, **options).item() == pytest.approx(slow_own_loss(batch, SCALE, smoothing, gamma))


@settings(max_examples=40, deadline=None)
@given(BATCHES, st.floats(0.01, 2.0), st.floats(-9.0, 3.0))
def test_margin_and_sigmoid_losses_equal_a_double_loop(batch, margin, bias):
    assert margin_loss(batch, margin=margin).item() == pytest.approx(slow_margin_loss(batch, margin))
    bias = torch.tensor(bias, dtype=torch.float64)
    ours = sigmoid_loss(batch, logit_scale=SCALE, logit_bias=bias)
    assert ours.item() == pytest.approx(slow_sigmoid_loss(batch, SCALE, bias))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(0, 99))
def test_distillation_equals_a_double_loop_is_zero_at_the_teacher_and_leaves_it_alone(size, seed):
    batch, teacher = random_batch(size, 1, seed), random_batch(size, 1, seed + 100)
    teacher = teacher._replace(image=teacher.image.requires_grad_())
    other = torch.tensor(3.0, dtype=torch.float64)
    ours = distillation_loss(batch, teacher, logit_scale=SCALE, teacher_logit_scale=other)
    assert ours.item() == pytest.approx(slow_distillation_loss(batch, teacher, SCALE, other), abs=1e-12)
    assert not ours.requires_grad
    same = distillation_loss(teacher, teacher, logit_scale=SCALE, teacher_logit_scale=SCALE)
    assert same.item() == pytest.approx(0, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(2, 4), st.integers(0, 2), st.integers(0, 99), st.sampled_from([0.0, 0.1]), st.sampled_from([0.0, 2.0])
)
def test_gradients_are_those_of_finite_differences(size, k, seed, smoothing, gamma):
    batch = random_batch(size, k, seed, repeated=True)
    bias = torch.tensor(-2.0, dtype=torch.float64)

    def total(image, caption, negatives):
        moved = batch._replace(image=image, caption=caption, negatives=negatives)
        options = {"logit_scale": SCALE, "label_smoothing": smoothing, "focal_gamma": gamma}
        return (
            batch_negatives_loss(moved, **options)
            + own_negatives_loss(moved, **options)
            + sigmoid_loss(moved, logit_scale=SCALE, logit_bias=bias)
            + distillation_loss(moved, batch, logit_scale=SCALE, teacher_logit_scale=SCALE)
        )

    parts = [part.clone().requires_grad_() for part in (batch.image, batch.caption, batch.negatives)]
    assert torch.autograd.gradcheck(total, parts)


def test_siglips_own_loss_is_the_sigmoid_loss_without_negatives(processor):
    model = small_siglip(processor.tokenizer).eval()
    tokens = processor.tokenizer(
        ["a cup", "a sun", "a red cup"], padding="max_length", max_length=32, return_tensors="pt"
    )
    with torch.no_grad():
        output = model(pixel_values=torch.randn(3, 3, 48, 48), input_ids=tokens["input_ids"], return_loss=True)
    no = torch.zeros(3, 0, dtype=torch.bool)
    batch = split_embeddings(output.image_embeds, output.text_embeds, no, torch.arange(3))
    ours = sigmoid_loss(batch, logit_scale=model.logit_scale.exp(), logit_bias=model.logit_bias)
    torch.testing.assert_close(ours, output.loss)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda b: batch_negatives_loss(b, logit_scale=SCALE, label_smoothing=1.0),
            r"label_smoothing is 1.0; .* \[0, 1\)",
        ),
        (
            lambda b: own_negatives_loss(b, logit_scale=SCALE, focal_gamma=-1.0),
            "focal_gamma is -1.0; it must be 0 or more",
        ),
        (lambda b: margin_loss(b, margin=3.0), "margin is 3.0; cosines differ by 2 at most"),
        (
            lambda b: distillation_loss(b, random_batch(2, 0), logit_scale=SCALE, teacher_logit_scale=SCALE),
            "The teacher has 2 rows, the student 3",
        ),
    ],
)
def test_options_out_of_range_and_another_teacher_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(random_batch(3, 1))


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


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_no_negative_at_all_gives_zero_own_loss_and_finite_gradient(gamma):
    batch = random_batch(3, 2)
    empty = batch._replace(mask=torch.zeros_like(batch.mask), image=batch.image.clone().requires_grad_())
    loss = own_negatives_loss(empty, logit_scale=SCALE, focal_gamma=gamma)
    assert loss.item() == 0
    assert torch.autograd.grad(loss, empty.image)[0].isfinite().all()


def test_shapes_that_disagree_are_named():
    batch = random_batch(3, 2)
    with pytest.raises(ValueError, match=r"caption has shape \(2, 6\), expected \(3, 6\)"):
        batch_negatives_loss(batch._replace(caption=batch.caption[:2]), logit_scale=SCALE)
    with pytest.raises(ValueError, match="mask has 2 rows for 3 images"):
        split_embeddings(batch.image, batch.caption, batch.mask[:2], batch.image_id)


def slow_twins_loss(batch, scale, *options):
    """Each image of a pair chooses between two captions, and each caption between two images."""
    pairs = [
        (i, j)
        for i, one in enumerate(batch.pair_id)
        for j, other in enumerate(batch.pair_id)
        if one == other and i != j
    ]
    pairs = [(i, j) for i, j in pairs if batch.pair_id[i] != NO_PAIR]
    logits = [[float(scale * batch.image[i] @ batch.caption[k]) for k in (i, j)] for i, j in pairs]
    logits += [[float(scale * batch.caption[i] @ batch.image[k]) for k in (i, j)] for i, j in pairs]
    return sum(slow_choice(of_row, *options) for of_row in logits) / len(logits)


@pytest.mark.parametrize("options", [(), (0.1, 0.0), (0.2, 2.0)])
def test_the_term_of_twins_is_that_of_their_blocks(options):
    pair_id = torch.tensor([NO_PAIR, 5, 3, 5, NO_PAIR, 3, NO_PAIR])
    batch = random_batch(7, 2)._replace(pair_id=pair_id)
    named = dict(zip(("label_smoothing", "focal_gamma"), options, strict=False))
    ours = twins_loss(batch, logit_scale=SCALE, **named)
    assert float(ours) == pytest.approx(slow_twins_loss(batch, SCALE, *options), abs=1e-12)
    alone = Embeddings(*(part[[1, 2, 3, 5]] for part in batch))  # single images do not count
    assert float(twins_loss(alone, logit_scale=SCALE, **named)) == pytest.approx(float(ours), abs=1e-12)


def test_without_twins_their_term_is_zero():
    batch = random_batch(3, 1)
    assert twins_loss(batch, logit_scale=SCALE) == 0
    assert twins_loss(batch._replace(pair_id=torch.full((3,), NO_PAIR)), logit_scale=SCALE) == 0


def test_a_pair_that_comes_twice_has_the_term_of_one():
    """At the turn of a shuffle a batch can hold a pair twice; a copy of the own caption is no wrong choice."""
    batch = random_batch(2, 0)._replace(pair_id=torch.tensor([4, 4]))
    twice = Embeddings(*(torch.cat([part, part]) for part in batch))
    once, both = (torch.exp(-twins_loss(one, logit_scale=torch.tensor(0.0))) for one in (batch, twice))
    assert float(once) == pytest.approx(1 / 2) and float(both) == pytest.approx(1 / 3)  # own, and two equal wrong ones


def test_each_twin_is_a_wrong_choice_for_the_other():
    """The block of two twins is an in-batch one: nothing masks it, and it costs what the closed form says."""
    image = torch.eye(2, dtype=torch.float64)[[0, 0]]  # both images look alike, and so do the captions
    batch = Embeddings(image, image, image[:, None][:, :0], torch.ones(2, 0, dtype=torch.bool), torch.arange(2))
    batch = batch._replace(pair_id=torch.tensor([0, 0]))
    assert float(batch_negatives_loss(batch, logit_scale=SCALE)) == pytest.approx(math.log(2))
    same = batch._replace(image_id=torch.tensor([1, 1]))  # what `find_twin_rows` refuses
    assert float(batch_negatives_loss(same, logit_scale=SCALE)) == 0
