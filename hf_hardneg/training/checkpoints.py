"""Checkpoints that count only when they are complete.

Trainer writes the files of a checkpoint one after the other into its final folder. A process that is killed meanwhile
leaves a folder that looks like the last checkpoint.
"""

import json
import logging
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open
from transformers.trainer_utils import sort_checkpoints

from ..user_errors import LOST_PROCESS


logger = logging.getLogger(__name__)

MARK = ".incomplete"  # The mark checkpoint-4.incomplete lies beside checkpoint-4 while that is written.
# Trainer loads what it finds. Without the optimizer it would go on, and end with other weights.
PARTS = {
    "trainer_state.json": "state of the training",
    "*.safetensors": "weights",
    "*optim*": "state of the optimizer",
    "scheduler.pt": "state of the learning rate",
    "rng_state*": "state of the random numbers",
}
# FSDP and DeepSpeed have files of their own for weights and schedules. The mark covers them.
OTHER_FORMATS = ("pytorch_model_fsdp*", "latest")


@contextmanager
def write_whole(folder: Path, is_writer: bool, wait_for_all: Callable[[], None]) -> Iterator[None]:
    """Mark a checkpoint as incomplete until the block has ended in all processes.

    Args:
        folder: The checkpoint.
        is_writer: Whether this process writes what all share.
        wait_for_all: Returns when all processes have called it.

    Raises:
        OSError: If something cannot be written. The unfinished folder is gone then, and earlier ones are kept.
    """
    mark = folder.with_name(folder.name + MARK)
    try:
        if is_writer:
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
            for earlier in folder.parent.glob(f"checkpoint-*{MARK}"):
                shutil.rmtree(earlier.with_suffix(""), ignore_errors=True)
                if earlier != mark:
                    earlier.unlink()
        wait_for_all()  # Another process may not write into a folder that is being deleted.
        yield
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors have errors of their own.
        if any(words in str(error) for words in LOST_PROCESS):
            raise  # The mark stays.
        if is_writer:
            shutil.rmtree(folder, ignore_errors=True)
            mark.unlink(missing_ok=True)
        raise OSError(
            f"The checkpoint {folder} could not be written ({_first_line(error)}). Make room; to go on, run the same "
            "command with --resume_from_checkpoint true. Earlier checkpoints are kept."
        ) from error
    wait_for_all()
    if is_writer:
        mark.unlink()


def find_last_checkpoint(output_dir: str | Path) -> str | None:
    """Find the last complete checkpoint of a folder; None if there is none. Says which ones it passes over."""
    for folder in reversed(sort_checkpoints(str(output_dir))):
        problem = find_problem(Path(folder))
        if problem is None:
            return folder
        logger.warning(f"{folder} is not used: {problem}.")
    return None


def find_problem(folder: Path) -> str | None:
    """Say what a checkpoint lacks to go on from it; None if nothing."""
    if not folder.is_dir():
        return "there is no such folder"
    if folder.with_name(folder.name + MARK).exists():
        return "its writing was cut off"
    other_format = any(any(folder.glob(pattern)) for pattern in OTHER_FORMATS)
    for pattern, part in PARTS.items():
        optional = other_format and pattern in ("*.safetensors", "scheduler.pt")
        if not any(folder.glob(pattern)) and not optional:
            return f"it has no {part} ({pattern})"
    unreadable = [file.name for file in sorted(folder.rglob("*")) if file.is_file() and not _is_whole(file)]
    return f"{unreadable[0]} cannot be read" if unreadable else None


def _is_whole(file: Path) -> bool:
    """Whether the end of a file is there. Reads little of it: safetensors knows its length, a zip's list is last."""
    try:
        if file.suffix == ".safetensors":
            with safe_open(str(file), "pt"):
                pass
        elif file.suffix == ".json":
            json.loads(file.read_text(encoding="utf-8"))
        elif file.suffix in (".pt", ".pth", ".bin"):
            return zipfile.is_zipfile(file)
    except (OSError, ValueError, RecursionError, SafetensorError):
        return False
    return True


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]
