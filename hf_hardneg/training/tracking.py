"""Two trainings of one run are two runs for wandb, TensorBoard, MLflow and the like, in one group."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


# What gives a run of a tracker its identity. Only one of two trainings can have it.
IDENTITIES = ("WANDB_RUN_ID", "WANDB_RESUME", "WANDB_SWEEP_ID", "MLFLOW_RUN_ID")
TENSORBOARD, GROUP = "TENSORBOARD_LOGGING_DIR", "WANDB_RUN_GROUP"


@contextmanager
def tracked_apart(group: str, subfolder: str | None = None) -> Iterator[None]:
    """Let a training begin a run of its own with the trackers, and end it.

    Trackers read environment variables. wandb's run would go on into the next training. MLflow's and trackio's end
    with a training, and TensorBoard's folder is in the output folder, unless a variable names another one.

    Args:
        group: The name that wandb groups the trainings under, unless the user named one.
        subfolder: Of a training that is not the main one: its folder below TensorBoard's, if the user named that.
            Such a training gets no id that the user gave to the run.
    """
    before = dict(os.environ)
    os.environ.setdefault(GROUP, group)
    if subfolder:
        for name in IDENTITIES:
            os.environ.pop(name, None)
        if os.environ.get(TENSORBOARD):
            os.environ[TENSORBOARD] = str(Path(os.environ[TENSORBOARD]) / subfolder)
    try:
        yield
    finally:
        wandb = sys.modules.get("wandb")  # imported by Trainer, if it reports to wandb
        if wandb is not None and getattr(wandb, "run", None) is not None:
            wandb.finish()
        for name in (*IDENTITIES, TENSORBOARD, GROUP):
            os.environ.pop(name, None)
            if name in before:
                os.environ[name] = before[name]
