"""The end of an error about an unknown name: the nearest known one."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?", or nothing where no known name is near.

    Examples:
        >>> did_you_mean("captoin", ["image", "caption"])
        " Did you mean 'caption'?"
    """
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f" Did you mean {nearest[0]!r}?" if nearest else ""
