"""What the encoder layers of CLIP's towers can save: keys that stand elsewhere, states nobody reads, memory."""

import types
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.activations import QuickGELUActivation
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS


TREE_ATTENTION = "hf_hardneg_tree"


def tree_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    path_index: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Scaled dot product attention of rows of a `TextTree`; without `path_index`, transformers' own.

    Args:
        module: The attention layer.
        query: (R, H, L, D), as `key` and `value`.
        key: See there.
        value: See there.
        attention_mask: (R, 1, L, P + L), additive.
        path_index: (R, P) int64: which of the R * L keys stand before those of the row.
        **kwargs: For transformers' sdpa.

    Returns:
        (R, L, H, D) and None for the weights.
    """
    if path_index is not None:
        key, value = (torch.cat([_pick(part, path_index), part], dim=2) for part in (key, value))
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)


def _pick(part: Tensor, index: Tensor) -> Tensor:
    """The heads (R, H, P, D) of the places `index` (R, P) in the flattened rows of `part` (R, H, L, D)."""
    flat = part.transpose(1, 2).flatten(0, 1)
    return flat.index_select(0, index.flatten()).unflatten(0, index.shape).transpose(1, 2)


AttentionInterface.register(TREE_ATTENTION, tree_attention)
AttentionMaskInterface.register(TREE_ATTENTION, sdpa_mask)


def _spread(states: Tensor, index: Tensor, like: Tensor) -> Tensor:
    """`states` (M, D) at the places `index` of zeros that are shaped like `like` (R, L, D)."""
    zeros = torch.zeros(like.shape[0] * like.shape[1], states.shape[-1], dtype=states.dtype, device=states.device)
    return zeros.index_copy(0, index, states).unflatten(0, like.shape[:2])


def _layer_forward(
    layer: Any, hidden_states: Tensor, attention_mask: Tensor | None = None, *, read_index: Tensor, **kwargs: Any
) -> Tensor:
    """A layer of CLIP's encoders whose output is read at `read_index` (M,) alone, distinct; zeros elsewhere."""
    attention = layer.self_attn
    normed = layer.layer_norm1(hidden_states)
    read_query = attention.q_proj(normed.flatten(0, 1).index_select(0, read_index))
    queries = _spread(read_query, read_index, normed)
    parts = (queries, attention.k_proj(normed), attention.v_proj(normed))
    heads = [part.unflatten(-1, (-1, attention.head_dim)).transpose(1, 2) for part in parts]
    attend: Callable = ALL_ATTENTION_FUNCTIONS.get(attention.config._attn_implementation, sdpa_attention_forward)
    dropout = attention.dropout if attention.training else 0.0
    context, _ = attend(attention, *heads, attention_mask, scaling=attention.scale, dropout=dropout, **kwargs)
    read = attention.out_proj(context.flatten(2).flatten(0, 1).index_select(0, read_index))
    read = hidden_states.flatten(0, 1).index_select(0, read_index) + read
    read = read + layer.mlp(layer.layer_norm2(read))
    return _spread(read, read_index, hidden_states)


def _last_layer_forward(layer: Any, *args: Any, **kwargs: Any) -> Tensor:
    if kwargs.get("read_index") is None:
        return type(layer).forward(layer, *args, **kwargs)
    return _layer_forward(layer, *args, **kwargs)


def read_last_layer(tower: Any) -> None:
    """Let a tower take `read_index` (M,): its last layer then computes the states at these places alone.

    Of the last layer, a text tower is read at one token a text, CLIP's vision tower at one of all its patches. Only
    the keys and values of the others matter.

    Args:
        tower: `model.text_model` or `model.vision_model`, of CLIP's architecture.
    """
    layer = tower.encoder.layers[-1]
    vars(layer)["forward"] = types.MethodType(_last_layer_forward, layer)


class _QuickGELU(torch.autograd.Function):
    """x sigmoid(a x) as silu(a x) / a, whose derivative is that of silu at a x: one pass each way, one tensor kept."""

    A = 1.702

    @staticmethod
    def forward(ctx: Any, states: Tensor) -> Tensor:
        """The activation of `states`, any shape."""
        scaled = states * _QuickGELU.A
        ctx.save_for_backward(scaled)
        return F.silu(scaled).mul_(1 / _QuickGELU.A)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """The gradient with respect to `states`."""
        return torch.ops.aten.silu_backward(gradients[0], *ctx.saved_tensors)


class LeanQuickGELU(nn.Module):
    """CLIP's activation with a third of the memory traffic; equal to transformers' `QuickGELUActivation`."""

    def forward(self, states: Tensor) -> Tensor:
        """Return x sigmoid(1.702 x) of states of any shape."""
        return _QuickGELU.apply(states)


def use_lean_activations(model: nn.Module) -> None:
    """Put `LeanQuickGELU` where a model has transformers' own; names, weights and config stay as they are."""
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is QuickGELUActivation:
                setattr(module, name, LeanQuickGELU())
