"""What a journal says: the proposed pairs with their candidates, and counts. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .propose.proposals import Proposal


ACCEPTED = "accepted"


@dataclass(frozen=True)
class Made:
    """One candidate.

    Attributes:
        image: Digest of the edited photo.
        mask: Digest of the mask.
        details: How the editor made it.
        reason: Of the gates against it, or None.
        proposal: What it shows; differs from the item's where a person asked for another word.
        prompt: What that person typed, or None.
    """

    image: str
    mask: str
    details: Mapping[str, Any]
    reason: str | None
    proposal: Proposal
    prompt: str | None = None


@dataclass
class Item:
    """A proposed pair: its photo's digest ("" before there is a candidate) and candidates, the oldest first."""

    proposal: Proposal
    photo: str = ""
    made: list[Made] = field(default_factory=list)
    retries: int = 0

    @property
    def is_accepted(self) -> bool:
        """Whether a candidate passes the gates."""
        return any(one.reason is None for one in self.made)


@dataclass(frozen=True)
class Summary:
    """Accepted pairs by concept, proposals turned down by reason, and photos, captions and categories skipped."""

    accepted: Counter[str]
    rejected: Counter[str]
    skipped: Counter[str]


def as_proposal(line: Mapping[str, Any]) -> Proposal:
    """The proposal of a line that holds one."""
    return Proposal(**{name: line[name] for name in Proposal._fields} | {"also": tuple(line["also"])})


def read_items(lines: Iterable[Mapping[str, Any]]) -> dict[str, Item]:
    """All proposed pairs by key, in the order of their proposals."""
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
            add_made(items[line["key"]], edits.pop(line["key"], []), line["reasons"])
        elif kind == "retry":
            item = items[line["key"]]
            add_made(item, line["edits"], line["reasons"], as_proposal(line["proposal"]), line["prompt"])
            item.retries += 1
    return items


def add_made(
    item: Item,
    edits: Iterable[Mapping[str, Any]],
    reasons: Iterable[str | None],
    proposal: Proposal | None = None,
    prompt: str | None = None,
) -> None:
    """Add candidates to an item: `edits` hold "image", "mask" and "details", `reasons` those of the gates."""
    for edit, reason in zip(edits, reasons, strict=False):  # without an edit, the one reason is the editor's
        item.made.append(Made(**edit, reason=reason, proposal=proposal or item.proposal, prompt=prompt))


def summarize(lines: Iterable[Mapping[str, Any]]) -> Summary:
    """Count what a journal says of its build; what people did later is not part of it."""
    concepts: dict[str, str] = {}
    summary = Summary(Counter(), Counter(), Counter())
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


def format_summary(summary: Summary) -> str:
    """Counts as text: pairs by concept, then reasons, the most frequent first."""
    concepts = ", ".join(f"{name} {count}" for name, count in sorted(summary.accepted.items())) or "none"
    lines = [f"{summary.accepted.total()} pairs: {concepts}"]
    for title, counts in (("Turned down", summary.rejected), ("Skipped", summary.skipped)):
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        lines += [f"{title}:", *(f"{count:>7}  {reason}" for reason, count in ordered)] if ordered else []
    return "\n".join(lines)
