"""What a trainer cannot use, told in one sentence before it starts."""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from peft import PeftModel
from torch import nn
from transformers import Trainer, TrainingArguments
from transformers.integrations import integration_utils
from transformers.training_args import OptimizerNames
from transformers.utils import is_liger_kernel_available

from ..evaluation.wrong_image import CONTROLS
from ..model.adapters import LOAD_MERGED
from ..suggestions import did_you_mean
from .arguments import HardNegCLIPTrainingArguments
from .twin_batches import count_pairs, process_batch_size


logger = logging.getLogger(__name__)

HALF = (torch.float16, torch.bfloat16)
CHOICES = ("accuracy", "image_to_text", "text_to_image", "original")
CONTROL_SCORES = tuple(f"{score}{control}" for score in CHOICES for control in CONTROLS)


def check_arguments(args: TrainingArguments | None) -> None:
    """Check that a trainer got arguments that it can use.

    Raises:
        ValueError: If they are not `HardNegCLIPTrainingArguments`, want NEFTune, one process sees several GPUs, or
            `twin_share` leaves no room in a batch.
    """
    if not isinstance(args, HardNegCLIPTrainingArguments):
        raise ValueError(
            f"args is a {type(args).__name__}; HardNegCLIPTrainer needs HardNegCLIPTrainingArguments, which take all "
            "arguments of TrainingArguments and those for hard negatives."
        )
    if args.neftune_noise_alpha is not None:
        raise ValueError(
            "neftune_noise_alpha adds noise to the input embeddings of a language model, which a dual encoder does "
            "not have: leave it out."
        )
    if args.n_gpu > 1:
        raise ValueError(
            f"One process sees {args.n_gpu} GPUs, which would tear batches apart. Start one process per GPU with "
            "`accelerate launch`, or show the process one GPU with CUDA_VISIBLE_DEVICES."
        )
    count_pairs(args.twin_share or 0, process_batch_size(args, args.train_batch_size))


def check_processor(processor: Any, needed_by: str) -> None:
    """Check that a trainer got a processor with a tokenizer and an image processor; raises ValueError."""
    if getattr(processor, "tokenizer", None) is None or getattr(processor, "image_processor", None) is None:
        raise ValueError(
            f"processing_class is a {type(processor).__name__}; {needed_by} needs the model's processor, with its "
            "tokenizer and image processor: processing_class=AutoProcessor.from_pretrained(...)."
        )


def check_weights(model: nn.Module, args: HardNegCLIPTrainingArguments) -> None:
    """Check that the weights can be trained and saved, and warn of half-precision weights that are to be updated.

    Raises:
        ValueError: If the model holds an adapter that cannot be merged, or float16 weights under fp16.
    """
    if getattr(model, "_hf_peft_config_loaded", False):
        raise ValueError(f"The model holds an adapter of peft apart from its weights; {LOAD_MERGED}")
    if isinstance(model, PeftModel) and not hasattr(model, "merge_and_unload"):
        raise ValueError(
            f"The model's adapter ({model.active_peft_config.peft_type}) cannot be merged into its weights at the "
            "end; use LoRA (`hf_hardneg.model.add_lora`)."
        )
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    half = {weights.dtype for weights in trained} & set(HALF)
    if args.fp16 and torch.float16 in half:
        raise ValueError("fp16 needs float32 weights, and the model's are float16: load it with dtype='float32'.")
    base = {weights.dtype for weights in model.parameters() if not weights.requires_grad} & set(HALF)
    if isinstance(model, PeftModel) and base:
        logger.warning(
            f"The adapter is merged into {_names(base)} weights at the end, where a small update is lost; the scores "
            "are of the merged model. Load the model in float32, as `load_model` does."
        )
    if half:
        logger.warning(
            f"The weights to train are {_names(half)}: an update below about a thousandth of a weight is lost. "
            "Load the model in float32, as `load_model` does; bf16=True then still computes in bfloat16."
        )


def _names(dtypes: Iterable[torch.dtype]) -> str:
    return " and ".join(sorted(str(dtype).removeprefix("torch.") for dtype in dtypes))


def check_trainable(model: Any) -> None:
    """Check that a training can change something; raises ValueError."""
    if not any(weights.requires_grad for weights in model.parameters()):
        raise ValueError("Nothing is left to train: every weight of the model is frozen (requires_grad is False).")


def check_packages(args: HardNegCLIPTrainingArguments, model: Any = None) -> None:
    """Check that the packages that arguments ask for are installed, before data are prepared.

    Args:
        args: The training arguments.
        model: The model to train; some optimizers look at it.

    Raises:
        ValueError: If a package is missing; the message names it.
    """
    for name in args.report_to or ():
        _check_reporter(name)
    try:
        Trainer.get_optimizer_cls_and_kwargs(args, model)
    except ImportError as error:
        raise ValueError(
            f"optim is {str(OptimizerNames(args.optim).value)!r}, and a package is missing: {error}"
        ) from error
    if args.use_liger_kernel and not is_liger_kernel_available():
        raise ValueError("use_liger_kernel needs a package that is missing: `pip install liger-kernel`.")


def _check_reporter(name: str) -> None:
    is_available = getattr(integration_utils, f"is_{name}_available", None)
    if is_available is not None and not is_available():
        raise ValueError(f"report_to is {name!r}, and a package is missing: `pip install {name}`.")
    try:
        for callback in integration_utils.get_reporting_integration_callbacks([name]):
            callback()  # It looks for its package.
    except (RuntimeError, ImportError) as error:
        raise ValueError(f"report_to is {name!r}, and a package is missing: {error}") from error


def _is_control(metric: str) -> bool:
    return any(control in metric for control in CONTROL_SCORES)


def check_best_metric(metric: str | None, known: Sequence[str], beginnings: Iterable[str] = ()) -> None:
    """Check that an evaluation will have the metric that chooses the best model.

    Args:
        metric: `metric_for_best_model`, with or without "eval_"; None is fine.
        known: The metrics that an evaluation has, without "eval_".
        beginnings: How further metrics begin; their ends depend on the data.

    Raises:
        ValueError: If it is unknown; the message names the nearest known one. If it is a score beside wrong images
            or texts, which is neither good nor bad when it is high.

    Examples:
        >>> check_best_metric("eval_loss", ["loss", "accuracy"])
        >>> check_best_metric("acuracy", ["loss", "accuracy"])
        Traceback (most recent call last):
            ...
        ValueError: metric_for_best_model is 'acuracy', which no evaluation has. Did you mean 'eval_accuracy'?
    """
    name = (metric or "").removeprefix("eval_")
    if _is_control(name):
        raise ValueError(
            f"metric_for_best_model is {metric!r}, a score beside wrong images or texts, which is neither good nor "
            "bad when it is high. Take the score without this ending, or what it adds, such as "
            "eval_accuracy_by_looking."
        )
    if not name or name in known or name.startswith(tuple(beginnings)):
        return
    offered = [one for one in (*known, *beginnings) if not _is_control(one)]
    suggestion = did_you_mean(f"eval_{name}", [f"eval_{one}" for one in offered])
    raise ValueError(f"metric_for_best_model is {metric!r}, which no evaluation has.{suggestion}")
