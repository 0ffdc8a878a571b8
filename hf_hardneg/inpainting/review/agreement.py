"""What people said of proposed pairs: their last reviews, what follows from them, and how far they agree. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple


ACCEPT, REJECT = "accept", "reject"


class Review(NamedTuple):
    """One person's word on one item.

    Attributes:
        key: Of the item.
        worker: Who it was.
        verdict: `ACCEPT` or `REJECT`.
        candidate: Which one of `Item.made`; None where none was chosen.
        caption: The caption that fits the edited photo.
        quality: 1 (poor) to 5, or None.
        seconds: How long it took, or None.
    """

    key: str
    worker: str
    verdict: str
    candidate: int | None = None
    caption: str = ""
    quality: int | None = None
    seconds: float | None = None


def read_reviews(lines: Iterable[Mapping[str, Any]]) -> dict[str, list[Review]]:
    """What each worker said last of each item, in the order in which it was said.

    An "undo" takes back that worker's last review of the item, so that the one before it counts again.
    """
    said: dict[str, list[Review]] = {}
    for line in lines:
        if line["kind"] == "review":
            review = Review(**{name: line[name] for name in Review._fields if name in line})
            said.setdefault(review.key, []).append(review)
        elif line["kind"] == "undo":
            of_key = said.get(line["key"], [])
            place = next((i for i in reversed(range(len(of_key))) if of_key[i].worker == line["worker"]), None)
            if place is not None:
                del of_key[place]
    return {key: _last_of_each_worker(reviews) for key, reviews in said.items() if reviews}


def _last_of_each_worker(reviews: Sequence[Review]) -> list[Review]:
    last: dict[str, Review] = {}
    for review in reversed(reviews):
        last.setdefault(review.worker, review)
    return list(reversed(last.values()))


def accepting_review(reviews: Sequence[Review]) -> Review | None:
    """The latest review, if there is one and everybody accepts the item, else None."""
    return reviews[-1] if reviews and all(review.verdict == ACCEPT for review in reviews) else None


def observed_agreement(units: Iterable[Sequence[str]]) -> float | None:
    """Share of pairs of verdicts on the same item that are equal, or None where no item has two.

    Args:
        units: Verdicts on each item, one for each person who gave one.

    Examples:
        >>> observed_agreement([["accept", "accept"], ["accept", "reject"], ["reject"]])
        0.5
    """
    equal = [one == other for unit in units for one, other in combinations(unit, 2)]
    return sum(equal) / len(equal) if equal else None


def krippendorff_alpha(units: Iterable[Sequence[str]]) -> float | None:
    """Krippendorff's alpha for nominal values: agreement beyond chance, 1 at most, 0 where there is only chance.

    Unlike Cohen's kappa it takes any number of people, of whom not everybody saw every item.

    Args:
        units: Verdicts on each item, one for each person who gave one; items with fewer than two do not count.

    Returns:
        Alpha, or None where it is not defined: no item has two verdicts, or all verdicts are the same.

    Reference:
        Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, https://repository.upenn.edu/asc_papers/43

    Examples:
        >>> round(krippendorff_alpha([["accept", "accept"], ["accept", "reject"], ["reject", "reject"]]), 3)
        0.444
    """
    compared = [unit for unit in units if len(unit) > 1]
    counts = Counter(value for unit in compared for value in unit)
    total = counts.total()
    expected = total * total - sum(count * count for count in counts.values())  # ordered pairs of unequal values
    if not expected:
        return None
    # Ordered pairs within an item, weighted so that each verdict weighs the same however many there are of its item.
    found = sum(
        (len(unit) ** 2 - sum(count**2 for count in Counter(unit).values())) / (len(unit) - 1) for unit in compared
    )
    return 1 - found * (total - 1) / expected
