"""Models by Hub id or folder: the one place where what goes wrong while loading them becomes one sentence."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ..model.loading import pick_device


# Stable Diffusion 2 for inpainting, the paper's; stabilityai took its own copy off the Hub in November 2025, and this
# is the mirror that diffusers' users were sent to (https://github.com/huggingface/optimum-habana/pull/2363).
INPAINTING = "sd2-community/stable-diffusion-2-inpainting"
CLIPSEG = "CIDAS/clipseg-rd64-refined"
GROUNDING_DINO, SAM = "IDEA-Research/grounding-dino-tiny", "facebook/sam-vit-base"
CLIP = "openai/clip-vit-base-patch32"
EDITOR_FLAGS = ("editor_model", "candidates", "steps", "guidance", "strength")  # settings of the diffusers editor

Loaded = TypeVar("Loaded")


def load_pretrained(name_or_path: str, kind: str, example: str, load: Callable[[], Loaded]) -> Loaded:
    """What `load()` returns.

    Args:
        name_or_path: The Hub id or folder that it loads.
        kind: What that should be, for the message, with its article, such as "a CLIPSeg model".
        example: A Hub id that would do.
        load: Calls `from_pretrained` of transformers or diffusers.

    Raises:
        ValueError: If it cannot be loaded; the message says why and what to pass.
    """
    from safetensors import SafetensorError

    try:
        with memory_told(name_or_path):
            return load()
    # What from_pretrained raises for a missing, foreign or damaged model, by the part that stumbles over it.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError, SafetensorError) as e:
        raise ValueError(_explain(name_or_path, kind, example, e)) from e


def _explain(name_or_path: str, kind: str, example: str, error: BaseException) -> str:
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    chain: list[BaseException] = [error]
    while cause := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(cause)

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in chain)

    wish = f"Name {kind}: a folder, or a Hub id such as {example}."
    if Path(name_or_path).exists() or not has(HFValidationError):
        if has(GatedRepoError):
            return f"{name_or_path} is gated: ask for access on its page of the Hub and log in with `hf auth login`."
        if has(RepositoryNotFoundError):
            return f"The Hub has no model {name_or_path}, or it is private (then: `hf auth login`). {wish}"
        if has(LocalEntryNotFoundError, OfflineModeIsEnabled):
            return (
                f"{name_or_path} is neither a folder here nor in the cache, and the Hub cannot be reached (is "
                f"HF_HUB_OFFLINE set?). Check the name, or where there is a network: hf download {name_or_path}"
            )
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        return f"{name_or_path} cannot be loaded as {kind} ({reason}). {wish}"
    return f"{name_or_path} is neither a folder nor a Hub id. {wish}"


@contextmanager
def memory_told(name_or_path: str) -> Iterator[None]:
    """Turn running out of memory into one sentence.

    Raises:
        ValueError: Instead of torch's error; others pass.
    """
    import torch

    try:
        yield
    except (RuntimeError, MemoryError) as error:
        # On a CPU torch raises a plain RuntimeError.
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and "allocate memory" not in str(error):
            raise
        raise ValueError(
            f"There is not enough memory for {name_or_path} ({str(error).splitlines()[0]}). End what else runs on "
            "the accelerator, take a smaller model, or run on the CPU with CUDA_VISIBLE_DEVICES= in front; the same "
            "command then goes on where it stopped."
        ) from error


def load_transformer(
    model_class: Any, name_or_path: str, model_types: Sequence[str], kind: str, example: str
) -> tuple[Any, Any]:
    """A model of transformers on the accelerator, if there is one, in eval mode, and its processor.

    Args:
        model_class: What loads the model.
        name_or_path: Hub id or folder.
        model_types: The `model_type` that its config may have: `model_class` itself would load a model of another
            kind with random weights and a warning.
        kind: For the message.
        example: For the message.

    Raises:
        ValueError: If it cannot be loaded or is of another kind.
    """
    from transformers import AutoConfig, AutoProcessor

    config = load_pretrained(name_or_path, kind, example, lambda: AutoConfig.from_pretrained(name_or_path))
    if config.model_type not in model_types:
        raise ValueError(
            f"{name_or_path} is a model of type {config.model_type}, not {kind}. Name a folder, or a Hub id such as "
            f"{example}."
        )
    device = pick_device()
    model = load_pretrained(
        name_or_path, kind, example, lambda: model_class.from_pretrained(name_or_path).to(device).eval()
    )
    processor = load_pretrained(name_or_path, kind, example, lambda: AutoProcessor.from_pretrained(name_or_path))
    return model, processor


def commit_of(name_or_path: str, file: str) -> str | None:
    """The commit of a loaded Hub model that has `file`, from where the cache holds it; None for a folder."""
    from huggingface_hub import try_to_load_from_cache

    if Path(name_or_path).is_dir():
        return None
    found = try_to_load_from_cache(name_or_path, file)
    return Path(found).parent.name if isinstance(found, str) else None
