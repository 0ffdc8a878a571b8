"""The shape of a journal's lines, which a hand or a crash may have changed: one class for each kind of line."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, NotRequired, get_type_hints

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from ..json_files import Count, Id, Number
from .propose.proposals import Proposal


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 in hexadecimal digits; it is the name of an image's file."""
Side = Annotated[int, Field(ge=1, le=1_000_000)]
"""Width or height, in pixels."""

_PROPOSAL = {name: Id if hint is int else hint for name, hint in get_type_hints(Proposal).items()}
StoredProposal = TypedDict("StoredProposal", _PROPOSAL)  # type: ignore[misc]
ProposalLine = TypedDict("ProposalLine", {"kind": Literal["proposal"], **_PROPOSAL})  # type: ignore[misc]


class MadeWith(TypedDict):
    """The editor, the models and their settings, as `run_parts.load_run_parts` reads them."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    editor: str
    editor_model: NotRequired[str]
    candidates: NotRequired[Count]
    steps: NotRequired[Count]
    guidance: NotRequired[Number]
    strength: NotRequired[Number]
    masks: NotRequired[str]
    mask_model: NotRequired[list[str]]
    mask_threshold: NotRequired[Number]
    clip: NotRequired[str]
    clip_prefers_new: NotRequired[bool]


class RunLine(TypedDict):
    """The settings of the build."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    kind: Literal["run"]
    coco: NotRequired[str]
    split: NotRequired[str | None]
    seed: NotRequired[int]
    made_with: NotRequired[MadeWith]


class PhotoLine(TypedDict):
    """A photo of the build."""

    kind: Literal["photo"]
    image_id: Id
    captions: list[str]
    width: Side
    height: Side
    source: dict[str, str]


class Details(TypedDict):
    """How an editor made an edit, as far as an export reads it."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    seed: NotRequired[int]
    prompt: NotRequired[str | None]
    model: NotRequired[str | None]
    guidance_scale: NotRequired[Number | None]
    num_inference_steps: NotRequired[Id | None]
    source_image_id: NotRequired[Id]
    source: NotRequired[dict[str, str]]


class StoredEdit(TypedDict):
    """An edit whose images are in the journal's folder."""

    image: Digest
    mask: Digest
    details: Details


class CandidatesLine(TypedDict):
    """The edits of a proposal."""

    kind: Literal["candidates"]
    key: str
    photo: Digest
    edits: list[StoredEdit]


class DecisionLine(TypedDict):
    """What the gates said."""

    kind: Literal["decision"]
    key: str
    accepted: bool
    reason: str
    reasons: list[str | None]


class RetryLine(TypedDict):
    """Further edits that a reviewer asked for."""

    kind: Literal["retry"]
    key: str
    worker: str
    prompt: str
    proposal: StoredProposal  # type: ignore[valid-type]
    edits: list[StoredEdit]
    reasons: list[str | None]


class DoneLine(TypedDict):
    """A photo with all its proposals is done."""

    kind: Literal["done"]
    image_id: Id
    skipped: dict[str, Count]


class FinishedLine(TypedDict):
    """The build is complete."""

    kind: Literal["finished"]


class ReviewLine(TypedDict):
    """A reviewer's verdict."""

    kind: Literal["review"]
    key: str
    worker: str
    verdict: Literal["accept", "reject"]
    candidate: NotRequired[Count | None]
    caption: NotRequired[str]
    quality: NotRequired[Id | None]
    seconds: NotRequired[Number | None]


class GivenLine(TypedDict):
    """An item is with a reviewer."""

    kind: Literal["given"]
    key: str
    worker: str
    time: Number


class UndoLine(TypedDict):
    """A reviewer takes the last verdict back."""

    kind: Literal["undo"]
    key: str
    worker: str
    time: NotRequired[Number]


JournalLine: Any = Annotated[
    RunLine
    | PhotoLine
    | ProposalLine  # type: ignore[valid-type]
    | CandidatesLine
    | DecisionLine
    | RetryLine
    | DoneLine
    | FinishedLine
    | ReviewLine
    | GivenLine
    | UndoLine,
    Field(discriminator="kind"),
]


def require_order(lines: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Yield the lines, and check that each proposal is there before what is said of it.

    Args:
        lines: What errors call each line, and the line.

    Raises:
        ValueError: If a line is about a proposal that no line before it makes.
    """
    proposed: set[str] = set()
    for where, line in lines:
        _check_key(where, line, proposed)
        yield line


def _check_key(where: str, line: Mapping[str, Any], proposed: set[str]) -> None:
    if line["kind"] == "proposal":
        proposed.add(line["key"])
    elif line["kind"] in ("candidates", "decision", "retry") and line["key"] not in proposed:
        raise ValueError(
            f"{where} has key = {line['key']!r}, which no proposal before it has; bring the line of that proposal "
            "back from a copy, or start anew in another folder."
        )
