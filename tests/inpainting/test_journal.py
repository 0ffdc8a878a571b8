import errno
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hf_hardneg.inpainting.journal import Journal, load_image, read_journal


def done(number, skipped=None):
    """A line of a journal, as a build writes it."""
    return {"kind": "done", "image_id": number, "skipped": skipped or {}}


def test_lines_and_images_come_back(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    with Journal(tmp_path) as journal:
        journal.append({"kind": "run", "text": "größer"})
        digest = journal.save_image(pixels)
        assert journal.save_image(pixels) == digest
        mask = journal.save_image(pixels[..., 0])
    assert list(read_journal(tmp_path)) == [{"kind": "run", "text": "größer"}]
    assert (load_image(tmp_path, digest) == pixels).all() and load_image(tmp_path, mask).shape == (20, 30)
    assert len(list((tmp_path / "images").iterdir())) == 2
    assert list(read_journal(tmp_path / "nowhere")) == []


FIRST, SECOND = (json.dumps(done(number)) + "\n" for number in (1, 2))


@pytest.mark.parametrize("kept", range(len(SECOND)))
def test_a_journal_cut_in_mid_line_stays_readable(tmp_path, kept):
    with Journal(tmp_path) as journal:
        journal.append(done(1))
        journal.append(done(2))
    file = tmp_path / "journal.jsonl"
    file.write_text(FIRST + SECOND[:kept])
    assert list(read_journal(tmp_path)) == [done(1)]
    with Journal(tmp_path) as journal:
        assert journal.lines == [done(1)]
        journal.append(done(3))
    assert file.read_text() == FIRST + json.dumps(done(3)) + "\n"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("rubbish", "is not valid JSON"),
        ('{"kind": "done", "image_id": "1", "skipped": {}}', 'has image_id = "1", which must be an integer'),
        ('{"kind": "done", "image_id": 1}', "lacks 'skipped'"),
        ('{"kind": "dome"}', "has kind = 'dome', which must be one of 'run', "),
        ("{}", "lacks 'kind'"),
        ("null", "is null; it must be an object"),
        ('{"kind": "decision", "key": "1", "accepted": true, "reason": "accepted", "reasons": []}', "has key = '1'"),
    ],
)
def test_a_journal_with_a_wrong_line_names_the_line_and_the_field(tmp_path, line, problem):
    (tmp_path / "journal.jsonl").write_text(f"{FIRST}{line}\n{SECOND}")
    with pytest.raises(ValueError, match=f"journal.jsonl, line 2, {re.escape(problem)}"):
        Journal(tmp_path)


def test_only_one_process_writes(tmp_path):
    with Journal(tmp_path), pytest.raises(ValueError, match="Another process"):
        Journal(tmp_path)
    with Journal(tmp_path):
        pass


def test_a_full_disk_leaves_a_readable_journal(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Journal(tmp_path) as journal:
        journal.append(done(1))
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left.*make room and run the same command again"):
            journal.save_image(np.zeros((4, 4), np.uint8))
        with pytest.raises(OSError, match="make room"):
            journal.append(done(2))
    assert list((tmp_path / "images").iterdir()) == []
    monkeypatch.undo()
    (tmp_path / "images" / "left.part").touch()  # by a process that was killed
    with Journal(tmp_path) as journal:
        journal.append(done(3))
    assert [json.loads(line)["image_id"] for line in (tmp_path / "journal.jsonl").read_text().splitlines()] in (
        [1, 3],
        [1, 2, 3],
    )
    assert list((tmp_path / "images").iterdir()) == []


def test_after_a_full_disk_the_same_process_goes_on(tmp_path, monkeypatch):
    """Half a line must not stay: the next one would be written behind it."""
    with Journal(tmp_path) as journal:
        journal.append(done(1))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
            with pytest.raises(OSError, match="make room"):
                journal.append(done(2))
        journal.append(done(3))
        assert journal.lines == [done(1), done(3)] == list(read_journal(tmp_path))


def test_threads_do_not_mix_their_lines(tmp_path):
    with Journal(tmp_path) as journal:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: journal.append(done(n, {"x" * 9000: 1})), range(64)))
        assert sorted(line["image_id"] for line in read_journal(tmp_path)) == list(range(64))
