"""The page on which people review: Gradio serves it, one `Desk` with the journal answers it."""

import hashlib
import ipaddress
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from ...data.coco_photos import CocoPhoto, Instance
from ...lexicon.index import LexiconIndex, load_index
from ..build import Builder
from ..check.gates import Candidate, find_reason
from ..edit.task import Edit, Editor, EditTask
from ..journal import IMAGES, JOURNAL, Journal
from ..journal_items import Item
from ..propose.categories import names_of_categories
from ..propose.proposals import reword
from ..run_components import Parts, find_parts
from .review_queue import Decision, Refused, Reviews, passing


try:
    import gradio
except ImportError as error:
    raise ImportError("The review page needs Gradio: pip install 'hf-hardneg[review]'") from error

TEMPLATES = Path(__file__).parent / "templates"
MAX_NAME = 60

FindParts = Callable[[Mapping[str, Any]], Parts]
Answer = dict[str, Any]


class _Workshop(NamedTuple):
    """What making another candidate needs beside the journal."""

    photos: dict[int, CocoPhoto]
    edit: Editor
    parts: Parts
    vocabulary: LexiconIndex
    names: dict[str, str]


class Desk:
    """Answers reviewers, many at a time, from one open journal; a decision is on the disk before it is answered.

    The page calls `begin`, `decide`, `take_back` and `try_again`. Each takes {"worker": name, ...} and returns what
    the page shows next, or {"failure": sentence} if the disk did not take it.

    Args:
        journal: Of a build.
        parts_of: From the run's `made_with` to the parts that make further candidates.
        needed: How many workers review each item.

    Raises:
        ValueError: If the journal holds no pair that can be reviewed.
    """

    def __init__(self, journal: Journal, parts_of: FindParts = find_parts, needed: int = 1) -> None:
        self._journal, self._parts_of = journal, parts_of
        self._run: dict[str, Any] = dict(next((line for line in journal.lines if line["kind"] == "run"), {}))
        seed = self._run.get("seed", 0)
        self._builder = Builder(journal, self._edit, self._draw, gates=(self._gate,), seed=seed)
        self._reviews = Reviews(self._builder.items, journal.lines, needed)
        if not self._reviews.progress("").total:
            raise ValueError(f"{journal.folder} holds no pair that passed the gates: build some first, then review.")
        self._lock = threading.Lock()  # whoever reads or changes the state of the review holds it
        self._editing = threading.Lock()  # an editor may take a minute: others go on deciding meanwhile

    def begin(self, data: Mapping[str, Any]) -> Answer:
        """The worker's item, the same one until he decides."""
        return self._answer(data, lambda worker: None)

    def decide(self, data: Mapping[str, Any]) -> Answer:
        """Take a decision: {"key", "verdict", "candidate", "caption", "quality", "seconds"}."""
        decision = Decision(*(data[name] for name in Decision._fields))
        return self._answer(
            data, lambda worker: self._write(self._reviews.decide(data["key"], worker, decision, time.time()))
        )

    def take_back(self, data: Mapping[str, Any]) -> Answer:
        """Take back the worker's last decision, of {"key"}."""
        return self._answer(data, lambda worker: self._write(self._reviews.undo(data["key"], worker, time.time())))

    def try_again(self, data: Mapping[str, Any]) -> Answer:
        """Make another candidate of {"key"} as {"prompt"} says; it is shown beside the others."""
        with self._editing:
            message = self._retry(data["key"], " ".join(data["prompt"].split()), _name(data))
        return self._answer(data, lambda worker: None, message)

    def _answer(
        self, data: Mapping[str, Any], act: Callable[[str], None], message: str | None = None
    ) -> Answer:  # fmt: skip
        worker = _name(data)
        try:
            with self._lock:
                try:
                    act(worker)
                except Refused as error:
                    message = str(error)
                return self._view(worker, message)
        except OSError as error:
            return {"failure": str(error)}

    def _write(self, lines: Sequence[dict[str, Any]]) -> None:
        for line in lines:
            self._journal.append(line)
            self._reviews.add(line)

    def _view(self, worker: str, message: str | None) -> Answer:
        now = time.time()
        key, lines = self._reviews.next_item(worker, now)
        self._write(lines)
        after = self._reviews.after(key, worker, now) if key else None
        following = self._describe(after) if after else None
        return {
            "item": self._describe(key) if key else None,
            "preload": [following["photo"], *(one["image"] for one in following["candidates"])] if following else [],
            "last": self._reviews.last(worker),
            "progress": self._reviews.progress(worker)._asdict(),
            "message": message,
        }

    def _describe(self, key: str) -> Answer:
        item = self._builder.items[key]
        candidates = [(place, item.made[place]) for place in passing(item)]
        return {
            "key": key,
            "concept": item.proposal.concept,
            "caption": item.proposal.caption,
            "photo": self._url(item.photo),
            "candidates": [
                {
                    "place": place,
                    "image": self._url(one.image),
                    "mask": self._url(one.mask),
                    "caption": one.proposal.new_caption,
                    "word": one.proposal.new,
                    "prompt": one.prompt,
                }
                for place, one in candidates
            ],
        }

    def _url(self, digest: str) -> str:
        return f"gradio_api/file={quote(str(self._journal.folder.resolve() / IMAGES / digest))}.png"

    def _retry(self, key: str, prompt: str, worker: str) -> str | None:
        """Make another candidate, or say why there is none."""
        item = self._builder.items[key]
        if not prompt:
            return f"Type what the {item.proposal.old} becomes instead, then Enter."
        if prompt.lower() == item.proposal.old:
            return f"The caption says {prompt} already; type something else."
        try:
            reason = self._make(item, prompt, worker)
        except (OSError, ValueError, ImportError, RuntimeError) as error:  # RuntimeError: torch, out of memory
            reason = str(error)
        return reason and f"Not made: {reason.rstrip('.')}."

    def _make(self, item: Item, prompt: str, worker: str) -> str | None:
        shop = self._workshop
        reworded = reword(item.proposal, prompt, shop.vocabulary, shop.names)
        proposal = item.proposal if isinstance(reworded, str) else reworded
        return self._builder.retry(shop.photos[proposal.image_id], proposal, prompt, worker)

    def _edit(self, task: EditTask) -> list[Edit] | str:
        return self._workshop.edit(task)

    def _draw(self, photo: CocoPhoto, pixels: np.ndarray, orientation: int, one: Instance) -> np.ndarray | str:
        return self._workshop.parts.draw(photo, pixels, orientation, one)

    def _gate(self, candidate: Candidate) -> str | None:
        return find_reason(candidate, self._workshop.parts.gates)

    @cached_property
    def _workshop(self) -> _Workshop:
        """Opened when somebody tries again for the first time: reviewing needs neither photos nor models."""
        if not self._run:
            raise ValueError(f"{self._journal.folder} does not say which photos it was built from")
        parts = self._parts_of(self._run["made_with"])
        photos, _ = parts.read(self._run["coco"], self._run["split"])
        index = load_index()
        names = names_of_categories({one.category for photo in photos for one in photo.instances}, index.lexicon)
        by_id = {photo.image_id: photo for photo in photos}
        return _Workshop(by_id, parts.make_editor(photos), parts, index, names)


