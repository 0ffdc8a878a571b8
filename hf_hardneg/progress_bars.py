"""Which progress bars a command shows: those of what takes a while."""

import os
import sys


DELAY = 3  # seconds; a bar that ends before tells nobody anything
SECONDS_BETWEEN_LINES = 10  # in a file, where each step of a bar is a line of its own


def hide_short_bars() -> None:
    """Set when tqdm shows a bar, for all libraries. Call it before tqdm is imported, which reads this only once."""
    os.environ.setdefault("TQDM_DELAY", str(DELAY))
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_MININTERVAL", str(SECONDS_BETWEEN_LINES))
