"""Changes to the layers of CLIP's towers that save time and memory and keep the embeddings.

- `tree_attention` lets tokens of a trie (text_tree.py) attend to ancestors in other rows.
- `read_last_layer` computes the last layer only for the tokens that become embeddings.
- `use_lean_activations` replaces CLIP's activation by one that needs less memory.
"""

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
    """Compute scaled dot product attention for the rows of a `TextTree`.

    Args:
        module: The attention layer.
        query: (R, H, L, D) with H heads of size D.
        key: (R, H, L, D).
        value: (R, H, L, D).
        attention_mask: (R, 1, L, P + L), added to the scores.
        path_index: (R, P) int64: the indices of the P keys of other rows, as in `TextTree`. None for plain attention.
        **kwargs: Further arguments of transformers' `sdpa_attention_forward`.

    Returns:
        The attention output (R, L, H, D), and None in place of the attention weights.
    """
    if path_index is not None:
        key, value = (torch.cat([_pick(part, path_index), part], dim=2) for part in (key, value))
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)


def _pick(part: Tensor, index: Tensor) -> Tensor:
    """Pick the entries (R, H, P, D) at the indices (R, P) of the flattened rows of `part` (R, H, L, D)."""
    flat = part.transpose(1, 2).flatten(0, 1)
    return flat.index_select(0, index.flatten()).unflatten(0, index.shape).transpose(1, 2)


AttentionInterface.register(TREE_ATTENTION, tree_attention)
AttentionMaskInterface.register(TREE_ATTENTION, sdpa_mask)


def _spread(states: Tensor, index: Tensor, like: Tensor) -> Tensor:
    """Put states (M, D) at the indices (M,) of a zero tensor with the first two sizes of `like`, (R, L, D)."""
    zeros = torch.zeros(like.shape[0] * like.shape[1], states.shape[-1], dtype=states.dtype, device=states.device)
    return zeros.index_copy(0, index, states).unflatten(0, like.shape[:2])


def _layer_forward(
    layer: Any, hidden_states: Tensor, attention_mask: Tensor | None = None, *, read_index: Tensor, **kwargs: Any
) -> Tensor:
    """Run a layer of CLIP's encoders for the tokens at `read_index` only; the other outputs are zeros.

    Args:
        layer: The encoder layer.
        hidden_states: (R, L, D).
        attention_mask: As the layer takes it.
        read_index: (M,) int64, distinct indices into the flattened (R * L) states.
        **kwargs: Further arguments of the layer.
    """
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
    """Let a tower take the argument `read_index` (M,), so that its last layer computes only those states.

    An embedding comes from the last state of one token: the end of a text, or the first patch of an image. The last
    layer needs the keys and values of all tokens, but only the queries and the MLP of this one.

    Args:
        tower: `model.text_model` or `model.vision_model` of CLIP's architecture. It is changed in place.
    """
    layer = tower.encoder.layers[-1]
    vars(layer)["forward"] = types.MethodType(_last_layer_forward, layer)


class _QuickGELU(torch.autograd.Function):
    """Compute x sigmoid(a x) as silu(a x) / a: one operation in each direction, and one stored tensor."""

    A = 1.702

    @staticmethod
    def forward(ctx: Any, states: Tensor) -> Tensor:
        """Compute the activation of states of any shape."""
        scaled = states * _QuickGELU.A
        ctx.save_for_backward(scaled)
        return F.silu(scaled).mul_(1 / _QuickGELU.A)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Compute the gradient with respect to the states."""
        return torch.ops.aten.silu_backward(gradients[0], *ctx.saved_tensors)


class LeanQuickGELU(nn.Module):
    """CLIP's activation, equal to transformers' `QuickGELUActivation`, with a third of the memory traffic."""

    def forward(self, states: Tensor) -> Tensor:
        """Compute x sigmoid(1.702 x) of states of any shape."""
        return _QuickGELU.apply(states)


def use_lean_activations(model: nn.Module) -> None:
    """Replace each `QuickGELUActivation` of a model in place; names, weights and config stay as they are."""
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is QuickGELUActivation:
                setattr(module, name, LeanQuickGELU())
