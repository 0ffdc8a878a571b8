"""Whether a path is a file that can be read: opening a pipe would wait for ever."""

import os
from pathlib import Path


def require_file(file: str | Path) -> None:
    """Raise unless a path is a regular file.

    Raises:
        FileNotFoundError: If there is nothing.
        ValueError: If it is something else, such as a folder, a pipe, or a link that leads nowhere.

    Examples:
        >>> require_file("nowhere.json")
        Traceback (most recent call last):
            ...
        FileNotFoundError: There is no nowhere.json.
    """
    if not os.path.lexists(file):
        raise FileNotFoundError(f"There is no {file}.")
    if not os.path.isfile(file):
        is_link = os.path.islink(file) and not os.path.exists(file)
        kind = "a folder" if os.path.isdir(file) else "a link that leads nowhere" if is_link else "a pipe or a device"
        raise ValueError(f"{file} is {kind}; it must be a file.")
