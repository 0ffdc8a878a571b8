"""The run: propose, mask, edit, paste back, gate; every step is in the journal before the next begins."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from ..lexicon.index import load_index
from .categories import CARRIERS
from .coco_folder import CocoPhoto, Instance, load_photo, read_coco_photos
from .editing import Editor, EditTask
from .gates import GATES, Candidate, Gate, find_reason
from .journal import Journal, load_image, read_journal
from .masks import draw_mask, turn_mask
from .paste import feather, paste_back
from .proposals import WANTED, Proposal, ProposeSwaps


DUPLICATE = "the same edit is there already"
ACCEPTED = "accepted"

Propose = Callable[[CocoPhoto], tuple[list[Proposal], Counter[str]]]
DrawMask = Callable[[CocoPhoto, np.ndarray, int, Instance], np.ndarray | str]


class Summary(NamedTuple):
    """Accepted pairs by concept, proposals turned down by reason, and photos, captions and categories skipped."""

    accepted: Counter[str]
    rejected: Counter[str]
    skipped: Counter[str]


def mask_from_instances(
    photo: CocoPhoto, pixels: np.ndarray, orientation: int, instance: Instance
) -> np.ndarray | str:
    """The annotated mask of an instance, (H, W) of bool for the upright photo, or why there is none."""
    drawn = draw_mask(instance.segmentation, photo.size)
    return turn_mask(drawn, photo.size, (pixels.shape[1], pixels.shape[0]), orientation)


def summarize(lines: Iterator[Mapping[str, Any]] | Sequence[Mapping[str, Any]]) -> Summary:
    """Count what a journal says."""
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
        elif line["kind"] == "photo":
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


def accepted_pairs(folder: str | Path) -> list[dict[str, Any]]:
    """The set so far: each accepted proposal with its `photo`, `image` and `mask` (digests) and `details`."""
    by_key: dict[str, dict[str, Any]] = {}
    pairs = []
    for line in read_journal(folder):
        if line["kind"] in ("proposal", "candidate"):
            by_key.setdefault(line["key"], {}).update(line)
        elif line["kind"] == "decision" and line["accepted"]:
            pairs.append({name: value for name, value in by_key[line["key"]].items() if name != "kind"})
    return pairs


class _Opened(NamedTuple):
    """A photo, its pixels (H, W, 3), and each instance's mask, or why it has none, by id."""

    photo: CocoPhoto
    pixels: np.ndarray
    masks: dict[int, np.ndarray | str]


class _Run:
    """A journal and what follows from its lines: what is done, and what counts as a duplicate."""

    def __init__(self, journal: Journal, edit: Editor, draw: DrawMask, gates: Sequence[Gate], seed: int) -> None:
        self.journal, self.edit, self.draw, self.gates, self.seed = journal, edit, draw, gates, seed
        self.lines: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self.images: set[str] = set()
        for line in journal.lines:
            if "key" in line:
                self.lines[line["kind"]][line["key"]] = line
        for key, decision in self.lines["decision"].items():
            if decision["accepted"]:
                self.images.add(self.lines["candidate"][key]["image"])
        self.summary = summarize(journal.lines)

    def write(self, kind: str, key: str, **values: Any) -> None:
        """Add a line about a proposal to the journal."""
        line = {"kind": kind, "key": key, **values}
        self.journal.append(line)
        self.lines[kind][key] = line

    def decide(self, proposal: Proposal, reason: str | None, image: str = "") -> None:
        """Write that a proposal is turned down for `reason`, or accepted if there is none and its image is new."""
        if reason is None and image in self.images:
            reason = DUPLICATE
        self.write("decision", proposal.key, accepted=reason is None, reason=reason or ACCEPTED)
        if reason is None:
            self.images.add(image)
            self.summary.accepted[proposal.concept] += 1
        else:
            self.summary.rejected[reason] += 1

    def try_proposal(self, opened: _Opened, proposal: Proposal) -> None:
        """Make the candidate, unless the journal has it, and decide on it."""
        if proposal.key not in self.lines["proposal"]:
            self.write("proposal", **proposal._asdict())
        if proposal.key not in self.lines["candidate"]:
            reason = self.make_candidate(opened, proposal)
            if reason:
                self.decide(proposal, reason)
                return
        made = self.lines["candidate"][proposal.key]
        image, mask = (load_image(self.journal.folder, made[name]) for name in ("image", "mask"))
        candidate = Candidate(opened.pixels, image, mask, proposal)
        self.decide(proposal, find_reason(candidate, self.gates), made["image"])

    def make_candidate(self, opened: _Opened, proposal: Proposal) -> str | None:
        """Edit and paste back, store the images, write the line; or say why not."""
        pixels, mask = opened.pixels, opened.masks[proposal.instance_id]
        if isinstance(mask, str):
            return mask
        others, people = np.zeros(mask.shape, bool), np.zeros(mask.shape, bool)
        for one in opened.photo.instances:
            other = opened.masks[one.id]
            if one.id != proposal.instance_id and one.category not in CARRIERS and not isinstance(other, str):
                others |= other
                if one.category == "person":
                    people |= other
        name = f"{self.seed}/{proposal.image_id}/{proposal.instance_id}"
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
        edit = self.edit(EditTask(pixels, mask, others, people, proposal, number))
        if isinstance(edit, str):
            return edit
        weights = feather(edit.changed)
        edited = paste_back(pixels, edit.pixels, weights)
        digests = {
            "photo": self.journal.save_image(pixels),
            "image": self.journal.save_image(edited),
            "mask": self.journal.save_image(np.where(weights > 0, 255, 0).astype(np.uint8)),
        }
        self.write("candidate", proposal.key, **digests, details=edit.details)
        return None

    def open(self, photo: CocoPhoto) -> _Opened | str:
        """The photo's pixels and masks, or why it cannot be opened."""
        loaded = load_photo(photo.file)
        if isinstance(loaded, str):
            return loaded
        masks = {one.id: self.draw(photo, *loaded, one) for one in photo.instances}
        return _Opened(photo, loaded[0], masks)

    def try_photo(self, photo: CocoPhoto, proposals: Sequence[Proposal], wanted: Mapping[str, int]) -> str | None:
        """Try the proposals of a photo until there are enough of each thing; or say why it cannot be opened."""
        opened = self.open(photo)
        if isinstance(opened, str):
            return opened
        enough: Counter[tuple[int, str, str | None]] = Counter()
        for proposal in proposals:
            thing = (proposal.instance_id, proposal.concept, proposal.garment)
            if enough[thing] >= wanted[proposal.concept]:
                continue
            if proposal.key not in self.lines["decision"]:
                self.try_proposal(opened, proposal)
            enough[thing] += self.lines["decision"][proposal.key]["accepted"]
        return None


