"""GradCache: train on contrastive batches that are larger than memory, with the exact gradient.

The loss needs the embeddings of the whole batch at once. The encoders do not, and they take most of the memory. So:

1. Embed each chunk of the batch without gradient.
2. Compute the loss of all embeddings, and its gradient with respect to each embedding.
3. Embed each chunk again, now with gradient, and pass the gradients of step 2 back through the encoders.

This takes the memory of one chunk and one more forward pass.

Source: Gao et al. 2021, https://huggingface.co/papers/2101.06983
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import get_device_states, set_device_states


Outputs = dict[str, Tensor]


def _random_state(chunk: Mapping[str, Tensor]) -> tuple[Tensor, Any]:
    """The states of the random generators of the CPU and of the devices that hold the chunk."""
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
    """Add the gradient of `loss_of([embed(chunk) for chunk in chunks])` to the parameters, chunk by chunk.

    Both times that a chunk is embedded, the random generators have the same state, so that dropout drops the same.

    Args:
        chunks: The parts of the batch, at least one.
        embed: Runs the encoders on a chunk and returns differentiable tensors by name. If DistributedDataParallel
            wraps the model, `embed` must call the wrapped one.
        loss_of: Computes a scalar loss from the outputs of all chunks. It may gather over processes.
        backward: Runs the backward pass of a scalar, such as `accelerator.backward`.
        no_sync: Makes a context in which gradients are not averaged over processes. Used for all chunks but the last.

    Returns:
        The loss, a detached scalar.

    Example:
        >>> layer = torch.nn.Linear(3, 2)
        >>> chunks = [{"pixels": torch.ones(4, 3)}, {"pixels": torch.zeros(2, 3)}]
        >>> loss = backward_in_chunks(
        ...     chunks,
        ...     embed=lambda chunk: {"image": layer(chunk["pixels"])},
        ...     loss_of=lambda outputs: torch.cat([part["image"] for part in outputs]).sum(),
        ...     backward=lambda scalar: scalar.backward(),
        ... )
        >>> layer.weight.grad  # Four rows of ones, in both outputs.
        tensor([[4., 4., 4.],
                [4., 4., 4.]])
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
    # Outputs that the loss does not use get zeros: DistributedDataParallel expects a gradient for each weight.
    gradients = iter(torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True))
    for i, (chunk, state) in enumerate(zip(chunks, states, strict=True)):
        with nullcontext() if i == len(chunks) - 1 else no_sync():
            _restore(state)
            # The gradient of this sum with respect to an output is the cached gradient of the loss.
            backward(torch.stack([(part * next(gradients)).sum() for part in embed(chunk).values()]).sum())
    _restore(after)
    return loss.detach()
