"""A finished journal as a record, and the pairs of it that are exported."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..journal import JOURNAL, read_journal
from ..journal_items import Item, Made, read_items
from ..review.agreement import REJECT, Review, accepting_review, read_reviews


NOT_REVIEWED, REJECTED, DISPUTED = "nobody reviewed it", "rejected by reviewers", "reviewers disagree"
NO_CAPTION, SAME_CAPTION = "the reviewer left the caption empty", "the reviewer left the caption as it was"


class Pair(NamedTuple):
    """What becomes a row: an item, its candidate, that one's caption, and the review that took it (None: nobody)."""

    item: Item
    made: Made
    caption: str
    review: Review | None


class Record(NamedTuple):
    """All that a journal says, by what it is about: photos by image id, prompts of an item in the order of trying."""

    run: Mapping[str, Any]
    photos: Mapping[int, Mapping[str, Any]]
    items: Mapping[str, Item]
    reviews: Mapping[str, Sequence[Review]]
    prompts: Mapping[str, Sequence[str]]
    lines: Sequence[Mapping[str, Any]]


def read_record(folder: str | Path) -> Record:
    """Read the journal in `folder`.

    Raises:
        ValueError: If there is none, it is empty, or its build is not finished; the message says how to go on.
    """
    lines = list(read_journal(folder))
    if not lines:
        raise ValueError(f"{folder} has no {JOURNAL} with content; make one: hf-hardneg inpaint build --out {folder}")
    run = next((line for line in lines if line["kind"] == "run"), {})
    photos = {line["image_id"]: line for line in lines if line["kind"] == "photo"}
    if not any(line["kind"] == "finished" for line in lines):
        again = f"hf-hardneg inpaint build --coco {run.get('coco', 'DIR')} --out {folder}"
        raise ValueError(
            f"The build in {folder} was stopped before its end; run its command again with the same settings "
            f"({again} ...): it goes on where it was."
        )
    prompts: dict[str, list[str]] = {}
    for line in lines:
        if line["kind"] == "retry":
            prompts.setdefault(line["key"], []).append(line["prompt"])
    return Record(run, photos, read_items(lines), read_reviews(lines), prompts, lines)


def select_pairs(record: Record, unreviewed: bool = False) -> tuple[list[Pair], Counter[str]]:
    """What goes into the set, in the order of the proposals, and why the other pairs that passed the gates do not.

    Args:
        record: The journal.
        unreviewed: Take the first candidate that passed the gates of every item, whatever people said.

    Raises:
        ValueError: If a review accepts a candidate that is not there.
    """
    pairs: list[Pair] = []
    left_out: Counter[str] = Counter()
    for key, item in record.items.items():
        if unreviewed:
            made = next((one for one in item.made if one.reason is None), None)
            if made is not None:
                pairs.append(Pair(item, made, made.proposal.new_caption, None))
            continue
        reviews = record.reviews.get(key, [])
        review = accepting_review(reviews)
        if review is None:
            if reviews or item.is_accepted:
                left_out[_refusal(reviews)] += 1
            continue
        made = _candidate(item, review)
        old, new = (" ".join(text.lower().split()) for text in (made.proposal.caption, review.caption or ""))
        if not new or old == new:
            left_out[SAME_CAPTION if new else NO_CAPTION] += 1
        else:
            pairs.append(Pair(item, made, review.caption, review))
    return pairs, left_out


def _refusal(reviews: Sequence[Review]) -> str:
    if not reviews:
        return NOT_REVIEWED
    return REJECTED if all(review.verdict == REJECT for review in reviews) else DISPUTED


def _candidate(item: Item, review: Review) -> Made:
    place = review.candidate
    if not isinstance(place, int) or not 0 <= place < len(item.made):
        raise ValueError(
            f"{review.worker!r} accepted candidate {place} of {review.key}, which has {len(item.made)}; "
            "take that review back and review the item again."
        )
    return item.made[place]
