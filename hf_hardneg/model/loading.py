"""Load a dual encoder and its processor, and choose the device that it runs on."""

from pathlib import Path
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    import torch

START_MODEL = Path(__file__).parents[1] / "start_model"  # the small CLIP that is shipped with this package


def load_model(name_or_path: str) -> tuple[Any, Any]:
    """A dual encoder of transformers and its processor.

    Raises:
        ValueError: If it is another kind of model.
    """
    from transformers import AutoModel, AutoProcessor

    model = AutoModel.from_pretrained(name_or_path)
    if not hasattr(model, "get_text_features") or not hasattr(model, "logit_scale"):
        raise ValueError(
            f"{name_or_path} is a {type(model).__name__}, not a dual encoder of images and texts such as "
            "openai/clip-vit-base-patch32 or google/siglip-base-patch16-224."
        )
    try:
        return model, AutoProcessor.from_pretrained(name_or_path)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{name_or_path} has no processor that can be loaded ({error}); save the processor of the model that it "
            "was made from beside the weights."
        ) from error


def pick_device() -> "torch.device":
    """The device that Accelerate chooses: this process's accelerator, or the CPU if there is none."""
    from accelerate import PartialState

    return PartialState().device
