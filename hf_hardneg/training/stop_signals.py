"""SIGTERM and SIGINT: preemption and Ctrl-C end a training after its step, with a checkpoint to go on from.

Trainer's `enable_jit_checkpoint` is not used: it knows SIGTERM only, waits three seconds, lets each process choose a
step of its own, and tells nobody.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import distributed
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from ..process_group import leave_process_group


logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Slurm signals every process of a job, and torchrun passes on what it got: both are one order to stop.
ONE_ORDER_SECONDS = 2.0
GO_ON = "to go on, run the same command with --resume_from_checkpoint true"


class Stopped(SystemExit):
    """A signal ended the command; the exit code is 128 + the signal's number, as in a shell (130 or 143)."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


class StopSignals:
    """Handle SIGTERM and SIGINT inside a `with` block.

    Outside a training, a signal ends the command at once with one sentence. In a training (`finish_step`) it is kept
    in `received` until the step has ended. A second signal ends the process at once.

    Args:
        clock: Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.received = 0
        self._clock, self._first, self._finishes_step = clock, 0.0, False
        self._process, self._earlier = os.getpid(), {}  # type: ignore[var-annotated]
        os.register_at_fork(after_in_child=self._keep_worker)

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():  # Python allows handlers there only.
            # nohup ignores signals on purpose.
            chosen = [one for one in SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]
            self._earlier = {one: signal.signal(one, self._handle) for one in chosen}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    @contextmanager
    def finish_step(self) -> Iterator[None]:
        """Let a training end its step, and save; an instance of `StopAfterStep` in it asks for `received`.

        Raises:
            Stopped: If a signal came after the last step.
        """
        self._finishes_step = True
        try:
            yield
        finally:
            self._finishes_step = False
        if self.received:
            _tell(f"The training had ended, but not its evaluation; {GO_ON}.")
            raise Stopped(self.received)

    def _keep_worker(self) -> None:
        """Make a data worker that has just been forked heed its process only, so that the step gets its data.

        A signal to all processes would end it. Its process ends it with SIGTERM.
        """
        if self._finishes_step and hasattr(signal, "sigwaitinfo"):  # macOS lacks it, and forks no workers.
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            threading.Thread(target=_end_with_parent, daemon=True).start()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a forked child, which inherits handlers
            if self._finishes_step:
                return  # A data worker, which `_keep_worker` has not reached yet.
            os._exit(128 + number)  # One of `datasets`, say, has no training to save.
        now = self._clock()
        if self.received and now - self._first < ONE_ORDER_SECONDS:
            return
        name = signal.Signals(number).name
        if self.received:
            _tell(f"{name} again: ended at once.")
            os._exit(128 + number)
        self.received, self._first = number, now
        if not self._finishes_step:
            _tell(f"{name}: ended at once; {GO_ON}.")
            raise Stopped(number)
        _tell(f"{name}: the training stops after this step and writes a checkpoint. A second signal ends it at once.")


class StopAfterStep(TrainerCallback):
    """Stop a training after the step in which any of its processes got a signal, with a checkpoint.

    Args:
        signals: Handles the signals of this process.
        name: The model that is trained, for the message.
    """

    def __init__(self, signals: StopSignals, name: str) -> None:
        self.signals, self.name, self.received = signals, name, 0
        self._group: Any = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Open a connection between the CPUs of all processes: reading a GPU's answer would make each step wait."""
        if args.world_size > 1 and self._group is None:
            self._group = distributed.new_group(backend="gloo")

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Ask for a checkpoint if there was a signal; all processes agree on the step."""
        received = torch.tensor(self.signals.received)
        if self._group is not None:
            distributed.all_reduce(received, distributed.ReduceOp.MAX, group=self._group)
        self.received = int(received)
        if self.received:
            control.should_save, args.save_only_model = True, False

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Say where the checkpoint is, and end.

        Raises:
            Stopped: After a signal. Trainer's own end would load the best checkpoint, and could delete this one.
        """
        if not self.received:
            return
        folder = Path(str(args.output_dir)) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        logger.warning(
            f"{signal.Signals(self.received).name}: {self.name} stopped after step {state.global_step:,} of "
            f"{state.max_steps:,}. The checkpoint is {folder}; {GO_ON}."
        )
        leave_process_group()  # All processes are here.
        raise Stopped(self.received)


def _end_with_parent() -> None:
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != os.getppid():
        pass
    os._exit(0)


def _tell(sentence: str) -> None:
    """Write a line to stderr from a signal handler, where a logger could be in the middle of another line."""
    if os.environ.get("RANK", "0") == "0":
        os.write(2, f"\n{sentence}\n".encode())
