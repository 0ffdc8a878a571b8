"""Train a part of a dual encoder: freeze towers, or train towers with LoRA through peft.

Source of LoRA: Hu et al. 2021, https://huggingface.co/papers/2106.09685
"""

import copy
from collections.abc import Sequence
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model


TOWERS = ("vision", "text")
LOAD_MERGED = "load it with `hf_hardneg.model.load_model`, which merges adapters."
LINEAR = "q_proj|k_proj|v_proj|out_proj|fc1|fc2"  # attention and MLP of transformers' CLIP-like encoders


def freeze_towers(model: Any, towers: Sequence[str]) -> None:
    """Freeze the weights of towers and of their projections, in place.

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


def unfreeze_visual_projection(model: Any) -> None:
    """Train the projection of the image embeddings of a model with a frozen vision tower, in place.

    Raises:
        ValueError: If the model has no such projection, as SigLIP.
    """
    if not hasattr(model, "visual_projection"):
        raise ValueError(f"{type(model).__name__} has no visual_projection; leave out train_visual_projection.")
    model.visual_projection.requires_grad_(True)


def add_lora(
    model: Any, towers: Sequence[str] = TOWERS, rank: int = 16, alpha: int = 32, dropout: float = 0.0
) -> PeftModel:
    """Add LoRA to the attention and MLP layers of towers; all other weights freeze, also the temperature.

    Args:
        model: A dual encoder of transformers.
        towers: "vision", "text" or both.
        rank: The rank of the added matrices, 1 or more.
        alpha: The product of the added matrices is multiplied by alpha / rank.
        dropout: Dropout on the input of the added matrices, in [0, 1).

    Returns:
        The model with LoRA; it shares its weights with `model`.

    Raises:
        ValueError: If the rank is below 1, the model lacks a tower, a tower lacks such layers, or the model still
            holds an adapter apart from its weights.

    Reference:
        LoRA, Hu et al. 2021, https://huggingface.co/papers/2106.09685

    Example:
        ```python
        model, processor = load_model("openai/clip-vit-base-patch32")
        adapted = add_lora(model, ["text"], rank=8)
        ...  # train `adapted`
        merge_lora(adapted).save_pretrained("my-clip")
        ```
    """
    _check_towers(model, towers)
    if rank < 1:
        raise ValueError(f"The LoRA rank is {rank}; it must be 1 or more.")
    if getattr(model, "_hf_peft_config_loaded", False):
        raise ValueError(f"The model still holds an adapter apart from its weights; {LOAD_MERGED}")
    targets = rf"({'|'.join(towers)})_model\.encoder\.layers\.\d+\.\w+\.({LINEAR})"
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=targets)
    # The commit that the base model came from, if it came from the Hub: the adapter belongs to these weights only.
    return get_peft_model(model, config, revision=getattr(model.config, "_commit_hash", None))


def merge_lora(model: Any) -> Any:
    """Copy a model with LoRA into a plain one, whose weights include the adapters.

    Args:
        model: From `add_lora`. It stays as it is, and can go on training. A model without LoRA is returned itself.
    """
    return copy.deepcopy(model).merge_and_unload() if isinstance(model, PeftModel) else model


def _check_towers(model: Any, towers: Sequence[str]) -> None:
    if not towers or not set(towers) <= set(TOWERS):
        raise ValueError(f"towers are {list(towers)}; name one or both of {list(TOWERS)}.")
    for tower in towers:
        if not hasattr(model, f"{tower}_model"):
            parts = [name for name, _ in model.named_children()]
            raise ValueError(f"{type(model).__name__} has no {tower}_model; its parts are {parts}.")
