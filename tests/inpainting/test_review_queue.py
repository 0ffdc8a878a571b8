import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_hardneg.inpainting.journal_items import Item, StoredCandidate
from hf_hardneg.inpainting.propose.proposals import Proposal
from hf_hardneg.inpainting.review.review_queue import LEASE_SECONDS, Decision, RefusedError, ReviewQueue


ANN, BEA, CAL = "ann", "bea", "cal"


def make_item(key, reasons=(None,)):
    values = {name: "" for name in Proposal._fields} | {"key": key, "caption": "A red  bus.", "new": "blue"}
    proposal = Proposal(**values | {"new_caption": "A blue bus."})
    return Item(
        proposal, "photo", [StoredCandidate(f"i{i}", "mask", {}, reason, proposal) for i, reason in enumerate(reasons)]
    )


def make_items(count):
    return {f"{i}/1/color/blue": make_item(f"{i}/1/color/blue") for i in range(count)}


YES = Decision("accept", 0, "A blue bus.", 4, 2.5)
NO = Decision("reject", None, "A blue bus.", None, 1.0)


class Book:
    """A journal in memory that does what the page's server does with the lines of `ReviewQueue`."""

    def __init__(self, items, needed=1):
        self.items, self.needed, self.lines = items, needed, []
        self.reviews = ReviewQueue(items, needed=needed)

    def write(self, lines):
        for line in lines:
            self.lines.append(line)
            self.reviews.add(line)

    def restart(self):
        self.reviews = ReviewQueue(self.items, self.lines, self.needed)

    def open(self, worker, now=0.0):
        key, lines = self.reviews.next_item(worker, now)
        self.write(lines)
        return key

    def decide(self, key, worker, decision=YES, now=0.0):
        self.write(self.reviews.decide(key, worker, decision, now))

    def undo(self, key, worker, now=0.0):
        self.write(self.reviews.undo(key, worker, now))

    def standing(self):
        return {key: set(workers) for key, workers in self.reviews.standing.items() if workers}


def test_an_item_is_with_one_worker_through_reloads_and_restarts():
    book = Book(make_items(2))
    first = book.open(ANN)
    assert book.open(ANN, 10.0) == first and len(book.lines) == 1
    assert book.open(BEA) != first and book.open(CAL) is None
    book.restart()
    assert book.open(ANN, 20.0) == first and book.open(CAL, 20.0) is None
    assert book.lines[0] == {"kind": "given", "key": first, "worker": ANN, "time": 0.0}


def test_what_was_left_undecided_for_long_goes_to_another_and_the_first_is_told():
    book = Book(make_items(1))
    key = book.open(ANN)
    assert book.open(BEA, LEASE_SECONDS - 1) is None
    assert book.open(BEA, LEASE_SECONDS) == key
    with pytest.raises(RefusedError, match="it is with bea now"):
        book.decide(key, ANN, now=LEASE_SECONDS + 1)
    book.decide(key, BEA, NO, LEASE_SECONDS + 2)
    with pytest.raises(RefusedError, match="Meanwhile bea decided"):
        book.decide(key, ANN, now=LEASE_SECONDS + 3)
    assert book.standing() == {key: {BEA}}


def test_an_undecided_item_can_be_decided_late_if_nobody_else_took_it():
    book = Book(make_items(1))
    key = book.open(ANN)
    book.decide(key, ANN, now=9 * LEASE_SECONDS)
    assert book.standing() == {key: {ANN}}


def test_who_works_on_keeps_an_item():
    book = Book(make_items(1))
    key = book.open(ANN)
    assert book.open(ANN, LEASE_SECONDS * 0.6) == key and len(book.lines) == 2
    assert book.open(BEA, LEASE_SECONDS * 1.2) is None


def test_a_decision_is_a_line_with_these_fields_and_sent_twice_is_one():
    book = Book(make_items(1))
    key = book.open(ANN)
    book.decide(key, ANN, YES._replace(caption="  A blue\n bus. "))
    line = {"kind": "review", "key": key, "worker": ANN, "verdict": "accept", "candidate": 0}
    assert book.lines[1:] == [{**line, "caption": "A blue bus.", "quality": 4, "seconds": 2.5}]
    book.decide(key, ANN, YES._replace(seconds=9.0))
    assert len(book.lines) == 2
    with pytest.raises(RefusedError, match=r"decided this one already \(accept\); undo"):
        book.decide(key, ANN, NO)


@pytest.mark.parametrize(
    ("decision", "sentence"),
    [
        (YES._replace(caption="  "), "The new caption is empty"),
        (YES._replace(caption="a RED bus. "), "The new caption is the original's"),
        (YES._replace(candidate=1), "Accept one of the candidates"),
        (YES._replace(candidate=None), "Accept one of the candidates"),
        (YES._replace(verdict="maybe"), "got 'maybe'"),
        (NO._replace(candidate=0), "reject them all"),
        (YES._replace(quality=6), "A quality is 1 to 5, got 6"),
    ],
)
def test_incomplete_decisions_are_refused_with_a_sentence(decision, sentence):
    book = Book({"k": make_item("k", (None, "the gate says no"))})
    book.open(ANN)
    with pytest.raises(RefusedError, match=sentence):
        book.decide("k", ANN, decision)
    assert len(book.lines) == 1


