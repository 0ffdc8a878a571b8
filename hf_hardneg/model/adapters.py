"""Training a part of a dual encoder: LoRA on named towers through peft, and frozen towers."""

import copy
from collections.abc import Sequence
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model


TOWERS = ("vision", "text")
LINEAR = "q_proj|k_proj|v_proj|out_proj|fc1|fc2"  # attention and MLP of transformers' CLIP-like encoders


def _check_towers(model: Any, towers: Sequence[str]) -> None:
    if not towers or not set(towers) <= set(TOWERS):
        raise ValueError(f"towers are {list(towers)}; name one or both of {list(TOWERS)}.")
    for tower in towers:
        if not hasattr(model, f"{tower}_model"):
            parts = [name for name, _ in model.named_children()]
            raise ValueError(f"{type(model).__name__} has no {tower}_model; its parts are {parts}.")


def freeze_towers(model: Any, towers: Sequence[str]) -> None:
    """Keep the weights of the towers and of their projections as they are.

    Args:
        model: A dual encoder of transformers.
        towers: "vision", "text" or both.

    Raises:
        ValueError: If there is no such tower.
    """
    _check_towers(model, towers)
    projections = {"vision": "visual_projection", "text": "text_projection"}
    for tower in towers:
        getattr(model, f"{tower}_model").requires_grad_(False)
        if hasattr(model, projections[tower]):
            getattr(model, projections[tower]).requires_grad_(False)


def add_lora(
    model: Any, towers: Sequence[str] = TOWERS, rank: int = 16, alpha: int = 32, dropout: float = 0.0
) -> PeftModel:
    """Put LoRA on the linear layers of the towers' encoders; all else is frozen, the temperature, too.

    Args:
        model: A dual encoder of transformers.
        towers: "vision", "text" or both.
        rank: Of the added matrices, at least 1.
        alpha: The added product is scaled by alpha / rank (Hu et al. 2021, https://huggingface.co/papers/2106.09685).
        dropout: On what goes into the added matrices.

    Raises:
        ValueError: If the rank is below 1, or there is no such tower or no such layer in it.
    """
    _check_towers(model, towers)
    if rank < 1:
        raise ValueError(f"The LoRA rank is {rank}; it must be 1 or more.")
    targets = rf"({'|'.join(towers)})_model\.encoder\.layers\.\d+\.\w+\.({LINEAR})"
    return get_peft_model(model, LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=targets))


def merged(model: Any) -> Any:
    """A plain model with the adapters in its weights, for `save_pretrained`; the given one can go on training."""
    return copy.deepcopy(model).merge_and_unload() if isinstance(model, PeftModel) else model
