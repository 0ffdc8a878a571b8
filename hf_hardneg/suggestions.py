"""The end of an error about an unknown name: the nearest known one."""

import difflib
from collections.abc import Iterable
from pathlib import Path


def did_you_mean(name: str, known: Iterable[str], likeness: float = 0.4, prefix: str = "") -> str:
    """Return " Did you mean 'x'?", or nothing where no known name is near.

    Args:
        name: The unknown name.
        known: The known names.
        likeness: From 0 to 1: how much alike two names must be.
        prefix: What is written before a known name, such as "--".

    Examples:
        >>> did_you_mean("captoin", ["image", "caption"])
        " Did you mean 'caption'?"
    """
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=likeness)
    return f" Did you mean {prefix + nearest[0]!r}?" if nearest else ""


def nearest_path(path: Path) -> str:
    """Return " Did you mean 'x'?" for a path that is not there, or nothing where no neighbor has a like name.

    Examples:
        >>> nearest_path(Path(__file__).with_name("sugestions.py")).endswith("suggestions.py'?")
        True
    """
    folder = path.parent
    names = [one.name for one in folder.iterdir() if not one.name.startswith(".")] if folder.is_dir() else []
    nearest = difflib.get_close_matches(path.name, names, n=1, cutoff=0.8)
    return f" Did you mean {str(folder / nearest[0])!r}?" if nearest else ""
