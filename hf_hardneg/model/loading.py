"""Load a dual encoder of images and texts, such as CLIP, with its processor, and choose its device."""

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..revisions import split_revision
from ..suggestions import nearest_path
from ..user_errors import HubBusyError, busy_hub, naming
from .model_files import check_model_files


if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

START_MODEL = Path(__file__).parents[1] / "start_model"  # the small CLIP of this package
PAPER_MODEL = "openai/clip-vit-base-patch32"
FLOAT32 = "float32"
HALF = ("bfloat16", "float16")
DTYPES = (FLOAT32, *HALF, "auto")
BAD_VALUE = "its config.json, or another of its files, has a value that cannot be used; mend it"
MISSING_ADAPTER_KEYS = "Found missing adapter keys"  # what peft warns of


def load_model(name_or_path: str, dtype: str = FLOAT32) -> tuple[Any, Any]:
    """Load a dual encoder and its processor, on the CPU and in eval mode.

    An adapter of peft, such as LoRA's, is merged into its base model.

    Args:
        name_or_path: Hub id, ID@REVISION or folder of a CLIP, MetaCLIP 2 or SigLIP model, or another of transformers
            that has `get_text_features` and a temperature. It may hold an adapter of such a model.
        dtype: What the weights become: "float32", "bfloat16", "float16", or "auto", what they were saved as.

    Returns:
        The model and its processor.

    Raises:
        OSError: If there is no such model; a `HubBusyError` if the Hub is busy or down.
        ValueError: If it is another kind of model, has no processor, or holds both an adapter and whole weights.

    Examples:
        >>> model, processor = load_model(str(START_MODEL))
        >>> type(model).__name__, type(processor).__name__
        ('CLIPModel', 'CLIPProcessor')
    """
    if _is_adapter(name_or_path):
        return _load_adapted(name_or_path, dtype)
    model = _load_weights(name_or_path, dtype)
    if not hasattr(model, "get_text_features") or not hasattr(model, "logit_scale"):
        raise ValueError(
            f"{name_or_path} is a {type(model).__name__}, not a dual encoder of images and texts such as "
            f"{PAPER_MODEL} or google/siglip-base-patch16-224."
        )
    return model, _load_processor(name_or_path)


def saved_dtype(name_or_path: str) -> str | None:
    """Return the dtype that a checkpoint says its weights have, such as "bfloat16"; None if it does not say."""
    from transformers import AutoConfig

    name, revision = split_revision(name_or_path)
    try:
        dtype = AutoConfig.from_pretrained(name, revision=revision).dtype
    except (OSError, ValueError):  # An adapter has no such config.
        return None
    return None if dtype is None else str(dtype).removeprefix("torch.")


def _is_adapter(name_or_path: str) -> bool:
    from transformers.utils.peft_utils import find_adapter_config_file

    name, revision = split_revision(name_or_path)
    try:
        return find_adapter_config_file(name, revision=revision) is not None
    except OSError as error:
        raise _not_found(name_or_path, error) from error


def _load_weights(name_or_path: str, dtype: str) -> Any:
    from transformers import AutoModel

    name, revision = split_revision(name_or_path)
    check_model_files(Path(name))
    with naming(name_or_path, BAD_VALUE):
        try:
            return AutoModel.from_pretrained(name, revision=revision, dtype=dtype)
        except OSError as error:
            raise _not_found(name_or_path, error) from error


def _not_found(name_or_path: str, error: Exception) -> OSError:
    busy = busy_hub(error)
    if busy:
        return HubBusyError(f"{name_or_path} could not be loaded. {busy}")
    path = Path(name_or_path).expanduser()
    here = "" if path.exists() else f"There is no folder {path.absolute()}.{nearest_path(path)} "
    return OSError(f"{name_or_path} cannot be loaded from a folder or from the Hub. {here}{_why(error, here)}")


