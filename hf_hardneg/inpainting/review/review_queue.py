"""The queue of a review: who reviews which item, and what the reviewers decided. Pure.

The state follows from the journal's lines. An item is *given* to a worker before it is shown, so that nobody else
gets it. A `review` line ends that. An `undo` line takes the review back. A method returns the lines that an action
adds. The caller appends them to the journal and then calls `add`.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..journal_items import Item
from .review_records import ACCEPT, REJECT


LEASE_SECONDS = 30 * 60  # how long an undecided item stays with the worker to whom it was given
QUALITIES = (1, 2, 3, 4, 5)

Line = dict[str, Any]


class RefusedError(ValueError):
    """An action that is not allowed. The message is for the reviewer, and nothing has changed."""


class Decision(NamedTuple):
    """A worker's decision on an item.

    Attributes:
        verdict: `ACCEPT` or `REJECT`.
        candidate: Index of the accepted candidate in `Item.candidates`, or None if the item is rejected.
        caption: The caption of the edited photo, as the worker left it.
        quality: 1 (poor) to 5, or None.
        seconds: How long the worker looked at the item.
    """

    verdict: str
    candidate: int | None
    caption: str
    quality: int | None
    seconds: float


class Progress(NamedTuple):
    """The progress of a review.

    Attributes:
        done: Items that have all the reviews they need.
        total: All items.
        yours: Reviews by one worker.
        accepted: Those of them that accept.
    """

    done: int
    total: int
    yours: int
    accepted: int


class ReviewQueue:
    """The state of a review.

    Args:
        items: Proposed pairs by key. Those with a candidate that passes the gates are reviewed.
        lines: The journal's lines, the oldest first. Only the kinds given, review and undo count.
        needed: How many workers review each item.

    Raises:
        ValueError: If `needed` is below 1.

    Attributes:
        standing: Reviews that were not taken back, by key and worker.
    """

    def __init__(self, items: Mapping[str, Item], lines: Iterable[Mapping[str, Any]] = (), needed: int = 1) -> None:
        if needed < 1:
            raise ValueError(f"Each item needs at least one review, got {needed}.")
        self.items, self.needed = items, needed
        self.standing: dict[str, dict[str, Line]] = defaultdict(dict)
        self._given: dict[str, dict[str, float]] = defaultdict(dict)  # worker -> key -> time, the newest last
        self._decided: dict[str, list[str]] = defaultdict(list)  # worker -> keys, the newest last
        # The journal lists the edits of a photo together. A mixed order gives a fair sample to a worker who stops
        # early, and nobody has to look at fourteen colors of one bus in a row.
        self._order = sorted(items, key=lambda key: hashlib.sha256(key.encode()).digest())
        for line in lines:
            self.add(line)

    def add(self, line: Mapping[str, Any]) -> None:
        """Update the state by one line of the journal."""
        if line["kind"] not in ("given", "review", "undo"):
            return
        key, worker = line["key"], line["worker"]
        self._given[worker].pop(key, None)
        if line["kind"] == "given":
            self._given[worker][key] = line["time"]
            return
        if self.standing[key].pop(worker, None):
            self._decided[worker].remove(key)
        if line["kind"] == "review":
            self.standing[key][worker] = dict(line)
            self._decided[worker].append(key)
        elif "time" in line:
            # One line takes the review back and gives the item again: a crash cannot come between the two.
            self._given[worker][key] = line["time"]

    def next_item(self, worker: str, now: float) -> tuple[str | None, list[Line]]:
        """Return the key of the worker's next item, or None, and the lines to add.

        Items that the worker already has come first, so that a reload of the page changes nothing.

        Args:
            worker: The worker's name.
            now: Time in seconds.
        """
        held = self._given[worker]
        key = next((key for key in [*reversed(held), *self._order] if self._is_open(key, worker, now)), None)
        # The item is given again after half of the time, so that a worker who is still active keeps it.
        if key is None or now - held.get(key, -LEASE_SECONDS) < LEASE_SECONDS / 2:
            return key, []
        return key, [_given_line(key, worker, now)]

    def after(self, key: str, worker: str, now: float) -> str | None:
        """Return the item that the worker will probably see after `key`, or None."""
        return next((other for other in self._order if other != key and self._is_open(other, worker, now)), None)

    def decide(self, key: str, worker: str, decision: Decision, now: float) -> list[Line]:
        """Return the lines that a decision adds. A repeated decision (a double click, say) adds none.

        Args:
            key: The item's key.
            worker: The worker's name.
            decision: The worker's decision.
            now: Time in seconds.

        Raises:
            RefusedError: If the item is now with another worker, or the decision is incomplete.
        """
        item = self.items.get(key)
        if item is None or not item.is_accepted:
            raise RefusedError(f"There is no item {key} in this set; reload the page.")
        decision = decision._replace(caption=" ".join(decision.caption.split()))
        line: Line = {"kind": "review", "key": key, "worker": worker, **decision._asdict()}
        before = self.standing[key].get(worker)
        if before is not None:
            if {**before, "seconds": 0} == {**line, "seconds": 0}:
                return []
            raise RefusedError(f"You have decided this one already ({before['verdict']}); undo to decide anew.")
        self._check_turn(key, worker, now)
        _check_decision(item, decision)
        return [line]

    def undo(self, key: str, worker: str, now: float) -> list[Line]:
        """Return the lines that take back the worker's last review and give the item to the worker again.

        Args:
            key: The item of the last review. For any other item there are no lines: the undo was sent twice.
            worker: The worker's name.
            now: Time in seconds.
        """
        if key != self.last(worker):
            return []
        return [{"kind": "undo", "key": key, "worker": worker, "time": now}]

    def last(self, worker: str) -> str | None:
        """Return the key of the worker's last review, which can be taken back, or None."""
        return self._decided[worker][-1] if self._decided[worker] else None

    def progress(self, worker: str) -> Progress:
        """Return the progress of the review, with the numbers of one worker."""
        keys = [key for key, item in self.items.items() if item.is_accepted]
        yours = [self.standing[key][worker]["verdict"] for key in self._decided[worker]]
        done = sum(len(self.standing[key]) >= self.needed for key in keys)
        return Progress(done, len(keys), len(yours), yours.count(ACCEPT))

    def _holders(self, key: str, now: float) -> list[str]:
        """Return the workers who have the item and neither decided on it nor kept it too long."""
        return [worker for worker, held in self._given.items() if now - held.get(key, -LEASE_SECONDS) < LEASE_SECONDS]

    def _is_open(self, key: str, worker: str, now: float) -> bool:
        reviews = self.standing[key]
        if key not in self.items or not self.items[key].is_accepted or worker in reviews:
            return False
        others = [holder for holder in self._holders(key, now) if holder != worker]
        return len(reviews) + len(others) < self.needed

    def _check_turn(self, key: str, worker: str, now: float) -> None:
        if self._is_open(key, worker, now):
            return
        if len(self.standing[key]) >= self.needed:
            names = _join_names(self.standing[key])
            raise RefusedError(f"Meanwhile {names} decided this one; it is done. Here is another.")
        others = _join_names(holder for holder in self._holders(key, now) if holder != worker)
        raise RefusedError(f"You had this one for long, and it is with {others} now. Here is another.")


def passing_candidates(item: Item) -> list[int]:
    """Return the indexes of the candidates that pass the gates. Only these are shown to people."""
    return [index for index, candidate in enumerate(item.candidates) if candidate.reason is None]


def _given_line(key: str, worker: str, now: float) -> Line:
    return {"kind": "given", "key": key, "worker": worker, "time": now}


def _join_names(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))


def _check_decision(item: Item, decision: Decision) -> None:
    """Refuse a decision that is incomplete or contradicts itself."""
    verdict, candidate, caption, quality, _ = decision
    if quality is not None and quality not in QUALITIES:
        raise RefusedError(f"A quality is 1 to 5, got {quality!r}.")
    if verdict == REJECT and candidate is None:
        return
    if verdict != ACCEPT or candidate not in passing_candidates(item):
        raise RefusedError(
            f"Accept one of the candidates or reject them all; got {verdict!r} of candidate {candidate!r}."
        )
    if not caption:
        raise RefusedError("The new caption is empty: press E and write what the edited photo shows.")
    if caption.casefold() == " ".join(item.proposal.caption.split()).casefold():
        raise RefusedError("The new caption is the original's: press E and write what the edited photo shows.")
