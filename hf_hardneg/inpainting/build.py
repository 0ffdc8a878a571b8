"""The run: propose, mask, edit, paste back, gate; every step is in the journal before the next begins."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from ..data.coco_photos import CocoPhoto, Instance, load_photo, read_coco_photos
from ..lexicon.index import load_index
from .check.gates import GATES, Candidate, Gate, find_reason
from .edit.paste import changed_mask, feather, paste_back
from .edit.task import Edit, Editor, EditTask
from .journal import Journal
from .journal_items import ACCEPTED, Item, Summary, add_made, read_items, summarize
from .masks.coco_masks import draw_mask, turn_mask
from .propose.categories import CARRIERS
from .propose.proposals import WANTED, Proposal, ProposeSwaps


DUPLICATE = "the same edit is there already"
COVERED = "the masks of other things cover it"

Propose = Callable[[CocoPhoto], tuple[list[Proposal], Counter[str]]]
MakeEditor = Callable[[Sequence[CocoPhoto]], Editor]
ReadPhotos = Callable[[str | Path, str | None], tuple[list[CocoPhoto], Counter[str]]]
DrawMask = Callable[[CocoPhoto, np.ndarray, int, Instance], np.ndarray | str]


def mask_from_instances(
    photo: CocoPhoto, pixels: np.ndarray, orientation: int, instance: Instance
) -> np.ndarray | str:
    """The annotated mask of an instance, (H, W) of bool for the upright photo, or why there is none."""
    drawn = draw_mask(instance.segmentation, photo.size)
    return turn_mask(drawn, photo.size, (pixels.shape[1], pixels.shape[0]), orientation)


class _Opened(NamedTuple):
    """A photo, its pixels (H, W, 3), and each instance's mask, or why it has none, by id."""

    photo: CocoPhoto
    pixels: np.ndarray
    masks: dict[int, np.ndarray | str]


class _Tried(NamedTuple):
    """Candidates as the journal has them, and the gates' reasons; without a candidate, the editor's reason."""

    edits: list[dict[str, Any]]
    reasons: list[str | None]


