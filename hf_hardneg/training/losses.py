"""The losses: functions from embeddings to a scalar, which know neither models nor processes.

In the formulas, s(i, t) is the cosine of image i and text t.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..model.embeddings import NO_PAIR, Embeddings


def batch_negatives_loss(
    batch: Embeddings, *, logit_scale: Tensor, label_smoothing: float = 0.0, focal_gamma: float = 0.0
) -> Tensor:
    """InfoNCE in which each image chooses its caption among all captions and hard negatives of the batch.

    Args:
        batch: Unit-norm embeddings. With K = 0, or without any negative, this is CLIP's loss.
        logit_scale: The inverse temperature, a positive scalar. CLIP stores its logarithm.
        label_smoothing: In [0, 1). This share of the target is spread evenly over all choices of a row.
        focal_gamma: 0 or more. A row whose target has the probability p is weighted by (1 - p)^gamma (Lin et al.
            2017, https://huggingface.co/papers/1708.02002).

    Returns:
        A scalar in nats: the mean of the image-to-text and the text-to-image loss. Negatives count in image-to-text
        only. Other captions of the same image, and negatives made from these, are not among the choices.

    Raises:
        ValueError: If shapes disagree or an option is out of its range; the message gives the value.

    Reference:
        NegCLIP, Yuksekgonul et al. 2023, https://huggingface.co/papers/2210.01936

    Examples:
        >>> x, mask = torch.zeros(2, 8), torch.ones(2, 1, dtype=torch.bool)
        >>> batch = Embeddings(x, x, x[:, None], mask, torch.arange(2))
        >>> batch_negatives_loss(batch, logit_scale=torch.tensor(1.0))  # All cosines are 0: (log 4 + log 2) / 2.
        tensor(1.0397)
    """
    _check_shapes(batch)
    _check_options(label_smoothing, focal_gamma)
    same = _same_image(batch.image_id)
    to_captions = (logit_scale * batch.image @ batch.caption.T).masked_fill(same, -torch.inf)  # (B, B)
    to_negatives = logit_scale * batch.image @ batch.negatives.flatten(0, 1).T  # (B, B * K)
    logits = torch.cat([to_captions, to_negatives.masked_fill(_absent(batch, same), -torch.inf)], dim=1)
    target = torch.arange(len(logits), device=logits.device)
    to_texts = _choice_losses(logits, target, label_smoothing, focal_gamma)
    to_images = _choice_losses(to_captions.T, target, label_smoothing, focal_gamma)
    return (to_texts.mean() + to_images.mean()) / 2


def own_negatives_loss(
    batch: Embeddings, *, logit_scale: Tensor, label_smoothing: float = 0.0, focal_gamma: float = 0.0
) -> Tensor:
    """Cross-entropy in which each image chooses between its caption and its own hard negatives only.

    Args:
        batch: Unit-norm embeddings. Rows without a negative do not count.
        logit_scale: The inverse temperature, a positive scalar.
        label_smoothing: As in `batch_negatives_loss`.
        focal_gamma: As in `batch_negatives_loss`.

    Returns:
        A scalar in nats: the mean over the rows that have a negative, or 0 if no row has one.

    Raises:
        ValueError: If shapes disagree or an option is out of its range; the message gives the value.

    Reference:
        The `neg_only` term of TSVLC, Doveh et al. 2023, https://huggingface.co/papers/2211.11733

    Examples:
        >>> x, mask = torch.zeros(2, 8), torch.tensor([[True, True, True], [False, False, False]])
        >>> batch = Embeddings(x, x, torch.zeros(2, 3, 8), mask, torch.arange(2))
        >>> own_negatives_loss(batch, logit_scale=torch.tensor(1.0))  # Row 0 has four equal choices: log 4.
        tensor(1.3863)
    """
    _check_shapes(batch)
    _check_options(label_smoothing, focal_gamma)
    logits = (logit_scale * _own_cosines(batch)).masked_fill(~_own_present(batch), -torch.inf)
    target = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
    losses = _choice_losses(logits, target, label_smoothing, focal_gamma)
    # A row without negatives has one choice, and so a loss of 0.
    return losses.sum() / batch.mask.any(dim=1).sum().clamp(min=1)


def twins_loss(
    batch: Embeddings, *, logit_scale: Tensor, label_smoothing: float = 0.0, focal_gamma: float = 0.0
) -> Tensor:
    """Cross-entropy inside each pair of twins: each image chooses between two captions, and each caption likewise.

    Args:
        batch: Unit-norm embeddings with pair ids. Single images do not count.
        logit_scale: The inverse temperature, a positive scalar.
        label_smoothing: As in `batch_negatives_loss`.
        focal_gamma: As in `batch_negatives_loss`.

    Returns:
        A scalar in nats: the mean over the images and captions of all pairs, or 0 if there is no pair.

    Raises:
        ValueError: If shapes disagree or an option is out of its range; the message gives the value.

    Examples:
        >>> x, mask = torch.zeros(3, 8), torch.ones(3, 0, dtype=torch.bool)
        >>> batch = Embeddings(x, x, x[:, None, :][:, :0], mask, torch.arange(3), torch.tensor([7, 7, NO_PAIR]))
        >>> twins_loss(batch, logit_scale=torch.tensor(1.0))  # Two equal choices in each direction: log 2.
        tensor(0.6931)
    """
    _check_shapes(batch)
    _check_options(label_smoothing, focal_gamma)
    if batch.pair_id is None:
        return batch.image.new_zeros(())
    own = torch.eye(len(batch.pair_id), dtype=torch.bool, device=batch.pair_id.device)
    twins = (batch.pair_id[:, None] == batch.pair_id[None]) & (batch.pair_id != NO_PAIR) & ~own
    # A pair that comes twice in a batch has its captions twice, too.
    twins &= ~_same_image(batch.image_id)
    logits = (logit_scale * batch.image @ batch.caption.T).masked_fill(~(own | twins), -torch.inf)
    target = torch.arange(len(logits), device=logits.device)
    # A single image has one choice, and so a loss of 0.
    losses = [_choice_losses(one, target, label_smoothing, focal_gamma).sum() for one in (logits, logits.T)]
    return (losses[0] + losses[1]) / (2 * twins.any(dim=1).sum()).clamp(min=1)


def margin_loss(batch: Embeddings, *, margin: float) -> Tensor:
    """Hinge loss: each caption should beat its own hard negatives by a margin.

    Args:
        batch: Unit-norm embeddings.
        margin: A difference of cosines, above 0 and at most 2.

    Returns:
        A scalar, in units of cosines: the mean of max(0, margin - s(i, caption) + s(i, negative)) over all negatives,
        or 0 if there are none.

    Raises:
        ValueError: If shapes disagree or the margin is out of its range; the message gives the value.

    Reference:
        VSE++, Faghri et al. 2018, https://huggingface.co/papers/1707.05612

    Examples:
        >>> x = torch.zeros(2, 8)
        >>> batch = Embeddings(x, x, x[:, None], torch.ones(2, 1, dtype=torch.bool), torch.arange(2))
        >>> margin_loss(batch, margin=0.2)  # Captions and negatives are equal, so the whole margin is missing.
        tensor(0.2000)
    """
    _check_shapes(batch)
    if not 0 < margin <= 2:
        raise ValueError(f"margin is {margin}; cosines differ by 2 at most, so it must be in (0, 2].")
    cosines = _own_cosines(batch)
    missing = (margin - cosines[:, :1] + cosines[:, 1:]).clamp(min=0) * batch.mask
    return missing.sum() / batch.mask.sum().clamp(min=1)


def sigmoid_loss(batch: Embeddings, *, logit_scale: Tensor, logit_bias: Tensor) -> Tensor:
    """SigLIP's loss: decide for each image and each text, one by one, whether they belong together.

    Args:
        batch: Unit-norm embeddings. With K = 0 this is SigLIP's own loss.
        logit_scale: The inverse temperature, a positive scalar.
        logit_bias: A scalar. It is usually negative, since most texts do not fit an image.

    Returns:
        A scalar in nats: -log sigmoid(z (logit_scale s(i, t) + logit_bias)), summed over all images i and all texts t
        (captions and hard negatives), divided by B. z is 1 for an image and its own caption, else -1. Other captions
        of the same image, and negatives made from these, are left out.

    Raises:
        ValueError: If shapes disagree; the message names both.

    Reference:
        Zhai et al. 2023, https://huggingface.co/papers/2303.15343

    Examples:
        >>> x, mask = torch.zeros(2, 8), torch.ones(2, 1, dtype=torch.bool)
        >>> batch = Embeddings(x, x, x[:, None], mask, torch.arange(2))
        >>> sigmoid_loss(batch, logit_scale=torch.tensor(1.0), logit_bias=torch.tensor(0.0))
        tensor(2.7726)

        Two images and four texts have eight pairs of log 2 each; divided by B = 2, this is 4 log 2.
    """
    _check_shapes(batch)
    same = _same_image(batch.image_id)
    texts = torch.cat([batch.caption, batch.negatives.flatten(0, 1)])
    logits = logit_scale * batch.image @ texts.T + logit_bias
    sign = torch.cat(
        [
            2 * torch.eye(len(same), dtype=logits.dtype, device=logits.device) - 1,
            -torch.ones_like(logits[:, len(same) :]),
        ],
        dim=1,
    )
    left_out = torch.cat([same, _absent(batch, same)], dim=1)
    return -F.logsigmoid(sign * logits).masked_fill(left_out, 0).sum() / len(same)


def distillation_loss(
    batch: Embeddings, teacher: Embeddings, *, logit_scale: Tensor, teacher_logit_scale: Tensor
) -> Tensor:
    """Distance of the scores within a batch from those of a frozen teacher: a loss against forgetting.

    Args:
        batch: Unit-norm embeddings of the student. Negatives are not used.
        teacher: Unit-norm embeddings of the teacher for the same rows. They get no gradient.
        logit_scale: The inverse temperature of the student, a positive scalar.
        teacher_logit_scale: The inverse temperature of the teacher, a positive scalar.

    Returns:
        A scalar in nats: the mean of KL(teacher || student) of the image-to-caption softmax and of the
        caption-to-image softmax. It is 0 if both models agree.

    Raises:
        ValueError: If shapes or numbers of rows disagree; the message names both.

    Reference:
        Learning without Forgetting, Li and Hoiem 2016, https://huggingface.co/papers/1606.09282, on CLIP's logits

    Examples:
        >>> x = F.normalize(torch.eye(3), dim=-1)
        >>> batch = Embeddings(x, x, x[:, None, :][:, :0], torch.ones(3, 0, dtype=torch.bool), torch.arange(3))
        >>> one = torch.tensor(1.0)
        >>> distillation_loss(batch, batch, logit_scale=one, teacher_logit_scale=one)
        tensor(0.)
    """
    _check_shapes(batch)
    if teacher.image.shape[0] != batch.image.shape[0]:
        raise ValueError(f"The teacher has {len(teacher.image)} rows, the student {len(batch.image)}.")
    teacher_logits = (teacher_logit_scale * teacher.image @ teacher.caption.T).detach()
    logits = logit_scale * batch.image @ batch.caption.T
    both = ((logits, teacher_logits), (logits.T, teacher_logits.T))
    losses = [
        F.kl_div(ours.log_softmax(dim=1), theirs.log_softmax(dim=1), reduction="batchmean", log_target=True)
        for ours, theirs in both
    ]
    return (losses[0] + losses[1]) / 2


def _own_cosines(batch: Embeddings) -> Tensor:
    """Cosines (B, 1 + K) of each image with its caption and its own negatives."""
    texts = torch.cat([batch.caption[:, None], batch.negatives], dim=1)
    return torch.einsum("bd,bkd->bk", batch.image, texts)


def _own_present(batch: Embeddings) -> Tensor:
    return F.pad(batch.mask, (1, 0), value=True)


def _check_shapes(batch: Embeddings) -> None:
    size, dim = batch.image.shape
    expected = {
        "caption": (size, dim),
        "negatives": (size, batch.mask.shape[-1], dim),
        "mask": (size, batch.mask.shape[-1]),
        "image_id": (size,),
        **({} if batch.pair_id is None else {"pair_id": (size,)}),
    }
    for name, shape in expected.items():
        got = tuple(getattr(batch, name).shape)
        if got != shape:
            raise ValueError(f"{name} has shape {got}, expected {shape} beside images of shape {(size, dim)}.")


def _same_image(image_id: Tensor) -> Tensor:
    """(B, B) bool: True where two different rows have the same image, so that each caption fits both."""
    same = image_id[:, None] == image_id[None]
    return same & ~torch.eye(len(image_id), dtype=torch.bool, device=image_id.device)


def _absent(batch: Embeddings, same: Tensor) -> Tensor:
    """(B, B * K) bool: True where a negative does not exist, or was made from a caption of the same image."""
    return ~batch.mask.flatten()[None] | same.repeat_interleave(batch.mask.shape[1], dim=1)


def _check_options(label_smoothing: float, focal_gamma: float) -> None:
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing is {label_smoothing}; it must be in [0, 1).")
    if focal_gamma < 0:
        raise ValueError(f"focal_gamma is {focal_gamma}; it must be 0 or more.")


def _choice_losses(logits: Tensor, target: Tensor, label_smoothing: float, focal_gamma: float) -> Tensor:
    """Cross-entropy (N,) of choosing `target` (N,) from `logits` (N, M), where -inf means that a choice is absent.

    torch's own label smoothing would also spread over the absent choices, whose loss is infinite.
    """
    if not label_smoothing and not focal_gamma:
        return F.cross_entropy(logits, target, reduction="none")
    log_p = logits.log_softmax(dim=1)
    losses = -log_p.gather(1, target[:, None])[:, 0]
    focus: Tensor | float = 1.0
    if focal_gamma:
        # A row with one choice has 1 - p = 0. There, a power below 1 has an infinite slope.
        focus = (-torch.expm1(-losses)).clamp(min=torch.finfo(losses.dtype).eps) ** focal_gamma
    if label_smoothing:
        present = logits > -torch.inf
        evenly = -log_p.masked_fill(~present, 0).sum(dim=1) / present.sum(dim=1)
        losses = (1 - label_smoothing) * losses + label_smoothing * evenly
    return focus * losses
