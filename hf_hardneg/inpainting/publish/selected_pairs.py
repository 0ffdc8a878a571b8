"""Read a journal and select the pairs that go into a set. Pure, except for reading the journal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..journal import JOURNAL, read_journal
from ..journal_items import Item, StoredCandidate, read_items
from ..review.review_records import REJECT, Review, accepting_review, read_reviews


NOT_REVIEWED, REJECTED, DISPUTED = "nobody reviewed it", "rejected by reviewers", "reviewers disagree"
NO_CAPTION, SAME_CAPTION = "the reviewer left the caption empty", "the reviewer left the caption as it was"


class SelectedPair(NamedTuple):
    """A pair that becomes a row.

    Attributes:
        item: The proposed pair.
        candidate: The selected one of its candidates.
        caption: The caption of the edited photo.
        review: The accepting review, or None in an unreviewed set.
    """

    item: Item
    candidate: StoredCandidate
    caption: str
    review: Review | None


class JournalContents(NamedTuple):
    """The contents of a journal, sorted by kind.

    Attributes:
        run: The settings of the build.
        photos: Lines about photos, by image id.
        items: Proposed pairs by key.
        reviews: The final reviews of each item, by key.
        prompts: The prompts that reviewers typed for each item, by key, the oldest first.
        lines: All lines, the oldest first.
    """

    run: Mapping[str, Any]
    photos: Mapping[int, Mapping[str, Any]]
    items: Mapping[str, Item]
    reviews: Mapping[str, Sequence[Review]]
    prompts: Mapping[str, Sequence[str]]
    lines: Sequence[Mapping[str, Any]]


def read_journal_contents(folder: str | Path) -> JournalContents:
    """Read the journal of a finished build.

    Args:
        folder: The journal's folder.

    Raises:
        ValueError: If there is no journal, it is empty, or the build is not finished. The message says how to go on.
    """
    lines = list(read_journal(folder))
    if not lines:
        raise ValueError(f"{folder} has no {JOURNAL} with content; make one: hf-hardneg inpaint build --out {folder}")
    run = next((line for line in lines if line["kind"] == "run"), {})
    photos = {line["image_id"]: line for line in lines if line["kind"] == "photo"}
    if not any(line["kind"] == "finished" for line in lines):
        command = f"hf-hardneg inpaint build --coco {run.get('coco', 'DIR')} --out {folder}"
        raise ValueError(
            f"The build in {folder} was stopped before its end; run its command again with the same settings "
            f"({command} ...): it goes on where it was."
        )
    prompts: dict[str, list[str]] = {}
    for line in lines:
        if line["kind"] == "retry":
            prompts.setdefault(line["key"], []).append(line["prompt"])
    return JournalContents(run, photos, read_items(lines), read_reviews(lines), prompts, lines)


def select_pairs(contents: JournalContents, unreviewed: bool = False) -> tuple[list[SelectedPair], Counter[str]]:
    """Select the pairs of a set.

    Args:
        contents: The journal.
        unreviewed: Select the first passing candidate of every item and ignore the reviews.

    Returns:
        The pairs in the order of their proposals, and counts of the other pairs that passed the gates by reason.

    Raises:
        ValueError: If a review accepts a candidate that does not exist.
    """
    pairs: list[SelectedPair] = []
    left_out: Counter[str] = Counter()
    for key, item in contents.items.items():
        if unreviewed:
            candidate = next((one for one in item.candidates if one.reason is None), None)
            if candidate is not None:
                pairs.append(SelectedPair(item, candidate, candidate.proposal.new_caption, None))
            continue
        reviews = contents.reviews.get(key, [])
        review = accepting_review(reviews)
        if review is None:
            if reviews or item.is_accepted:
                left_out[_refusal(reviews)] += 1
            continue
        candidate = _accepted_candidate(item, review)
        old, new = (" ".join(text.lower().split()) for text in (candidate.proposal.caption, review.caption or ""))
        if not new or old == new:
            left_out[SAME_CAPTION if new else NO_CAPTION] += 1
        else:
            pairs.append(SelectedPair(item, candidate, review.caption, review))
    return pairs, left_out


def _refusal(reviews: Sequence[Review]) -> str:
    if not reviews:
        return NOT_REVIEWED
    return REJECTED if all(review.verdict == REJECT for review in reviews) else DISPUTED


def _accepted_candidate(item: Item, review: Review) -> StoredCandidate:
    index = review.candidate
    if not isinstance(index, int) or not 0 <= index < len(item.candidates):
        raise ValueError(
            f"{review.worker!r} accepted candidate {index} of {review.key}, which has {len(item.candidates)}; "
            "take that review back and review the item again."
        )
    return item.candidates[index]
