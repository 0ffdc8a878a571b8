"""Load pretrained models by Hub id or folder, and turn loading errors into one clear sentence."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from safetensors import SafetensorError

from ..model.loading import pick_device


Loaded = TypeVar("Loaded")


def load_pretrained(name_or_path: str, kind: str, example: str, load: Callable[[], Loaded]) -> Loaded:
    """Call `load` and turn its errors into one sentence.

    Args:
        name_or_path: The Hub id or folder that `load` loads.
        kind: The expected kind of model with its article, such as "a CLIPSeg model". For the message.
        example: A Hub id that would work. For the message.
        load: Calls `from_pretrained` of transformers or diffusers.

    Returns:
        What `load` returns.

    Raises:
        ValueError: If the model cannot be loaded. The message says why and what to pass instead.
    """
    try:
        with explain_out_of_memory(name_or_path):
            return load()
    # from_pretrained raises any of these for a missing, wrong or damaged model.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError, SafetensorError) as e:
        raise ValueError(_explain(name_or_path, kind, example, e)) from e


def _explain(name_or_path: str, kind: str, example: str, error: BaseException) -> str:
    chain: list[BaseException] = [error]
    while cause := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(cause)

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in chain)

    advice = f"Name {kind}: a folder, or a Hub id such as {example}."
    if Path(name_or_path).exists() or not has(HFValidationError):
        if has(GatedRepoError):
            return f"{name_or_path} is gated: ask for access on its page of the Hub and log in with `hf auth login`."
        if has(RepositoryNotFoundError):
            return f"The Hub has no model {name_or_path}, or it is private (then: `hf auth login`). {advice}"
        if has(LocalEntryNotFoundError, OfflineModeIsEnabled):
            return (
                f"{name_or_path} is neither a folder here nor in the cache, and the Hub cannot be reached (is "
                f"HF_HUB_OFFLINE set?). Check the name, or where there is a network: hf download {name_or_path}"
            )
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        return f"{name_or_path} cannot be loaded as {kind} ({reason}). {advice}"
    return f"{name_or_path} is neither a folder nor a Hub id. {advice}"


@contextmanager
def explain_out_of_memory(name_or_path: str) -> Iterator[None]:
    """Turn an out-of-memory error into one sentence.

    Args:
        name_or_path: The model that runs. For the message.

    Raises:
        ValueError: If memory runs out. All other errors pass through.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        # On the CPU, torch raises a plain RuntimeError.
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and "allocate memory" not in str(error):
            raise
        raise ValueError(
            f"There is not enough memory for {name_or_path} ({str(error).splitlines()[0]}). End other programs on the "
            "accelerator, take a smaller model, or run on the CPU with CUDA_VISIBLE_DEVICES= before the command; "
            "it then goes on where it stopped."
        ) from error


def load_transformer(
    model_class: Any, name_or_path: str, model_types: Sequence[str], kind: str, example: str
) -> tuple[Any, Any]:
    """Load a model of transformers in eval mode on the accelerator (else the CPU), and its processor.

    Args:
        model_class: The class whose `from_pretrained` loads the model.
        name_or_path: Hub id or folder.
        model_types: Allowed values of `model_type` in the config. The check is needed because `model_class` would
            load another kind of model with random weights and only a warning.
        kind: The expected kind of model with its article. For the message.
        example: A Hub id that would work. For the message.

    Returns:
        The model and its processor.

    Raises:
        ValueError: If the model cannot be loaded or is of another kind.
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
    """Return the commit of a Hub model from the path of its cached `file`, or None for a folder."""
    if Path(name_or_path).is_dir():
        return None
    cached = try_to_load_from_cache(name_or_path, file)
    return Path(cached).parent.name if isinstance(cached, str) else None
