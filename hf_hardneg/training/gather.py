"""The gather: join the embeddings of all processes, with gradient.

Each process embeds its own part of a batch. The loss needs the whole batch, so each process collects the embeddings of
all. No other file of this package knows about ranks.
"""

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from ..model.embeddings import Embeddings


NO_ROW = torch.iinfo(torch.int64).min  # the image id of rows that only fill a batch up; they come last in it


class _AllGather(torch.autograd.Function):
    """Concatenate equal-sized tensors of all ranks; the gradient of each part is summed over the ranks."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        """Gather (n, ...) into (world * n, ...)."""
        parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Sum (world * n, ...) over the ranks and return this rank's (n, ...)."""
        summed = gradients[0].contiguous().clone()
        dist.all_reduce(summed)
        return summed.chunk(dist.get_world_size())[dist.get_rank()]


def gather_embeddings(local: Embeddings) -> Embeddings:
    """Collect the batch of all processes, in the order of their ranks.

    Every process then computes the same loss of the joined batch. The backward pass sums gradients over processes, and
    DistributedDataParallel averages over them. So each parameter gets the gradient that one process with the joined
    batch would give it (tests/training/test_gather.py).

    Args:
        local: The batch of this process. Processes may differ in B and in K, but not in D. Rows with the image id
            `NO_ROW` are left out.

    Returns:
        The batch of all processes, with the largest K. Without a process group, `local` itself.

    Example:
        >>> image, mask = torch.ones(2, 4), torch.ones(2, 1, dtype=torch.bool)
        >>> batch = Embeddings(image, image, image[:, None], mask, torch.arange(2))
        >>> gather_embeddings(batch) is batch  # One process has the whole batch already.
        True
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return local
    sizes = torch.tensor(local.mask.shape, device=local.image.device)
    sizes = torch.cat([sizes, (local.image_id != NO_ROW).sum()[None]])
    all_sizes = _AllGather.apply(sizes[None]).tolist()
    most_rows, most_negatives = (max(size[axis] for size in all_sizes) for axis in (0, 1))
    rows, columns = most_rows - local.mask.shape[0], most_negatives - local.mask.shape[1]
    negatives = F.pad(local.negatives, (0, 0, 0, columns))
    mask = F.pad(local.mask.to(torch.uint8), (0, columns))
    parts = (local.image, local.caption, negatives, mask, local.image_id)
    # Indices instead of a mask, which the device would have to send to the CPU to be counted.
    kept_rows = [torch.arange(size[2]) + rank * most_rows for rank, size in enumerate(all_sizes)]
    keep = torch.cat(kept_rows).to(local.image.device)

    def join(part: Tensor) -> Tensor:
        padded = F.pad(part, (0, 0) * (part.dim() - 1) + (0, rows))
        return _AllGather.apply(padded).index_select(0, keep)

    image, caption, negatives, mask, image_id = map(join, parts)
    # All processes have pair ids, or none has.
    pair_id = None if local.pair_id is None else join(local.pair_id)
    return Embeddings(image, caption, negatives, mask.bool(), image_id, pair_id)


def collect_numbers(number: int, device: torch.device) -> list[int]:
    """Collect a number of each process, in the order of their ranks."""
    return _AllGather.apply(torch.tensor([number], device=device)).tolist()


def sum_numbers(numbers: Tensor) -> Tensor:
    """Sum a tensor (n,) over all processes."""
    if not (dist.is_available() and dist.is_initialized()):
        return numbers
    # The backend may know tensors of a device only; objects go with every backend.
    parts: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, numbers.tolist())
    return torch.tensor(parts).sum(0)


def send_object(content: Any, source: int) -> Any:
    """What the process `source` gives; the others' `content` is ignored."""
    box = [content]
    dist.broadcast_object_list(box, source)
    return box[0]


def scatter_objects(contents: list[Any]) -> Any:
    """What the first process has for this one: `contents` holds one for each process, and counts in the first only."""
    received = [None]
    dist.scatter_object_list(received, contents if dist.get_rank() == 0 else None)
    return received[0]


def unshardable_parameters(model: nn.Module) -> nn.ParameterList:
    """Find a model's scalar parameters, such as CLIP's temperature; FSDP cannot cut them into shards.

    FSDP must ignore them, and then it does not average their gradients over processes. It need not: the loss uses them
    after the gather, so each process already has the whole gradient.
    """
    return nn.ParameterList([parameter for parameter in model.parameters() if parameter.dim() == 0])
