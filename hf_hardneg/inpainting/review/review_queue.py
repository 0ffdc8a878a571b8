"""Who reviews what, and what they decided: state as a function of journal lines, and the lines each act adds. Pure.

An item is *given* to a worker before it is shown, so that nobody else gets it meanwhile; a `review` ends that, an
`undo` takes the review back. A caller appends the lines that a method returns to the journal and then `add`s them.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..journal_items import Item


LEASE_SECONDS = 30 * 60  # how long an undecided item stays with whom it was given to
ACCEPT, REJECT = "accept", "reject"
QUALITIES = (1, 2, 3, 4, 5)

Line = dict[str, Any]


class Refused(ValueError):
    """Why an act is not taken, as a sentence for the reviewer; nothing has changed."""


class Decision(NamedTuple):
    """What a worker says of an item.

    Attributes:
        verdict: "accept" or "reject".
        candidate: The accepted one's place in `Item.made`; None if rejected.
        caption: Of the edited photo, as the worker left it.
        quality: 1 to 5, or None.
        seconds: How long the worker looked at it.
    """

    verdict: str
    candidate: int | None
    caption: str
    quality: int | None
    seconds: float


class Progress(NamedTuple):
    """Items reviewed as often as needed, of all; one worker's reviews, and how many of these accept."""

    done: int
    total: int
    yours: int
    accepted: int


class Reviews:
    """The state of a review.

    Args:
        items: Proposed pairs by key; those with a candidate that passes the gates are reviewed.
        lines: A journal's, oldest first; kinds other than given, review and undo are passed over.
        needed: How many workers review each item.

    Attributes:
        standing: Reviews that were not taken back: key -> worker -> line.
    """

    def __init__(self, items: Mapping[str, Item], lines: Iterable[Mapping[str, Any]] = (), needed: int = 1) -> None:
        if needed < 1:
            raise ValueError(f"Each item needs at least one review, got {needed}.")
        self.items, self.needed = items, needed
        self.standing: dict[str, dict[str, Line]] = defaultdict(dict)
        self._given: dict[str, dict[str, float]] = defaultdict(dict)  # worker -> key -> time, the newest last
        self._decided: dict[str, list[str]] = defaultdict(list)  # worker -> keys, the newest last
        # A journal has a photo's edits in a row. Mixed, whoever stops early has seen a fair sample, and nobody looks
        # at fourteen colors of one bus one after the other.
        self._order = sorted(items, key=lambda key: hashlib.sha256(key.encode()).digest())
        for line in lines:
            self.add(line)

    def add(self, line: Mapping[str, Any]) -> None:
        """Take in one line of the journal."""
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
            # One line takes the decision back and gives the item again: a crash cannot come between the two.
            self._given[worker][key] = line["time"]

    def next_item(self, worker: str, now: float) -> tuple[str | None, list[Line]]:
        """The key of what the worker sees next, or None, and lines to add.

        What was given to him and not decided comes first, so that a reload changes nothing.
        """
        held = self._given[worker]
        key = next((key for key in [*reversed(held), *self._order] if self._is_open(key, worker, now)), None)
        # Given anew at half time, so that somebody who works on keeps it.
        if key is None or now - held.get(key, -LEASE_SECONDS) < LEASE_SECONDS / 2:
            return key, []
        return key, [_given(key, worker, now)]

    def after(self, key: str, worker: str, now: float) -> str | None:
        """What the worker would probably see after `key`."""
        return next((other for other in self._order if other != key and self._is_open(other, worker, now)), None)

    def decide(self, key: str, worker: str, decision: Decision, now: float) -> list[Line]:
        """Lines that a decision adds; none if the worker has decided the same before: a double click, one sent twice.

        Raises:
            Refused: If the item is another worker's by now, or the decision is not complete.
        """
        item = self.items.get(key)
        if item is None or not item.is_accepted:
            raise Refused(f"There is no item {key} in this set; reload the page.")
        decision = decision._replace(caption=" ".join(decision.caption.split()))
        line: Line = {"kind": "review", "key": key, "worker": worker, **decision._asdict()}
        before = self.standing[key].get(worker)
        if before is not None:
            if {**before, "seconds": 0} == {**line, "seconds": 0}:
                return []
            raise Refused(f"You have decided this one already ({before['verdict']}); undo to decide anew.")
        self._check_turn(key, worker, now)
        _check(item, decision)
        return [line]

    def undo(self, key: str, worker: str, now: float) -> list[Line]:
        """Lines that take back the worker's last review, if that is of `key`, and give him the item again.

        If it is not, the undo was sent twice, and there is nothing to add.
        """
        if key != self.last(worker):
            return []
        return [{"kind": "undo", "key": key, "worker": worker, "time": now}]

    def last(self, worker: str) -> str | None:
        """The key that the worker decided last, and could take back."""
        return self._decided[worker][-1] if self._decided[worker] else None

    def progress(self, worker: str) -> Progress:
        """Where the review stands, as this worker sees it."""
        keys = [key for key, item in self.items.items() if item.is_accepted]
        yours = [self.standing[key][worker]["verdict"] for key in self._decided[worker]]
        done = sum(len(self.standing[key]) >= self.needed for key in keys)
        return Progress(done, len(keys), len(yours), yours.count(ACCEPT))

    def _holders(self, key: str, now: float) -> list[str]:
        """Who has the item and has neither decided it nor had it for too long."""
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
            raise Refused(f"Meanwhile {_and(self.standing[key])} decided this one; it is done. Here is another.")
        others = _and(holder for holder in self._holders(key, now) if holder != worker)
        raise Refused(f"You had this one for long, and it is with {others} now. Here is another.")


def passing(item: Item) -> list[int]:
    """Places in `item.made` of the candidates that pass the gates: those a person sees."""
    return [place for place, one in enumerate(item.made) if one.reason is None]


def _given(key: str, worker: str, now: float) -> Line:
    return {"kind": "given", "key": key, "worker": worker, "time": now}


def _and(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))


def _check(item: Item, decision: Decision) -> None:
    """Whether a decision, its caption's white space put in order, is complete and makes sense."""
    verdict, candidate, caption, quality, _ = decision
    if quality is not None and quality not in QUALITIES:
        raise Refused(f"A quality is 1 to 5, got {quality!r}.")
    if verdict == REJECT and candidate is None:
        return
    if verdict != ACCEPT or candidate not in passing(item):
        raise Refused(f"Accept one of the candidates or reject them all; got {verdict!r} of candidate {candidate!r}.")
    if not caption:
        raise Refused("The new caption is empty: press E and write what the edited photo shows.")
    if caption.casefold() == " ".join(item.proposal.caption.split()).casefold():
        raise Refused("The new caption is the original's: press E and write what the edited photo shows.")
