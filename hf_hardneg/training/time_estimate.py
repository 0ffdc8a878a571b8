"""The estimate of how long a training still takes, measured from its first steps."""

import logging
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


logger = logging.getLogger(__name__)

# The first steps are slower than the others: caches fill, and the loader's processes start.
FIRST_STEP, LAST_STEP = 11, 30  # the steps that are timed, counted from the start of this process


def format_seconds(seconds: float) -> str:
    """Round a duration for a reader.

    Examples:
        >>> format_seconds(42.4), format_seconds(200), format_seconds(9000)
        ('42 s', '3 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class TimeEstimate(TrainerCallback):
    """Log once, after step 30, how long the remaining steps will take.

    The time of a step includes waiting for the data loader. It leaves out evaluation and saving. Only the first
    process logs.

    Args:
        name: The model that is trained, for the message.
        clock: Returns seconds.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.perf_counter) -> None:
        self.name, self._clock = name, clock
        self._steps, self._seconds, self._last_event = 0, 0.0, 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start counting; a resumed training counts from its first new step."""
        self._steps, self._seconds = 0, 0.0

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Time the step, if it is one of those that are timed."""
        self._steps += 1
        if self._steps > LAST_STEP:
            return
        if self._steps in (FIRST_STEP - 1, LAST_STEP) and args.device.type != "cpu":
            torch.accelerator.synchronize()  # A device runs behind the CPU.
        now = self._clock()
        if self._steps >= FIRST_STEP:
            self._seconds += now - self._last_event
        self._last_event = now
        steps_left = state.max_steps - state.global_step
        if self._steps == LAST_STEP and steps_left and state.is_world_process_zero:
            self._log(steps_left)

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Leave the evaluation that has just ended out of the next step's time."""
        self._last_event = self._clock()

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Leave the saving that has just ended out of the next step's time."""
        self._last_event = self._clock()

    def _log(self, steps_left: int) -> None:
        per_step = self._seconds / (LAST_STEP - FIRST_STEP + 1)
        logger.info(
            f"Time: about {format_seconds(steps_left * per_step)} for the other {steps_left:,} steps of {self.name} "
            f"({per_step:.2g} s per step); evaluation and saving come on top"
        )
