"""Build a set of edited photos: propose, mask, edit, paste back, and check by the gates.

Each step is in the journal before the next one begins, so that a killed run can continue.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from ..atomic_folder import check_overwrites
from ..data.coco_photos import CocoPhoto, Instance, load_photo, read_coco_photos
from ..lexicon.index import load_index
from .check.gates import GATES, Candidate, Gate, find_reason
from .edit.paste import changed_mask, feather, paste_back
from .edit.task import Edit, Editor, EditTask
from .journal import Journal
from .journal_items import ACCEPTED, BuildSummary, Item, add_candidates, read_items, summarize_build
from .masks.coco_masks import draw_mask, turn_mask
from .propose.categories import CARRIERS
from .propose.proposals import WANTED, Proposal, ProposeSwaps


DUPLICATE = "the same edit is there already"
COVERED = "the masks of other things cover it"

Propose = Callable[[CocoPhoto], tuple[list[Proposal], Counter[str]]]
"""Returns the proposals of a photo, and counts of skipped captions by reason."""
MakeEditor = Callable[[Sequence[CocoPhoto]], Editor]
"""Makes an editor from all photos of the folder."""
ReadPhotos = Callable[[str | Path, str | None], tuple[list[CocoPhoto], Counter[str]]]
"""Returns the photos of a folder and split, and counts of skipped photos by reason."""
DrawMask = Callable[[CocoPhoto, np.ndarray, int, Instance], np.ndarray | str]
"""Returns the mask, (H, W) bool, of an instance in an upright photo, or the reason why there is none."""


def mask_from_instances(
    photo: CocoPhoto, pixels: np.ndarray, orientation: int, instance: Instance
) -> np.ndarray | str:
    """Return the annotated mask of an instance. It is the default `DrawMask`.

    Args:
        photo: Gives the annotated size.
        pixels: (H, W, 3) uint8, the upright photo.
        orientation: EXIF orientation of the stored photo, 1 to 8.
        instance: Gives the segmentation.

    Returns:
        (H, W) bool for the upright photo, or the reason why there is none.
    """
    drawn = draw_mask(instance.segmentation, photo.size)
    return turn_mask(drawn, photo.size, (pixels.shape[1], pixels.shape[0]), orientation)


class _Opened(NamedTuple):
    """A photo, its pixels (H, W, 3), and for each instance id the mask, or the reason why it has none."""

    photo: CocoPhoto
    pixels: np.ndarray
    masks: dict[int, np.ndarray | str]


class _Attempt(NamedTuple):
    """The edits as the journal stores them, and the gates' reasons. Without any edit: the editor's one reason."""

    edits: list[dict[str, Any]]
    reasons: list[str | None]


class Builder:
    """Make candidates and check them by the gates. All that a method did is in the journal when it returns.

    Args:
        journal: An open journal. Work that it holds is not done again.
        edit: The editor.
        draw: Draws the mask of an instance.
        gates: Check a candidate.
        seed: The run's seed.

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
        self.summary = summarize_build(journal.lines)
        self._candidates = {line["key"]: line for line in journal.lines if line["kind"] == "candidates"}
        self._decided = {line["key"] for line in journal.lines if line["kind"] == "decision"}
        self._listed = {line["image_id"] for line in journal.lines if line["kind"] == "photo"}
        self._images = {one.image for item in self.items.values() for one in item.candidates if one.reason is None}

    def try_photo(self, photo: CocoPhoto, proposals: Sequence[Proposal], wanted: Mapping[str, int]) -> str | None:
        """Try the proposals of a photo until each object has enough pairs.

        Args:
            photo: The photo.
            proposals: What could change in it.
            wanted: The largest number of pairs of one object, by concept.

        Returns:
            None, or the reason why the photo cannot be opened.
        """
        opened = self._open(photo)
        if isinstance(opened, str):
            return opened
        if photo.image_id not in self._listed:
            captions = [text for _, text in photo.captions]
            height, width = opened.pixels.shape[:2]
            about = {"captions": captions, "width": width, "height": height, "source": dict(photo.source)}
            self.journal.append({"kind": "photo", "image_id": photo.image_id, **about})
        accepted: Counter[tuple[int, str, str | None]] = Counter()
        for proposal in proposals:
            target = (proposal.instance_id, proposal.concept, proposal.garment)
            if accepted[target] >= wanted[proposal.concept]:
                continue
            if proposal.key not in self._decided:
                self._try_proposal(opened, proposal)
            accepted[target] += self.items[proposal.key].is_accepted
        return None

    def retry(self, photo: CocoPhoto, proposal: Proposal, prompt: str, worker: str) -> str | None:
        """Make further candidates on a reviewer's request.

        Args:
            photo: The proposal's photo.
            proposal: What the edit should show. Its key is that of an existing item.
            prompt: What the reviewer typed.
            worker: The reviewer's name.

        Returns:
            None, or the reason why no new candidate passes the gates. The attempt is in the journal either way.
        """
        opened, item = self._open(photo), self.items[proposal.key]
        if isinstance(opened, str):
            attempt = _Attempt([], [opened])
        else:
            task = self._task(opened, proposal, retry=item.retries + 1, prompt=prompt)
            edits = self.edit(task) if isinstance(task, EditTask) else task
            attempt = _Attempt([], [edits]) if isinstance(edits, str) else self._judge(opened, proposal, edits)
        about = {"worker": worker, "prompt": prompt, "proposal": proposal._asdict()}
        self.journal.append({"kind": "retry", "key": proposal.key, **about, **attempt._asdict()})
        add_candidates(item, *attempt, proposal, prompt)
        item.retries += 1
        return None if None in attempt.reasons else attempt.reasons[0]

    def _try_proposal(self, opened: _Opened, proposal: Proposal) -> None:
        """Make candidates, unless the journal has them already, and decide on them."""
        key = proposal.key
        if key not in self.items:
            self.journal.append({"kind": "proposal", **proposal._asdict()})
            self.items[key] = Item(proposal)
        if key in self._candidates:
            edits = self._candidates[key]["edits"]
            attempt = _Attempt(
                edits, [self._reason(opened, proposal, self._load(edit), edit["image"]) for edit in edits]
            )
        else:
            attempt = self._make(opened, proposal)
        if attempt.edits and key not in self._candidates:
            photo = self.journal.save_image(opened.pixels)
            line = {"kind": "candidates", "key": key, "photo": photo, "edits": attempt.edits}
            self.journal.append(line)
            self.items[key].photo = photo
        self._decide(proposal, attempt)

    def _make(self, opened: _Opened, proposal: Proposal) -> _Attempt:
        task = self._task(opened, proposal)
        edits = self.edit(task) if isinstance(task, EditTask) else task
        return _Attempt([], [edits]) if isinstance(edits, str) else self._judge(opened, proposal, edits)

    def _decide(self, proposal: Proposal, attempt: _Attempt) -> None:
        reason = ACCEPTED if None in attempt.reasons else attempt.reasons[0]
        line = {"kind": "decision", "key": proposal.key, "accepted": reason is ACCEPTED, "reason": reason}
        self.journal.append({**line, "reasons": attempt.reasons})
        self._decided.add(proposal.key)
        add_candidates(self.items[proposal.key], *attempt)
        if reason is ACCEPTED:
            self.summary.accepted[proposal.concept] += 1
        else:
            self.summary.rejected[str(reason)] += 1

    def _task(self, opened: _Opened, proposal: Proposal, retry: int = 0, prompt: str | None = None) -> EditTask | str:
        mask, others, people = (np.zeros(opened.pixels.shape[:2], bool) for _ in range(3))
        changing = {proposal.instance_id, *proposal.also}
        for instance_id in sorted(changing):
            drawn = opened.masks[instance_id]
            if isinstance(drawn, str):
                return drawn
            mask |= drawn
        for instance in opened.photo.instances:
            other = opened.masks[instance.id]
            if instance.id not in changing and instance.category not in CARRIERS and not isinstance(other, str):
                others |= other
                if instance.category == "person":
                    people |= other
        if not (mask & ~others).any():
            return COVERED
        name = f"{self.seed}/{proposal.image_id}/{proposal.instance_id}" + (f"/{retry}" if retry else "")
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
        return EditTask(opened.pixels, mask, others, people, proposal, number, prompt)

    def _judge(self, opened: _Opened, proposal: Proposal, edits: Iterable[Edit]) -> _Attempt:
        """Paste the edits back, store them, and check them by the gates."""
        attempt = _Attempt([], [])
        for edit in edits:
            image = paste_back(opened.pixels, edit.pixels, feather(edit.changed))
            mask = changed_mask(opened.pixels, image)
            digest = self.journal.save_image(image)
            attempt.edits.append({"image": digest, "mask": self.journal.save_image(mask), "details": edit.details})
            attempt.reasons.append(self._reason(opened, proposal, (image, mask), digest))
        return attempt

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
        """Return the photo's pixels and masks, or the reason why it cannot be opened."""
        loaded = load_photo(photo.file)
        if isinstance(loaded, str):
            return loaded
        masks = {one.id: self.draw(photo, *loaded, one) for one in photo.instances}
        return _Opened(photo, loaded[0], masks)


