import errno
import os
import random
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

import pytest
from helpers.review_folder import Server, candidates_of, make_review_folder, read_reviews

from hf_hardneg.cli import main
from hf_hardneg.inpainting.journal import Journal, read_journal
from hf_hardneg.inpainting.review.desk import Desk
from hf_hardneg.inpainting.run_parts import load_run_parts


pytest.importorskip("gradio", reason="the review page needs gradio: pip install 'hf-hardneg[review]'")
KILLS = int(os.environ.get("HF_HARDNEG_TEST_KILLS", 3))


@pytest.fixture
def desk(tmp_path):
    """A desk whose editor waits until the test lets it go on."""
    waiting, going_on = threading.Event(), threading.Event()

    def edit(task):
        waiting.set()
        assert going_on.wait(20)
        return "no, thanks."

    with Journal(make_review_folder(tmp_path, 3)) as journal:
        desk = Desk(journal, lambda made: load_run_parts(made)._replace(make_editor=lambda photos: edit))
        desk.waiting, desk.going_on = waiting, going_on
        yield desk


def test_others_decide_while_an_editor_works(desk, tmp_path):
    key = desk.begin({"worker": "Ann"})["item"]["key"]
    other = desk.begin({"worker": "Bea"})["item"]["key"]
    with ThreadPoolExecutor(1) as pool:
        again = pool.submit(desk.try_again, {"worker": "Ann", "key": key, "prompt": "silver"})
        assert desk.waiting.wait(20)
        assert desk.decide({"worker": "Bea", **decision_on(other)})["progress"]["done"] == 1
        desk.going_on.set()
    answer = again.result()
    assert answer["message"] == "Not made: no, thanks." and answer["item"]["key"] == key
    assert desk.try_again({"worker": "Ann", "key": key, "prompt": " Red "})["message"].startswith("The caption says")
    assert desk.try_again({"worker": "Ann", "key": key, "prompt": " "})["message"].startswith("Type what the red")
    assert sum(line["kind"] == "retry" for line in read_journal(tmp_path / "out")) == 1


def test_without_the_photos_people_still_review(desk, tmp_path):
    shutil.rmtree(tmp_path / "coco")
    key = desk.begin({"worker": "Ann"})["item"]["key"]
    assert "Not made: " in desk.try_again({"worker": "Ann", "key": key, "prompt": "blue"})["message"]
    assert desk.decide({"worker": "Ann", **decision_on(key)})["progress"]["yours"] == 1


def test_a_full_disk_is_said_and_the_decision_can_be_sent_again(desk, tmp_path, monkeypatch):
    key = desk.begin({"worker": "Ann"})["item"]["key"]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
        assert "make room" in desk.decide({"worker": "Ann", **decision_on(key)})["failure"]
    assert read_reviews(tmp_path / "out") == []
    assert desk.decide({"worker": "Ann", **decision_on(key)})["progress"]["done"] == 1
    assert len(read_reviews(tmp_path / "out")) == 1


def test_without_gradio_one_sentence_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.delitem(sys.modules, "hf_hardneg.inpainting.review.app", raising=False)
    with pytest.raises(SystemExit, match=r"error: The review page needs Gradio: pip install 'hf-hardneg\[review\]'"):
        main(["inpaint", "review", str(tmp_path)])


def test_a_folder_without_pairs_is_an_error(tmp_path):
    with Journal(tmp_path) as journal:
        journal.append({"kind": "run", "seed": 0})
    with pytest.raises(SystemExit, match="error: .* holds no pair that passed the gates"):
        main(["inpaint", "review", str(tmp_path)])


def decision_on(key):
    """What the script decides: follows from the item, so that two runs can be compared."""
    rng = random.Random(key)
    if rng.random() < 0.3:
        return {"key": key, "verdict": "reject", "candidate": None, "caption": "-", "quality": None, "seconds": 1.0}
    caption = f"Seen {rng.random()}."
    return {"key": key, "verdict": "accept", "candidate": 0, "caption": caption, "quality": 3, "seconds": 1.0}


def test_killed_at_random_moments_no_decision_is_lost_or_doubled(tmp_path):
    """Two scripted reviewers decide 40 items, and take every fifth back once, while the server is killed."""
    out = make_review_folder(tmp_path, 40)
    rng, killed, done = random.Random(2), 0, 0
    goals = [40 * (step + rng.random()) / KILLS for step in range(KILLS)]

    def call(method, **data):  # as the page: until there is an answer
        nonlocal killed
        if killed < KILLS and done >= goals[killed]:
            killed += 1
            threading.Timer(rng.random() * 0.03, server.child.kill).start()
        while True:
            try:
                return server.call(method, **data)
            except (OSError, HTTPException):  # also an answer that the kill cut off
                server.kill()
                server.start()

    with Server(out) as server:
        workers = {name: call("begin", worker=name) for name in ("Ann", "Bea")}
        while any(view["item"] for view in workers.values()):
            for name, view in workers.items():
                if not view["item"]:
                    continue
                key = view["item"]["key"]
                view = call("decide", worker=name, **decision_on(key))
                done += 1
                if done % 5 == 0:
                    view = call("take_back", worker=name, key=key)
                    assert view["item"]["key"] == key
                    view = call("decide", worker=name, **decision_on(key))
                workers[name] = view
    assert killed == KILLS
    expected = [tuple(decision_on(key)[name] for name in ("key", "verdict", "candidate", "caption", "quality"))
                for key in sorted(candidates_of(out))]  # fmt: skip
    assert [one[:-1] for one in read_reviews(out)] == expected