def _begin(journal: Journal, settings: Mapping[str, Any]) -> None:
    """Write the settings of a new journal, or see that an old one was begun with the same."""
    line = {"kind": "run", **settings}
    if not journal.lines:
        journal.append(line)
    elif journal.lines[0] != line:
        raise ValueError(
            f"{journal.folder} was begun with {journal.lines[0]}, not with {line}; give these again or another folder."
        )


def build(
    coco: str | Path,
    out: str | Path,
    edit: Callable[[Sequence[CocoPhoto]], Editor],
    *,
    split: str | None = None,
    seed: int = 0,
    propose: Propose | None = None,
    draw: DrawMask = mask_from_instances,
    gates: Sequence[Gate] = GATES,
    wanted: Mapping[str, int] = WANTED,
) -> Summary:
    """Build a set of edited photos, or go on with one that was stopped.

    Args:
        coco: COCO-format folder with captions and instances.
        out: The journal's folder.
        edit: Makes the editor from the folder's photos, for instance `ClassicalEditor`.
        split: For instance "val2017"; may be left out where there is only one.
        seed: With image and instance ids, decides everything that is random.
        propose: From a photo to proposals and skips by reason; default `ProposeSwaps`.
        draw: From a photo, its pixels, orientation and an instance to the mask, or a reason.
        gates: Reasons against a candidate.
        wanted: At most so many pairs of one thing, by concept.

    Returns:
        Counts over the whole journal.

    Raises:
        FileNotFoundError: If there is no such folder or split.
        ValueError: If the annotations are broken, or `out` was begun with other settings.
        OSError: If the disk is full.
    """
    photos, unlisted = read_coco_photos(coco, split)
    propose = propose or ProposeSwaps(
        load_index(), {one.category for photo in photos for one in photo.instances}, seed
    )
    editor = edit(photos)
    with Journal(out) as journal:
        name = getattr(edit, "__name__", type(edit).__name__)
        _begin(journal, {"coco": str(Path(coco).resolve()), "split": split, "editor": name, "seed": seed})
        run = _Run(journal, editor, draw, gates, seed)
        done = {line["image_id"] for line in journal.lines if line["kind"] == "photo"}
        bar = tqdm(photos, desc="Editing photos", disable=None)
        for photo in bar:
            if photo.image_id in done:
                continue
            proposals, skipped = propose(photo)
            reason = run.try_photo(photo, proposals, wanted) if proposals else None
            if reason:
                skipped[reason] += 1
            journal.append({"kind": "photo", "image_id": photo.image_id, "skipped": dict(sorted(skipped.items()))})
            run.summary.skipped.update(skipped)
            bar.set_postfix({**run.summary.accepted, "rejected": run.summary.rejected.total()})
        run.summary.skipped.update(unlisted)
        return run.summary
