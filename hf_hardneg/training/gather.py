"""Join the embeddings of all processes, with gradient. The only file that knows ranks."""

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from ..model.embeddings import Embeddings


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
    """Return the batch of all ranks, in rank order; ranks may differ in B and in K.

    Every rank then computes the same loss of the joined batch. The backward pass sums over ranks, and
    DistributedDataParallel averages over them, so that each parameter's gradient is that of one process with the
    joined batch (tests/training/test_gather.py). Without a process group the batch is returned as it is.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return local
    sizes = torch.tensor(local.mask.shape, device=local.image.device)
    all_sizes = _AllGather.apply(sizes[None]).tolist()
    most_rows, most_negatives = (max(size[axis] for size in all_sizes) for axis in (0, 1))
    rows, columns = most_rows - local.mask.shape[0], most_negatives - local.mask.shape[1]
    negatives = F.pad(local.negatives, (0, 0, 0, columns))
    mask = F.pad(local.mask.to(torch.uint8), (0, columns))
    parts = (local.image, local.caption, negatives, mask, local.image_id)
    # Places and not a mask: a mask on the device would have to come back to the host to be counted.
    places = [torch.arange(size[0]) + rank * most_rows for rank, size in enumerate(all_sizes)]
    keep = torch.cat(places).to(local.image.device)
    joined = []
    for part in parts:
        padded = F.pad(part, (0, 0) * (part.dim() - 1) + (0, rows))
        joined.append(_AllGather.apply(padded).index_select(0, keep))
    image, caption, negatives, mask, image_id = joined
    return Embeddings(image, caption, negatives, mask.bool(), image_id)


def unshardable_parameters(model: nn.Module) -> nn.ParameterList:
    """The scalars of a model (CLIP's temperature), which FSDP cannot cut in shards: let it ignore them.

    FSDP then does not average their gradients over processes either. It need not: they are used after the gather,
    where every process computes the same loss, so that each has the whole gradient.
    """
    return nn.ParameterList([parameter for parameter in model.parameters() if parameter.dim() == 0])
