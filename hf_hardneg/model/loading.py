"""Load a dual encoder of images and texts, such as CLIP, with its processor, and choose its device."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..revisions import split_revision
from ..user_errors import naming
from .model_files import check_model_files


if TYPE_CHECKING:
    import torch

START_MODEL = Path(__file__).parents[1] / "start_model"  # the small CLIP of this package


def load_model(name_or_path: str) -> tuple[Any, Any]:
    """Load a dual encoder and its processor, on the CPU and in eval mode.

    Args:
        name_or_path: Hub id, ID@REVISION or folder of a CLIP, MetaCLIP 2 or SigLIP model, or another of transformers that has
            `get_text_features` and a temperature.

    Returns:
        The model and its processor.

    Raises:
        OSError: If there is no such model.
        ValueError: If it is another kind of model, or has no processor.

    Examples:
        >>> model, processor = load_model(str(START_MODEL))
        >>> type(model).__name__, type(processor).__name__
        ('CLIPModel', 'CLIPProcessor')
    """
    from transformers import AutoModel, AutoProcessor

    name, revision = split_revision(name_or_path)
    check_model_files(Path(name))
    with naming(name_or_path):
        try:
            model = AutoModel.from_pretrained(name, revision=revision)
        except OSError as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise OSError(f"{name_or_path} cannot be loaded from a folder or from the Hub ({reason})") from error
    if not hasattr(model, "get_text_features") or not hasattr(model, "logit_scale"):
        raise ValueError(
            f"{name_or_path} is a {type(model).__name__}, not a dual encoder of images and texts such as "
            "openai/clip-vit-base-patch32 or google/siglip-base-patch16-224."
        )
    try:
        with naming(name_or_path):
            return model, AutoProcessor.from_pretrained(name, revision=revision)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{name_or_path} has no processor that can be loaded ({error}); save the processor of the model that it "
            "was made from beside the weights."
        ) from error


def pick_device() -> "torch.device":
    """The device that Accelerate chooses: this process's accelerator, or the CPU if there is none."""
    from accelerate import PartialState

    return PartialState().device
