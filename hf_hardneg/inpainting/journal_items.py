"""Read the proposed pairs, their candidates and the counts of a build from a journal's lines. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .propose.proposals import Proposal


ACCEPTED = "accepted"


@dataclass(frozen=True)
class StoredCandidate:
    """One candidate, whose images are stored in the journal's folder.

    Attributes:
        image: SHA-256 digest of the edited photo.
        mask: SHA-256 digest of the mask.
        details: How the editor made it.
        reason: The gates' reason against it, or None.
        proposal: What it shows. It differs from the item's proposal if a reviewer asked for another word.
        prompt: What that reviewer typed, or None.
    """

    image: str
    mask: str
    details: Mapping[str, Any]
    reason: str | None
    proposal: Proposal
    prompt: str | None = None


@dataclass
class Item:
    """A proposed pair: one change of one photo.

    Attributes:
        proposal: The change.
        photo: SHA-256 digest of the photo, or "" while there is no candidate.
        candidates: The edited photos, the oldest first.
        retries: How often a reviewer asked for further candidates.
    """

    proposal: Proposal
    photo: str = ""
    candidates: list[StoredCandidate] = field(default_factory=list)
    retries: int = 0

    @property
    def is_accepted(self) -> bool:
        """True if a candidate passes the gates."""
        return any(one.reason is None for one in self.candidates)


@dataclass(frozen=True)
class BuildSummary:
    """Counts of a build.

    Attributes:
        accepted: Accepted pairs by concept.
        rejected: Rejected proposals by reason.
        skipped: Skipped photos, captions and categories by reason.
    """

    accepted: Counter[str]
    rejected: Counter[str]
    skipped: Counter[str]


def as_proposal(line: Mapping[str, Any]) -> Proposal:
    """Return the proposal that a line of the journal holds."""
    return Proposal(**{name: line[name] for name in Proposal._fields} | {"also": tuple(line["also"])})


def read_items(lines: Iterable[Mapping[str, Any]]) -> dict[str, Item]:
    """Return all proposed pairs by key, in the order of their proposals.

    Args:
        lines: The journal's lines, the oldest first.

    Example:
        >>> from hf_hardneg.inpainting.journal import read_journal
        >>> items = read_items(read_journal("pairs"))
        >>> [item.proposal.new_caption for item in items.values() if item.is_accepted]  # doctest: +SKIP
        ['A blue bus on the road.', ...]
    """
    items: dict[str, Item] = {}
    edits: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        kind = line["kind"]
        if kind == "proposal":
            items[line["key"]] = Item(as_proposal(line))
        elif kind == "candidates":
            items[line["key"]].photo = line["photo"]
            edits[line["key"]] = line["edits"]
        elif kind == "decision":
            add_candidates(items[line["key"]], edits.pop(line["key"], []), line["reasons"])
        elif kind == "retry":
            item = items[line["key"]]
            add_candidates(item, line["edits"], line["reasons"], as_proposal(line["proposal"]), line["prompt"])
            item.retries += 1
    return items


def add_candidates(
    item: Item,
    edits: Iterable[Mapping[str, Any]],
    reasons: Iterable[str | None],
    proposal: Proposal | None = None,
    prompt: str | None = None,
) -> None:
    """Add candidates to an item.

    Args:
        item: The item, which is changed.
        edits: Hold "image", "mask" and "details".
        reasons: The gates' reason against each edit, or None.
        proposal: What the edits show. None means the item's proposal.
        prompt: What a reviewer typed, or None.
    """
    for edit, reason in zip(edits, reasons, strict=False):  # without any edit, there is one reason of the editor
        item.candidates.append(
            StoredCandidate(**edit, reason=reason, proposal=proposal or item.proposal, prompt=prompt)
        )


def summarize_build(lines: Iterable[Mapping[str, Any]]) -> BuildSummary:
    """Count the accepted, rejected and skipped proposals of a build. Reviews do not count.

    Args:
        lines: The journal's lines, the oldest first.

    Example:
        >>> summarize_build([{"kind": "done", "image_id": 1, "skipped": {"the caption names several": 2}}]).skipped
        Counter({'the caption names several': 2})
    """
    concepts: dict[str, str] = {}
    summary = BuildSummary(Counter(), Counter(), Counter())
    for line in lines:
        if line["kind"] == "proposal":
            concepts[line["key"]] = line["concept"]
        elif line["kind"] == "decision":
            if line["accepted"]:
                summary.accepted[concepts[line["key"]]] += 1
            else:
                summary.rejected[line["reason"]] += 1
        elif line["kind"] == "done":
            summary.skipped.update(line["skipped"])
    return summary


def format_build_summary(summary: BuildSummary) -> str:
    """Format the counts as text: pairs by concept, then reasons, the most frequent first."""
    concepts = ", ".join(f"{name} {count}" for name, count in sorted(summary.accepted.items())) or "none"
    lines = [f"{summary.accepted.total()} pairs: {concepts}"]
    for title, counts in (("Turned down", summary.rejected), ("Skipped", summary.skipped)):
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        lines += [f"{title}:", *(f"{count:>7}  {reason}" for reason, count in ordered)] if ordered else []
    return "\n".join(lines)
