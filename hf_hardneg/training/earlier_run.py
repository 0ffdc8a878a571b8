"""What an earlier run left in the output folder of a new one."""

import logging
from pathlib import Path


logger = logging.getLogger(__name__)


def warn_of_earlier_run(folder: Path, has_control: bool, control: str) -> None:
    """Say which files of a finished run will be replaced, and which ones will not belong to the new run.

    Args:
        folder: The output folder.
        has_control: Whether the new run trains a control.
        control: The name of the control's folder.
    """
    if not (folder / "metrics.json").is_file():
        return
    logger.warning(f"{folder} holds a finished run, which this one replaces. Another --output_dir keeps both.")
    if not has_control and (folder / control).is_dir():
        logger.warning(
            f"{folder / control} is the control of that run and stays. This run has none: do not compare them."
        )
