"""Read the final reviews of each item from a journal's lines. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple


ACCEPT, REJECT = "accept", "reject"


class Review(NamedTuple):
    """One reviewer's verdict on one item.

    Attributes:
        key: The item's key.
        worker: The reviewer's name.
        verdict: `ACCEPT` or `REJECT`.
        candidate: Index of the accepted candidate in `Item.candidates`, or None.
        caption: The caption of the edited photo.
        quality: 1 (poor) to 5, or None.
        seconds: How long the reviewer looked at the item, or None.
    """

    key: str
    worker: str
    verdict: str
    candidate: int | None = None
    caption: str = ""
    quality: int | None = None
    seconds: float | None = None


def read_reviews(lines: Iterable[Mapping[str, Any]]) -> dict[str, list[Review]]:
    """Return the last review of each item by each worker, in the order of the journal.

    An "undo" line removes the worker's last review of the item, so that the review before it counts again.

    Args:
        lines: The journal's lines, the oldest first.

    Returns:
        Reviews by the item's key.

    Example:
        >>> line = {"kind": "review", "key": "1/2/color/blue", "worker": "ann", "verdict": "accept", "candidate": 0}
        >>> read_reviews([line])["1/2/color/blue"][0].verdict, read_reviews([line, {**line, "kind": "undo"}])
        ('accept', {})
    """
    by_key: dict[str, list[Review]] = {}
    for line in lines:
        if line["kind"] == "review":
            review = Review(**{name: line[name] for name in Review._fields if name in line})
            by_key.setdefault(review.key, []).append(review)
        elif line["kind"] == "undo":
            reviews = by_key.get(line["key"], [])
            last = next((i for i in reversed(range(len(reviews))) if reviews[i].worker == line["worker"]), None)
            if last is not None:
                del reviews[last]
    return {key: _last_of_each_worker(reviews) for key, reviews in by_key.items() if reviews}


def _last_of_each_worker(reviews: Sequence[Review]) -> list[Review]:
    last: dict[str, Review] = {}
    for review in reversed(reviews):
        last.setdefault(review.worker, review)
    return list(reversed(last.values()))


def accepting_review(reviews: Sequence[Review]) -> Review | None:
    """Return the latest review if all reviewers accept the item, else None."""
    return reviews[-1] if reviews and all(review.verdict == ACCEPT for review in reviews) else None
