"""The range that a number of a user may have, for flags and for arguments of a training."""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar


T = TypeVar("T", int, float)

LARGEST = 2**63
"""Integers below it are integers to Arrow, numpy and torch, too."""


class Range(NamedTuple):
    """The finite numbers from `low` to `high`.

    Attributes:
        low: The least number.
        high: The largest number.
        above: Whether `low` itself is outside.
        below: Whether `high` itself is outside.

    Examples:
        >>> str(Range(0)), str(Range(0, 1, below=True)), 1 in Range(0, 1), 1 in Range(0, 1, below=True)
        ('0 or more', '0 or more and less than 1', True, False)
        >>> float("nan") in Range(0), float("inf") in Range(0)
        (False, False)
    """

    low: float
    high: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | float) or _is_too_large(value) or not math.isfinite(value):
            return False
        is_high_enough = value > self.low if self.above else value >= self.low
        return is_high_enough and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        least = f"more than {self.low:g}" if self.above else f"{self.low:g} or more"
        if self.high == math.inf:
            return least
        if not self.above and not self.below:
            return f"{self.low:g} to {self.high:,.0f}" if self.high > 1e5 else f"{self.low:g} to {self.high:g}"
        return f"{least} and {'less than' if self.below else 'at most'} {self.high:g}"


def _is_too_large(value: float) -> bool:
    return isinstance(value, int) and abs(value) >= LARGEST


def check_ranges(arguments: object, ranges: Mapping[str, Range]) -> None:
    """Raise a ValueError that names the first attribute out of its range; None is in every range.

    Args:
        arguments: Has the attributes.
        ranges: By the name of the attribute; of a list, all items have the range.
    """
    for name, allowed in ranges.items():
        value = getattr(arguments, name)
        values: Sequence[object] = value if isinstance(value, list) else [value]
        for one in values:
            if one is not None and one not in allowed:
                shown = value if isinstance(value, list) else one
                raise ValueError(f"{name} is {shown}; it must be {allowed}.")


def whole_number(allowed: Range) -> Callable[[str], int]:
    """The `type` of a flag that takes a whole number in a range."""
    return _reader(int, "a whole number", allowed)


def real_number(allowed: Range) -> Callable[[str], float]:
    """The `type` of a flag that takes a number in a range."""
    return _reader(float, "a number", allowed)


def _reader(kind: Callable[[str], T], words: str, allowed: Range) -> Callable[[str], T]:
    def read(text: str) -> T:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not {words}; it must be {allowed}") from None
        if _is_too_large(value):
            raise argparse.ArgumentTypeError(f"{text[:30]}... is too large; it must be {allowed}, and below 2**63")
        if value not in allowed:
            raise argparse.ArgumentTypeError(f"{text} is out of range; it must be {allowed}")
        return value

    return read
