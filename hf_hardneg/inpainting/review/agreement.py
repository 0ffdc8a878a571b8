"""Measure how far reviewers agree. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations


def observed_agreement(units: Iterable[Sequence[str]]) -> float | None:
    """Return the share of equal pairs among all pairs of verdicts on the same item.

    Args:
        units: The verdicts on each item, one per reviewer.

    Returns:
        0 to 1, or None if no item has two verdicts.

    Example:
        >>> observed_agreement([["accept", "accept"], ["accept", "reject"], ["reject"]])
        0.5
    """
    equal = [one == other for unit in units for one, other in combinations(unit, 2)]
    return sum(equal) / len(equal) if equal else None


def krippendorff_alpha(units: Iterable[Sequence[str]]) -> float | None:
    """Return Krippendorff's alpha for nominal values: agreement beyond chance.

    Unlike Cohen's kappa, it allows any number of reviewers, and not all of them must see every item.

    Args:
        units: The verdicts on each item, one per reviewer. Items with fewer than two do not count.

    Returns:
        At most 1 (always equal); 0 is chance. None if it is undefined: no item has two verdicts, or all verdicts are
        the same.

    Reference:
        Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, https://repository.upenn.edu/asc_papers/43

    Example:
        >>> round(krippendorff_alpha([["accept", "accept"], ["accept", "reject"], ["reject", "reject"]]), 3)
        0.444
    """
    compared = [unit for unit in units if len(unit) > 1]
    counts = Counter(value for unit in compared for value in unit)
    total = counts.total()
    expected = total * total - sum(count * count for count in counts.values())  # ordered pairs of unequal values
    if not expected:
        return None
    # Ordered pairs of unequal values within an item. The division gives each verdict the same weight.
    observed = sum(
        (len(unit) ** 2 - sum(count**2 for count in Counter(unit).values())) / (len(unit) - 1) for unit in compared
    )
    return 1 - observed * (total - 1) / expected
