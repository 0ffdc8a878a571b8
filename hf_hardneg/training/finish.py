"""A finished training is never lost: what fails after its last step leaves the model in its folder."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from .trainer import HardNegCLIPTrainer


logger = logging.getLogger(__name__)


@contextmanager
def keep_finished_training(trainer: HardNegCLIPTrainer) -> Iterator[None]:
    """Save the model if an error comes after the last step, such as that of an evaluation; the error goes on."""
    try:
        yield
    except Exception:
        took_all_steps = 0 < trainer.state.max_steps <= trainer.state.global_step
        is_sharded = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled  # Saving then needs all processes.
        if took_all_steps and not is_sharded and trainer.is_finite():
            trainer.save_model()
            _say_where(str(trainer.args.output_dir))
        raise


@contextmanager
def say_where_the_model_is(folder: str) -> Iterator[None]:
    """If an error comes, log that the trained model is in `folder`; the error goes on."""
    try:
        yield
    except Exception:
        _say_where(folder)
        raise


def _say_where(folder: str) -> None:
    logger.warning(f"The training is finished, and what came after it failed. The trained model is saved in {folder}")
