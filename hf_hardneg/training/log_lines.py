"""What Trainer logs, as lines for a reader instead of dictionaries."""

import logging
from collections.abc import Mapping
from typing import Any

from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerCallback, TrainerControl, TrainerState
from transformers import TrainingArguments as Args

from .time_estimate import format_seconds


logger = logging.getLogger(__name__)

SPEEDS = ("runtime", "samples_per_second", "steps_per_second", "total_flos")


def describe_log(logs: Mapping[str, Any], state: TrainerState) -> str:
    """One of Trainer's logs in one line.

    Args:
        logs: Of a step, of an evaluation, or of the end of the training, which has `train_runtime` in seconds.
        state: The trainer's.

    Examples:
        >>> describe_log({"loss": 3.2134, "epoch": 0.5}, TrainerState(global_step=50, max_steps=200))
        'step 50 of 200: loss 3.213, epoch 0.5'
        >>> describe_log({"train_runtime": 80.2, "train_loss": 2.5}, TrainerState(global_step=200, max_steps=200))
        '200 steps in 80 s, mean loss 2.5'
    """
    if "train_runtime" in logs:
        mean = f", mean loss {_round(logs['train_loss'])}" if "train_loss" in logs else ""
        return f"{state.global_step:,} steps in {format_seconds(logs['train_runtime'])}{mean}"
    values = [f"{name} {_round(value)}" for name, value in logs.items() if not name.endswith(SPEEDS)]
    return f"step {state.global_step:,} of {state.max_steps:,}: {', '.join(values)}"


def _round(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class LogLines(TrainerCallback):
    """Write Trainer's logs to the log of this package.

    Args:
        name: The model that is trained, which each line begins with.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def on_log(
        self,
        args: Args,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write one log; only the first process does."""
        if logs and state.is_world_process_zero:
            logger.info(f"{self.name}, {describe_log(logs, state)}")


class BarOnly(ProgressCallback):
    """Trainer's progress bar without its dictionaries."""

    def on_log(
        self, args: Args, state: TrainerState, control: TrainerControl, logs: Any = None, **kwargs: Any
    ) -> None:
        """Write nothing: `LogLines` does."""


def write_log_lines(trainer: Trainer, name: str) -> None:
    """Let a trainer write lines instead of dictionaries; in a notebook, which has a table, nothing changes."""
    if trainer.pop_callback(PrinterCallback) is not None:
        trainer.add_callback(LogLines(name))
    elif trainer.pop_callback(ProgressCallback) is not None:
        trainer.add_callback(BarOnly())
        trainer.add_callback(LogLines(name))