def test_a_rejected_item_may_have_an_empty_caption():
    book = Book(make_items(1))
    key = book.open(ANN)
    book.decide(key, ANN, NO._replace(caption=""))
    assert book.standing() == {key: {ANN}}


def test_only_items_with_a_passing_candidate_are_reviewed():
    items = {"a": make_item("a", ("no",)), "b": make_item("b", ("no", None)), "c": make_item("c", ())}
    book = Book(items)
    assert book.open(ANN) == "b" and book.reviews.progress(ANN).total == 1
    with pytest.raises(RefusedError, match="no item a"):
        book.decide("a", ANN)


def test_an_undo_is_one_line_so_that_a_crash_cannot_part_it_from_the_item_given_again():
    book = Book(make_items(4))
    for _ in range(3):
        key = book.open(ANN)
        book.decide(key, ANN)
    shown_next = book.open(ANN)
    [undo] = book.reviews.undo(key, ANN, 1.0)
    book.write([undo])
    book.restart()
    assert book.reviews.undo(key, ANN, 2.0) == []  # the page sends it again after the crash
    assert book.open(ANN, 2.0) == key != shown_next


def test_undo_gives_the_last_item_back_one_after_the_other():
    book = Book(make_items(3))
    keys = []
    for _ in range(2):
        keys.append(book.open(ANN))
        book.decide(keys[-1], ANN)
    third = book.open(ANN)
    assert book.reviews.last(ANN) == keys[1]
    book.undo(keys[1], ANN)
    assert book.open(ANN) == keys[1] and book.open(BEA) is None
    book.undo(keys[1], ANN)  # sent twice: nothing more is taken back
    assert book.standing() == {keys[0]: {ANN}}
    book.undo(keys[0], ANN)
    book.restart()
    assert book.open(ANN) == keys[0]
    for key in (keys[0], keys[1], third):
        assert book.open(ANN) == key
        book.decide(key, ANN)
    assert book.open(ANN) is None and book.reviews.progress(ANN)[:3] == (3, 3, 3)
    book.undo(third, BEA)  # not his
    assert len(book.standing()) == 3


def test_two_reviews_of_each_item_are_by_two_workers():
    book = Book(make_items(2), needed=2)
    for worker in (ANN, BEA):
        for _ in range(2):
            book.decide(book.open(worker), worker)
    assert book.open(ANN) is None and book.open(CAL) is None
    assert book.reviews.progress(ANN) == (2, 2, 2, 2)
    with pytest.raises(ValueError, match="at least one review, got 0"):
        ReviewQueue({}, needed=0)


def test_the_order_is_mixed_and_the_next_is_known_beforehand():
    items = make_items(30)
    book = Book(items)
    seen, expected = [], book.reviews.after("", ANN, 0.0)
    for _ in range(30):
        key = book.open(ANN)
        after = book.reviews.after(key, ANN, 0.0)
        assert key == expected
        book.decide(key, ANN)
        seen, expected = [*seen, key], after
    assert seen != list(items) and sorted(seen) == sorted(items) and expected is None


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["open", "decide", "resend", "undo", "undo", "undo twice", "restart", "die", "wait"]),
        st.sampled_from([ANN, BEA, CAL]),
        st.booleans(),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(ACTIONS, st.integers(1, 3))
def test_no_interleaving_doubles_or_loses_a_decision(actions, needed):
    """Three pages, which may be stale, against a server that is killed; what was answered must stand, once each."""
    book, now = Book(make_items(4), needed), 0.0
    shown, sent, answered = {}, {}, {}
    for action, worker, yes in actions:
        try:
            if action == "open":
                shown[worker] = book.open(worker, now)
            elif action in ("decide", "resend") and shown.get(worker):
                key, decision = sent.get(worker, (None, None)) if action == "resend" else (shown[worker], None)
                if key is None:
                    continue
                decision = decision or (YES if yes else NO)
                sent[worker] = key, decision
                book.decide(key, worker, decision, now)
                answered[key, worker] = decision.verdict
            elif action.startswith("undo") and (last := book.reviews.last(worker)):
                for _ in range(1 + (action == "undo twice")):
                    book.undo(last, worker, now)
                del answered[last, worker]
                sent.pop(worker, None)
            elif action == "die" and (last := book.reviews.last(worker)):
                book.write(book.reviews.undo(last, worker, now)[:1])  # killed after the first line
                del answered[last, worker]
                sent.pop(worker, None)
                book.restart()
            elif action == "restart":
                book.restart()
            elif action == "wait":
                now += LEASE_SECONDS * (0.4 if yes else 1.1)
        except RefusedError:
            pass
        standing = {
            (key, one): line["verdict"] for key, of in book.reviews.standing.items() for one, line in of.items()
        }
        assert standing == answered
        assert all(len(workers) <= needed for workers in book.standing().values())
    before = book.reviews.progress(ANN), book.standing(), [book.reviews.last(worker) for worker in (ANN, BEA, CAL)]
    book.restart()
    assert before == (
        book.reviews.progress(ANN), book.standing(), [book.reviews.last(worker) for worker in (ANN, BEA, CAL)]
    )  # fmt: skip
    now += 2 * LEASE_SECONDS
    for worker in (ANN, BEA, CAL):
        while key := book.open(worker, now):
            book.decide(key, worker, YES, now)
    assert book.reviews.progress(ANN).done == 4 and all(len(workers) == needed for workers in book.standing().values())
