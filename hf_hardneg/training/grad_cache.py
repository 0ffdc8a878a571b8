"""Exact contrastive batches larger than memory: GradCache, Gao et al. 2021, https://huggingface.co/papers/2101.06983.

The loss needs all embeddings at once, the encoders do not. So the chunks of a batch are embedded without gradient, the
loss of all of them gives the gradient of each embedding, and then each chunk is embedded again with gradient and takes
its part backward: the memory of one chunk, the gradient of the whole, for one more forward pass.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import get_device_states, set_device_states


Outputs = dict[str, Tensor]


def _random_state(chunk: Mapping[str, Tensor]) -> tuple[Tensor, Any]:
    """The state of the CPU's generator and of those of the devices that hold the chunk."""
    return torch.get_rng_state(), get_device_states(*chunk.values())


def _restore(state: tuple[Tensor, Any]) -> None:
    torch.set_rng_state(state[0])
    set_device_states(*state[1])


def backward_in_chunks(
    chunks: Sequence[Mapping[str, Tensor]],
    embed: Callable[[Mapping[str, Tensor]], Outputs],
    loss_of: Callable[[Sequence[Outputs]], Tensor],
    backward: Callable[[Tensor], None],
    no_sync: Callable[[], AbstractContextManager] = nullcontext,
) -> Tensor:
    """Accumulate the gradient of `loss_of([embed(chunk) for chunk in chunks])` with the memory of one chunk.

    Each chunk is embedded twice with the same random numbers, so that dropout drops the same.

    Args:
        chunks: The inputs; at least one.
        embed: The encoders, wrapped as they are; returns differentiable tensors by name.
        loss_of: Scalar loss of all outputs; may gather over processes.
        backward: Takes the backward pass of a scalar, such as `accelerator.backward`.
        no_sync: Keeps gradients from being averaged over processes before the last chunk.

    Returns:
        The loss, detached.
    """
    states, cached = [], []
    for chunk in chunks:
        states.append(_random_state(chunk))
        with torch.no_grad():
            outputs = embed(chunk)
        cached.append({name: part.detach().requires_grad_() for name, part in outputs.items()})
    after = _random_state(chunks[-1])
    loss = loss_of(cached)
    leaves = [part for outputs in cached for part in outputs.values()]
    # Zeros for what the loss does not use, so that every chunk reaches every weight, as DDP expects.
    slopes = iter(torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True))
    for i, (chunk, state) in enumerate(zip(chunks, states, strict=True)):
        with nullcontext() if i == len(chunks) - 1 else no_sync():
            _restore(state)
            # Linear in the outputs, with the cached gradient as its slope.
            backward(torch.stack([(part * next(slopes)).sum() for part in embed(chunk).values()]).sum())
    _restore(after)
    return loss.detach()
