"""Answer the review page: which item comes next, what a decision changes, and further candidates on request."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from ...data.coco_photos import CocoPhoto, Instance
from ...lexicon.index import LexiconIndex, load_index
from ..build import Builder
from ..check.gates import Candidate, find_reason
from ..edit.task import Edit, Editor, EditTask
from ..journal import IMAGES, Journal
from ..journal_items import Item
from ..propose.categories import names_of_categories
from ..propose.proposals import reword
from ..run_parts import RunParts, load_run_parts
from .review_queue import Decision, RefusedError, ReviewQueue, passing_candidates


MAX_NAME = 60  # characters

LoadRunParts = Callable[[Mapping[str, Any]], RunParts]
Answer = dict[str, Any]
"""What the page shows next (item, preload, last, progress, message), or {"failure": sentence}."""


class _EditingTools(NamedTuple):
    """All that further candidates need beside the journal."""

    photos: dict[int, CocoPhoto]
    edit: Editor
    parts: RunParts
    vocabulary: LexiconIndex
    names: dict[str, str]


class Desk:
    """Answer many reviewers at a time from one open journal.

    The page calls `begin`, `decide`, `take_back` and `try_again`. Each takes {"worker": name, ...}. A decision is on
    the disk before it is answered.

    Args:
        journal: The journal of a build.
        load_parts: From the run's `made_with` to the parts that make further candidates.
        needed: How many workers review each item.

    Raises:
        ValueError: If the journal holds no pair that can be reviewed.
    """

    def __init__(self, journal: Journal, load_parts: LoadRunParts = load_run_parts, needed: int = 1) -> None:
        self._journal, self._load_parts = journal, load_parts
        self._run: dict[str, Any] = dict(next((line for line in journal.lines if line["kind"] == "run"), {}))
        seed = self._run.get("seed", 0)
        self._builder = Builder(journal, self._edit, self._draw, gates=(self._gate,), seed=seed)
        self._queue = ReviewQueue(self._builder.items, journal.lines, needed)
        if not self._queue.progress("").total:
            raise ValueError(f"{journal.folder} holds no pair that passed the gates: build some first, then review.")
        self._lock = threading.Lock()  # protects the state of the review
        self._editing = threading.Lock()  # an editor may take a minute, while other workers go on deciding

    def begin(self, data: Mapping[str, Any]) -> Answer:
        """Return the worker's item. It stays the same until the worker decides."""
        return self._answer(data, lambda worker: None)

    def decide(self, data: Mapping[str, Any]) -> Answer:
        """Record a decision: {"key", "verdict", "candidate", "caption", "quality", "seconds"}."""
        decision = Decision(*(data[name] for name in Decision._fields))
        return self._answer(
            data, lambda worker: self._write(self._queue.decide(data["key"], worker, decision, time.time()))
        )

    def take_back(self, data: Mapping[str, Any]) -> Answer:
        """Take back the worker's last decision: {"key"}."""
        return self._answer(data, lambda worker: self._write(self._queue.undo(data["key"], worker, time.time())))

    def try_again(self, data: Mapping[str, Any]) -> Answer:
        """Make another candidate from a prompt: {"key", "prompt"}. The page shows it beside the others."""
        with self._editing:
            message = self._retry(data["key"], " ".join(data["prompt"].split()), worker_name(data))
        return self._answer(data, lambda worker: None, message)

    def _answer(
        self, data: Mapping[str, Any], act: Callable[[str], None], message: str | None = None
    ) -> Answer:  # fmt: skip
        worker = worker_name(data)
        try:
            with self._lock:
                try:
                    act(worker)
                except RefusedError as error:
                    message = str(error)
                return self._view(worker, message)
        except OSError as error:
            return {"failure": str(error)}

    def _write(self, lines: Sequence[dict[str, Any]]) -> None:
        for line in lines:
            self._journal.append(line)
            self._queue.add(line)

    def _view(self, worker: str, message: str | None) -> Answer:
        now = time.time()
        key, lines = self._queue.next_item(worker, now)
        self._write(lines)
        next_key = self._queue.after(key, worker, now) if key else None
        following = self._describe(next_key) if next_key else None
        return {
            "item": self._describe(key) if key else None,
            "preload": [following["photo"], *(one["image"] for one in following["candidates"])] if following else [],
            "last": self._queue.last(worker),
            "progress": self._queue.progress(worker)._asdict(),
            "message": message,
        }

    def _describe(self, key: str) -> Answer:
        item = self._builder.items[key]
        candidates = [(index, item.candidates[index]) for index in passing_candidates(item)]
        return {
            "key": key,
            "concept": item.proposal.concept,
            "caption": item.proposal.caption,
            "photo": self._url(item.photo),
            "candidates": [
                {
                    "index": index,
                    "image": self._url(candidate.image),
                    "mask": self._url(candidate.mask),
                    "caption": candidate.proposal.new_caption,
                    "word": candidate.proposal.new,
                    "prompt": candidate.prompt,
                }
                for index, candidate in candidates
            ],
        }

    def _url(self, digest: str) -> str:
        return f"gradio_api/file={quote(str(self._journal.folder.resolve() / IMAGES / digest))}.png"

    def _retry(self, key: str, prompt: str, worker: str) -> str | None:
        """Make another candidate, or return the reason why there is none."""
        item = self._builder.items[key]
        if not prompt:
            return f"Type what the {item.proposal.old} becomes instead, then Enter."
        if prompt.lower() == item.proposal.old:
            return f"The caption says {prompt} already; type something else."
        try:
            reason = self._make_candidate(item, prompt, worker)
        except (OSError, ValueError, ImportError, RuntimeError) as error:  # RuntimeError: torch, out of memory
            reason = str(error)
        return reason and f"Not made: {reason.rstrip('.')}."

    def _make_candidate(self, item: Item, prompt: str, worker: str) -> str | None:
        tools = self._tools
        reworded = reword(item.proposal, prompt, tools.vocabulary, tools.names)
        proposal = item.proposal if isinstance(reworded, str) else reworded
        return self._builder.retry(tools.photos[proposal.image_id], proposal, prompt, worker)

    def _edit(self, task: EditTask) -> list[Edit] | str:
        return self._tools.edit(task)

    def _draw(self, photo: CocoPhoto, pixels: np.ndarray, orientation: int, instance: Instance) -> np.ndarray | str:
        return self._tools.parts.draw(photo, pixels, orientation, instance)

    def _gate(self, candidate: Candidate) -> str | None:
        return find_reason(candidate, self._tools.parts.gates)

    @cached_property
    def _tools(self) -> _EditingTools:
        """Loaded at the first request for a further candidate, because reviewing needs neither photos nor models."""
        if not {"coco", "split", "made_with"} <= self._run.keys():
            raise ValueError(f"{self._journal.folder} does not say which photos it was built from")
        parts = self._load_parts(self._run["made_with"])
        photos, _ = parts.read(self._run["coco"], self._run["split"])
        index = load_index()
        categories = {instance.category for photo in photos for instance in photo.instances}
        names = names_of_categories(categories, index.lexicon)
        by_id = {photo.image_id: photo for photo in photos}
        return _EditingTools(by_id, parts.make_editor(photos), parts, index, names)


def worker_name(data: Mapping[str, Any]) -> str:
    """Return the reviewer's name of a request, at most `MAX_NAME` characters.

    Raises:
        ValueError: If the name is empty.
    """
    name = " ".join(str(data["worker"]).split())[:MAX_NAME]
    if not name:
        raise ValueError("A decision needs the reviewer's name, got none; reload the page and enter one.")
    return name