def build_page(desk: Desk, name: str) -> gradio.Blocks:
    """The page: one gr.HTML with a script of ours; `name` is that of the set, under which browsers keep drafts.

    Gradio's own components would need a round trip for each flicker, redraw between items and know no keys. In one
    gr.HTML the page is ours, while Gradio still serves it, checks the password and calls the desk.
    """
    functions = [_as_function(one) for one in (desk.begin, desk.decide, desk.take_back, desk.try_again)]
    html, script = ((TEMPLATES / f"review.{kind}").read_text(encoding="utf-8") for kind in ("html", "js"))
    with gradio.Blocks(title="Review", analytics_enabled=False, fill_width=True) as blocks:
        gradio.HTML(name, html_template=html, js_on_load=script, apply_default_css=False, server_functions=functions)
    return blocks


def review(
    folder: str | Path,
    *,
    needed: int = 1,
    host: str = "127.0.0.1",
    port: int = 7860,
    password: str | None = None,
) -> None:
    """Serve the review of a build's folder until it is interrupted.

    Args:
        folder: What `hf-hardneg inpaint build --out` wrote.
        needed: How many workers review each item.
        host: Address to listen on.
        port: Of the page.
        password: That the page asks for.

    Raises:
        FileNotFoundError: If there is no journal.
        ValueError: If another process holds it, nothing is in it, or others could reach the page without a password.
        OSError: If the port is taken.
    """
    if not (Path(folder) / JOURNAL).is_file():
        raise FileNotFoundError(f"{folder} has no {JOURNAL}; give the --out of hf-hardneg inpaint build.")
    if not password and not _is_loopback(host):
        raise ValueError(f"Others can reach {host}: add --password, or leave out --host.")
    # Gradio asks its own address whether it is up; a proxy must not answer that.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = f"{os.environ.get('NO_PROXY', '')},127.0.0.1,localhost"
    with Journal(folder) as journal:
        name = hashlib.sha256(str(journal.folder.resolve()).encode()).hexdigest()[:12]
        blocks = build_page(Desk(journal, needed=needed), name)
        style = (TEMPLATES / "review.css").read_text(encoding="utf-8")
        sys.stderr.write(
            f"Reviewing {folder} at http://{host}:{port}/ (Ctrl+C ends; every decision is saved at once)\n"
        )
        blocks.launch(
            server_name=host,
            server_port=port,
            share=False,
            auth=_password_check(password) if password else None,
            auth_message="Any user name; the password is the one that the review was started with.",
            allowed_paths=[str(journal.folder.resolve() / IMAGES)],
            theme=gradio.themes.Base(font="system-ui", font_mono="monospace"),  # no fonts from the internet
            head=f"<style>{style}</style>",
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            mcp_server=False,
            quiet=True,
        )


def _as_function(method: Callable[[Mapping[str, Any]], Answer]) -> Callable[[Mapping[str, Any]], Answer]:
    """Gradio marks the functions that a page may call, and methods cannot be marked."""
    return wraps(method)(lambda data: method(data))


def _name(data: Mapping[str, Any]) -> str:
    name = " ".join(str(data["worker"]).split())[:MAX_NAME]
    if not name:
        raise ValueError("A decision needs the name of who decides, got none; reload the page and give one.")
    return name


def _password_check(password: str) -> Callable[[str, str], bool]:
    return lambda _, given: secrets.compare_digest(given.encode(), password.encode())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