def _why(error: Exception, here: str) -> str:
    """The cause of a failed download; transformers says of most of them only that it could not connect."""
    chain: list[BaseException] = [error]
    while (below := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(below)
    kinds = {kind.__name__ for one in chain for kind in type(one).__mro__}
    texts = " ".join(map(str, chain))
    if "GatedRepoError" in kinds:
        return "The model is gated: ask for access on its page on the Hub, and log in with `hf auth login`."
    if "RevisionNotFoundError" in kinds:
        return "The Hub has no such revision of it."
    if "RepositoryNotFoundError" in kinds or "404 Not Found" in texts and here:
        return (
            "The Hub has no model of this name that you can see: a name is OWNER/NAME, and a private model needs "
            "`hf auth login`."
        )
    if here and "outgoing traffic has been disabled" in texts:
        return "The cache of downloads does not have it, and HF_HUB_OFFLINE is set: unset it to download the model."
    if "ConnectError" in kinds or "ConnectionError" in kinds or "TimeoutException" in kinds:
        return f"The cache of downloads does not have it, and the Hub could not be reached ({_first_line(chain[-1])})."
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _load_processor(name_or_path: str) -> Any:
    from transformers import AutoProcessor

    name, revision = split_revision(name_or_path)
    try:
        with naming(name_or_path, BAD_VALUE):
            return AutoProcessor.from_pretrained(name, revision=revision)
    except (OSError, ValueError) as error:
        busy = busy_hub(error)
        if busy:
            raise HubBusyError(f"{name_or_path} could not be loaded. {busy}") from error
        raise ValueError(
            f"{name_or_path} has no processor that can be loaded ({error}); save the processor of the model that it "
            "was made from beside the weights."
        ) from error


def _load_adapted(name_or_path: str, dtype: str) -> tuple[Any, Any]:
    """Load the base model of an adapter, and merge the adapter into it."""
    from peft import PeftConfig, PeftModel

    name, revision = split_revision(name_or_path)
    _refuse_two_models(Path(name))
    with naming(name_or_path, BAD_VALUE):
        config = PeftConfig.from_pretrained(name, revision=revision)
    base_name = config.base_model_name_or_path
    if not base_name:
        raise ValueError(f"The adapter {name_or_path} does not say which model it belongs to (adapter_config.json).")
    try:
        model, processor = load_model(f"{base_name}@{config.revision}" if config.revision else base_name, dtype)
    except HubBusyError:
        raise
    except OSError as error:
        raise OSError(f"{name_or_path} is an adapter, and its base model is missing: {error}") from error
    try:
        with warnings.catch_warnings():
            # peft only warns of weights that the adapter's file lacks, and goes on without them.
            warnings.filterwarnings("error", message=MISSING_ADAPTER_KEYS)
            model = PeftModel.from_pretrained(model, name, revision=revision).merge_and_unload()
    except (RuntimeError, UserWarning, AttributeError, KeyError) as error:
        reason = _first_line(error)
        raise ValueError(f"The adapter {name_or_path} cannot be merged into {base_name} ({reason})") from error
    logger.warning(f"{name_or_path} is an adapter; it is merged into its base model {base_name}.")
    # A next adapter then names this one as its base, not the model below.
    model.name_or_path, model.config._commit_hash = name_or_path, None
    return model.requires_grad_(True).eval(), processor  # peft has frozen the base model's weights.


def _refuse_two_models(folder: Path) -> None:
    """Refuse a folder with an adapter and whole weights: only its owner knows which of them is the model."""
    found = [file.name for file in sorted(folder.glob("*model*")) if file.suffix in (".safetensors", ".bin", ".json")]
    whole = [name for name in found if not name.startswith("adapter")]
    if whole:
        raise ValueError(
            f"{folder} holds an adapter (adapter_config.json) and whole weights ({whole[0]}), so it is not clear "
            "which of them is meant: move one of them to a folder of its own."
        )


def pick_device() -> "torch.device":
    """The device that Accelerate chooses: this process's accelerator, or the CPU if there is none."""
    from accelerate import PartialState

    return PartialState().device