def _begin(journal: Journal, settings: Mapping[str, Any]) -> None:
    """Write the settings to a new journal, or check that an old one has the same settings."""
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
) -> BuildSummary:
    """Build a set of edited photos, or continue one that was stopped.

    Args:
        coco: A COCO-format folder with captions and instances, or what `read` takes instead.
        out: The journal's folder. It is made if it does not exist.
        make_editor: Makes the editor from the folder's photos, for instance the class `ClassicalEditor`.
        split: For instance "val2017". None works if the folder has only one split.
        seed: With image and instance ids, it decides everything random.
        read: Reads the photos. `read_photos_from_captions` needs no annotated instances.
        propose: Proposes changes. None means `ProposeSwaps` for the categories of the photos.
        draw: Draws the mask of an instance. The default takes the annotated one.
        gates: Check a candidate.
        wanted: The largest number of pairs of one object, by concept.
        made_with: Editor, models and their settings, for the journal and the dataset card. None means the name of
            `make_editor`.

    Returns:
        Counts over the whole journal.

    Raises:
        FileNotFoundError: If the folder or the split does not exist.
        ValueError: If the annotations are broken, `out` was begun with other settings, or it holds other images.
        OSError: If the disk is full.

    Example:
        >>> from hf_hardneg.inpainting import ClassicalEditor, build_pairs, write_contact_sheet
        >>> build_pairs("coco", "pairs", ClassicalEditor, split="val2017").accepted  # doctest: +SKIP
        Counter({'color': 45, 'object': 4, 'size': 3})
        >>> write_contact_sheet("pairs", "sheet.png")  # doctest: +SKIP
        40
    """
    check_overwrites(out, ["journal.jsonl"], ["images", "contact_sheet.png"])
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
            journal.append({"kind": "finished"})  # tells an export that the build is complete
        builder.summary.skipped.update(unlisted)
        return builder.summary
