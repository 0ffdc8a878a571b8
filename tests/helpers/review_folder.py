"""A built folder to review, made without spaCy in a second, and a server of its review in a process of its own."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request

import numpy as np
from helpers.inpainting_folder import RED, make_folder
from helpers.quick_python import quick_python

from hf_hardneg.data.coco_photos import read_coco_photos
from hf_hardneg.inpainting.build import Builder
from hf_hardneg.inpainting.edit.task import Edit
from hf_hardneg.inpainting.journal import Journal, read_journal
from hf_hardneg.inpainting.journal_items import read_items
from hf_hardneg.inpainting.propose.proposals import Proposal


COLORS = {"blue": (40, 60, 200), "green": (30, 150, 60), "yellow": (230, 210, 40), "pink": (240, 130, 180)}
# Captions are anybody's text.
CAPTION = "A red car <img src=x onerror=window.hacked=1> on a road."


def make_review_folder(folder, count):
    """`count` items, four to a photo, under folder/out; photos and annotations under folder/coco."""
    photos = [([CAPTION], [("car", RED, (90, 80 + i, 200, 150 + i))]) for i in range(-(-count // len(COLORS)))]
    coco, out = make_folder(folder / "coco", photos), folder / "out"
    proposals = [(i + 1, name) for i in range(len(photos)) for name in COLORS][:count]
    with Journal(out) as journal:
        run = {"kind": "run", "coco": str(coco), "split": None, "seed": 0, "made_with": {"editor": "classical"}}
        journal.append(run)
        builder = Builder(journal, paint)
        for photo in read_coco_photos(coco)[0]:
            wanted = [propose(photo, name) for image_id, name in proposals if image_id == photo.image_id]
            builder.try_photo(photo, wanted, {"color": 9})
        assert sum(item.is_accepted for item in builder.items.values()) == count
    return out


def propose(photo, name):
    caption_id, text = photo.captions[0]
    thing, key = photo.instances[0].id, f"{photo.image_id}/{photo.instances[0].id}/color/{name}"
    new_text = text.replace("red", name)
    about = (key, photo.image_id, thing, caption_id, "color", "car", "car", text, new_text)
    return Proposal(*about, 2, 5, "red", name, "red", name)


def paint(task):
    tint = np.array(COLORS[task.proposal.new]) * 0.8 + task.photo * 0.2
    return [Edit(np.where(task.mask[..., None], tint, task.photo).astype(np.uint8), task.mask, {})]


def read_reviews(out):
    """(key, verdict, candidate, caption, quality, worker) of each review that was not taken back."""
    standing = {}
    for line in read_journal(out):
        if line["kind"] == "review":
            assert (line["key"], line["worker"]) not in standing
            about = (line[name] for name in ("key", "verdict", "candidate", "caption", "quality", "worker"))
            standing[line["key"], line["worker"]] = tuple(about)
        elif line["kind"] == "undo":
            del standing[line["key"], line["worker"]]
    return sorted(standing.values())


def find_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Server:
    """`hf-hardneg inpaint review` as a user starts it; always on the same port."""

    def __init__(self, out, *options):
        self.port = find_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.command = [quick_python(), "-m", "hf_hardneg.cli", "inpaint", "review", str(out), "--port"]
        self.command += [str(self.port), *options]
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        self.child = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(600):
            if self.child.poll() is not None:
                raise AssertionError(self.child.stdout.read().decode())
            try:
                urllib.request.urlopen(self.url + "gradio_api/login_check")
                return
            except urllib.error.HTTPError:
                return  # it asks for a password
            except OSError:
                time.sleep(0.1)
        raise AssertionError("no server after a minute")

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()

    def call(self, method, **data):
        """What the page's script does to call the desk."""
        content = {"data": data, "component_id": self.page_id(), "fn_name": method, "session_hash": "a"}
        request = urllib.request.Request(
            self.url + "gradio_api/component_server",
            json.dumps(content).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def page_id(self):
        """Of the gr.HTML; the same in every process."""
        if not hasattr(self, "_page_id"):
            with urllib.request.urlopen(self.url + "config") as answer:
                components = json.load(answer)["components"]
            self._page_id = next(one["id"] for one in components if one["type"] == "html")
        return self._page_id


def candidates_of(out):
    return {key: item.candidates for key, item in read_items(read_journal(out)).items()}