class Builder:
    """Makes candidates and decides on them by the gates; whatever it does is in the journal when it returns.

    Args:
        journal: An open journal; what it holds is not done again.
        edit: The editor.
        draw: From a photo, its pixels, orientation and an instance to the mask, or a reason.
        gates: Reasons against a candidate.
        seed: Of the run.

    Attributes:
        items: All proposed pairs by key.
        summary: Counts of the build.
    """

    def __init__(
        self, journal: Journal, edit: Editor, draw: DrawMask = mask_from_instances, *,
        gates: Sequence[Gate] = GATES, seed: int = 0,
    ) -> None:  # fmt: skip
        self.journal, self.edit, self.draw, self.gates, self.seed = journal, edit, draw, gates, seed
        self.items: dict[str, Item] = read_items(journal.lines)
        self.summary = summarize(journal.lines)
        self._candidates = {line["key"]: line for line in journal.lines if line["kind"] == "candidates"}
        self._decided = {line["key"] for line in journal.lines if line["kind"] == "decision"}
        self._listed = {line["image_id"] for line in journal.lines if line["kind"] == "photo"}
        self._images = {one.image for item in self.items.values() for one in item.made if one.reason is None}

    def try_photo(self, photo: CocoPhoto, proposals: Sequence[Proposal], wanted: Mapping[str, int]) -> str | None:
        """Try the proposals of a photo until there are enough of each thing; or say why it cannot be opened."""
        opened = self._open(photo)
        if isinstance(opened, str):
            return opened
        if photo.image_id not in self._listed:
            captions = [text for _, text in photo.captions]
            height, width = opened.pixels.shape[:2]
            about = {"captions": captions, "width": width, "height": height, "source": dict(photo.source)}
            self.journal.append({"kind": "photo", "image_id": photo.image_id, **about})
        enough: Counter[tuple[int, str, str | None]] = Counter()
        for proposal in proposals:
            thing = (proposal.instance_id, proposal.concept, proposal.garment)
            if enough[thing] >= wanted[proposal.concept]:
                continue
            if proposal.key not in self._decided:
                self._try_proposal(opened, proposal)
            enough[thing] += self.items[proposal.key].is_accepted
        return None

    def retry(self, photo: CocoPhoto, proposal: Proposal, prompt: str, worker: str) -> str | None:
        """Make further candidates for a person.

        Args:
            photo: The proposal's photo.
            proposal: What is to be shown; under the key of an item that is there.
            prompt: What the person typed.
            worker: Who that is.

        Returns:
            None, or why there is no candidate that passes the gates. The attempt is in the journal either way.
        """
        opened, item = self._open(photo), self.items[proposal.key]
        if isinstance(opened, str):
            tried = _Tried([], [opened])
        else:
            task = self._task(opened, proposal, attempt=item.retries + 1, prompt=prompt)
            edits = self.edit(task) if isinstance(task, EditTask) else task
            tried = _Tried([], [edits]) if isinstance(edits, str) else self._judge(opened, proposal, edits)
        about = {"worker": worker, "prompt": prompt, "proposal": proposal._asdict()}
        self.journal.append({"kind": "retry", "key": proposal.key, **about, **tried._asdict()})
        add_made(item, *tried, proposal, prompt)
        item.retries += 1
        return None if None in tried.reasons else tried.reasons[0]

    def _try_proposal(self, opened: _Opened, proposal: Proposal) -> None:
        """Make candidates, unless the journal has them, and decide on them."""
        key = proposal.key
        if key not in self.items:
            self.journal.append({"kind": "proposal", **proposal._asdict()})
            self.items[key] = Item(proposal)
        if key in self._candidates:
            edits = self._candidates[key]["edits"]
            tried = _Tried(edits, [self._reason(opened, proposal, self._load(edit), edit["image"]) for edit in edits])
        else:
            tried = self._make(opened, proposal)
        if tried.edits and key not in self._candidates:
            photo = self.journal.save_image(opened.pixels)
            line = {"kind": "candidates", "key": key, "photo": photo, "edits": tried.edits}
            self.journal.append(line)
            self.items[key].photo = photo
        self._decide(proposal, tried)

    def _make(self, opened: _Opened, proposal: Proposal) -> _Tried:
        task = self._task(opened, proposal)
        edits = self.edit(task) if isinstance(task, EditTask) else task
        return _Tried([], [edits]) if isinstance(edits, str) else self._judge(opened, proposal, edits)

    def _decide(self, proposal: Proposal, tried: _Tried) -> None:
        reason = ACCEPTED if None in tried.reasons else tried.reasons[0]
        line = {"kind": "decision", "key": proposal.key, "accepted": reason is ACCEPTED, "reason": reason}
        self.journal.append({**line, "reasons": tried.reasons})
        self._decided.add(proposal.key)
        add_made(self.items[proposal.key], *tried)
        if reason is ACCEPTED:
            self.summary.accepted[proposal.concept] += 1
        else:
            self.summary.rejected[str(reason)] += 1

    def _task(
        self, opened: _Opened, proposal: Proposal, attempt: int = 0, prompt: str | None = None
    ) -> EditTask | str:
        mask, others, people = (np.zeros(opened.pixels.shape[:2], bool) for _ in range(3))
        changing = {proposal.instance_id, *proposal.also}
        for instance_id in sorted(changing):
            drawn = opened.masks[instance_id]
            if isinstance(drawn, str):
                return drawn
            mask |= drawn
        for one in opened.photo.instances:
            other = opened.masks[one.id]
            if one.id not in changing and one.category not in CARRIERS and not isinstance(other, str):
                others |= other
                if one.category == "person":
                    people |= other
        if not (mask & ~others).any():
            return COVERED
        name = f"{self.seed}/{proposal.image_id}/{proposal.instance_id}" + (f"/{attempt}" if attempt else "")
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
        return EditTask(opened.pixels, mask, others, people, proposal, number, prompt)

    def _judge(self, opened: _Opened, proposal: Proposal, edits: Iterable[Edit]) -> _Tried:
        """Paste edits back, store them, and ask the gates."""
        tried = _Tried([], [])
        for edit in edits:
            image = paste_back(opened.pixels, edit.pixels, feather(edit.changed))
            mask = changed_mask(opened.pixels, image)
            digest = self.journal.save_image(image)
            tried.edits.append({"image": digest, "mask": self.journal.save_image(mask), "details": edit.details})
            tried.reasons.append(self._reason(opened, proposal, (image, mask), digest))
        return tried

    def _reason(
        self, opened: _Opened, proposal: Proposal, images: tuple[np.ndarray, np.ndarray], digest: str
    ) -> str | None:
        reason = find_reason(Candidate(opened.pixels, *images, proposal), self.gates)
        if reason is None and digest in self._images:
            return DUPLICATE
        if reason is None:
            self._images.add(digest)
        return reason

    def _load(self, edit: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        return self.journal.load_image(edit["image"]), self.journal.load_image(edit["mask"])

    def _open(self, photo: CocoPhoto) -> _Opened | str:
        """The photo's pixels and masks, or why it cannot be opened."""
        loaded = load_photo(photo.file)
        if isinstance(loaded, str):
            return loaded
        masks = {one.id: self.draw(photo, *loaded, one) for one in photo.instances}
        return _Opened(photo, loaded[0], masks)


def _begin(journal: Journal, settings: Mapping[str, Any]) -> None:
    """Write the settings of a new journal, or see that an old one was begun with the same."""
    line = {"kind": "run", **settings}
    if not journal.lines:
        journal.append(line)
    elif journal.lines[0] != line:
        raise ValueError(
            f"{journal.folder} was begun with {journal.lines[0]}, not with {line}; give these again or another folder."
        )


def build_pairs(
    coco: str | Path,
    out: str | Path,
    make_editor: MakeEditor,
    *,
    split: str | None = None,
    seed: int = 0,
    read: ReadPhotos = read_coco_photos,
    propose: Propose | None = None,
    draw: DrawMask = mask_from_instances,
    gates: Sequence[Gate] = GATES,
    wanted: Mapping[str, int] = WANTED,
    made_with: Mapping[str, Any] | None = None,
) -> Summary:
    """Build a set of edited photos, or go on with one that was stopped.

    Args:
        coco: COCO-format folder with captions and instances, or as `read` takes it.
        out: The journal's folder.
        make_editor: Makes the editor from the folder's photos, for instance `ClassicalEditor`.
        split: For instance "val2017"; may be left out where there is only one.
        seed: With image and instance ids, decides everything that is random.
        read: From folder and split to photos, and skips by reason; `read_named_photos` needs no instances.
        propose: From a photo to proposals and skips by reason; default `ProposeSwaps`.
        draw: From a photo, its pixels, orientation and an instance to the mask, or a reason.
        gates: Reasons against a candidate.
        wanted: At most so many pairs of one thing, by concept.
        made_with: Editor, models and their settings, for the journal and the card; default the name of `make_editor`.

    Returns:
        Counts over the whole journal.

    Raises:
        FileNotFoundError: If there is no such folder or split.
        ValueError: If the annotations are broken, or `out` was begun with other settings.
        OSError: If the disk is full.
    """
    photos, unlisted = read(coco, split)
    propose = propose or ProposeSwaps(
        load_index(), {one.category for photo in photos for one in photo.instances}, seed
    )
    made_with = made_with or {"editor": getattr(make_editor, "__name__", type(make_editor).__name__)}
    editor = make_editor(photos)
    with Journal(out) as journal:
        _begin(
            journal, {"coco": str(Path(coco).resolve()), "split": split, "seed": seed, "made_with": dict(made_with)}
        )
        builder = Builder(journal, editor, draw, gates=gates, seed=seed)
        done = {line["image_id"] for line in journal.lines if line["kind"] == "done"}
        bar = tqdm(photos, desc="Editing photos", disable=None)
        for photo in bar:
            if photo.image_id in done:
                continue
            proposals, skipped = propose(photo)
            reason = builder.try_photo(photo, proposals, wanted) if proposals else None
            if reason:
                skipped[reason] += 1
            journal.append({"kind": "done", "image_id": photo.image_id, "skipped": dict(sorted(skipped.items()))})
            builder.summary.skipped.update(skipped)
            bar.set_postfix({**builder.summary.accepted, "rejected": builder.summary.rejected.total()})
        if not any(line["kind"] == "finished" for line in journal.lines):
            journal.append({"kind": "finished"})  # an export sees that nothing is missing
        builder.summary.skipped.update(unlisted)
        return builder.summary
