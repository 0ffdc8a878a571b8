import errno
import json
import os
import random
import subprocess
import time

import numpy as np
import pytest
from helpers.inpainting_folder import PHOTOS, accepted_pairs, change, make_folder
from helpers.quick_python import quick_python
from PIL import Image

from hf_hardneg.cli import main
from hf_hardneg.data.coco_photos import read_coco_photos
from hf_hardneg.data.skip_reasons import MISSING, UNREADABLE
from hf_hardneg.inpainting.build import DUPLICATE, Builder, build_pairs
from hf_hardneg.inpainting.edit.classical import NOT_A_WORD, ClassicalEditor
from hf_hardneg.inpainting.edit.task import Edit
from hf_hardneg.inpainting.journal import JOURNAL, Journal, load_image, read_journal
from hf_hardneg.inpainting.journal_items import format_build_summary, read_items, summarize_build
from hf_hardneg.inpainting.masks.coco_masks import WRONG_SIZE
from hf_hardneg.inpainting.propose.categories import names_of_categories
from hf_hardneg.inpainting.propose.proposals import Proposal, reword
from hf_hardneg.inpainting.review.contact_sheet import write_contact_sheet
from hf_hardneg.lexicon.index import load_index


CLASSICAL = {"editor": "classical"}  # as the command writes it
KILLS = int(os.environ.get("HF_HARDNEG_TEST_KILLS", 3))


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("inpainting") / "coco")


@pytest.fixture(scope="module")
def built(coco, tmp_path_factory):
    """An undisturbed run's folder and summary."""
    out = tmp_path_factory.mktemp("built")
    return out, build_pairs(coco, out, ClassicalEditor, made_with=CLASSICAL)


def content(folder):
    """Every byte that a run leaves."""
    return {file.name: file.read_bytes() for file in [folder / JOURNAL, *sorted((folder / "images").iterdir())]}


def test_all_three_concepts_are_made_and_every_promise_is_kept(built):
    out, summary = built
    pairs = accepted_pairs(out)
    assert set(summary.accepted) == {"color", "object", "size"} and summary.accepted.total() == len(pairs) > 15
    for item, made in pairs:
        pair = made.proposal
        photo, image, mask = (load_image(out, digest) for digest in (item.photo, made.image, made.mask))
        assert set(np.unique(mask)) == {0, 255}
        assert (photo[mask == 0] == image[mask == 0]).all() and (photo != image).any()
        assert (
            pair.new_caption == pair.caption[: pair.start] + pair.new_text + pair.caption[pair.end :] != pair.caption
        )
    assert len({made.image for _, made in pairs}) == len(pairs)
    assert summarize_build(read_journal(out)) == summary
    assert summary.skipped["the category is not in the vocabulary"] == 1
    assert format_build_summary(summary).startswith(f"{len(pairs)} pairs: color ")


def test_the_journal_holds_every_step_once(built):
    lines = list(read_journal(built[0]))
    keys = [(line["kind"], line["key"]) for line in lines if "key" in line]
    assert len(set(keys)) == len(keys)
    assert {kind for kind, _ in keys} == {"proposal", "candidates", "decision"}
    decided = {key for kind, key in keys if kind == "decision"}
    assert {key for kind, key in keys if kind == "proposal"} == decided
    assert [line["image_id"] for line in lines if line["kind"] == "done"] == [1, 2, 3, 4, 5, 6]


def test_started_again_nothing_is_done_twice(coco, built, tmp_path):
    out, summary = built
    before = content(out)

    def never(task):
        raise AssertionError("edited twice")

    def make_never(photos):
        return never

    assert build_pairs(coco, out, make_never, made_with=CLASSICAL) == summary
    assert content(out) == before


def test_cut_anywhere_it_goes_on_to_the_same_bytes(coco, built, tmp_path):
    whole = (built[0] / JOURNAL).read_bytes()
    for cut in random.Random(0).sample(range(len(whole)), 4):
        out = tmp_path / str(cut)
        (out / "images").mkdir(parents=True)
        for file in (built[0] / "images").iterdir():  # images are there before the lines that name them
            (out / "images" / file.name).write_bytes(file.read_bytes())
        (out / JOURNAL).write_bytes(whole[:cut])
        build_pairs(coco, out, ClassicalEditor, made_with=CLASSICAL)
        assert content(out) == content(built[0])


def test_killed_at_random_moments_it_ends_with_the_same_bytes(coco, built, tmp_path):
    command = [quick_python(), "-m", "hf_hardneg.cli", "inpaint", "build", "--coco", coco, "--out", tmp_path / "out"]
    journal, rng = tmp_path / "out" / JOURNAL, random.Random(1)
    size = (built[0] / JOURNAL).stat().st_size
    killed = 0
    for step in range(KILLS):
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        goal = size * (step + rng.random()) / KILLS
        while child.poll() is None and (journal.stat().st_size if journal.exists() else 0) < goal:
            time.sleep(0.002)
        time.sleep(rng.random() * 0.05)
        killed += child.poll() is None
        child.kill()
        child.wait()
    assert killed >= KILLS - 1
    subprocess.run(command, check=True, capture_output=True)
    assert content(tmp_path / "out") == content(built[0])


def test_other_settings_are_not_mixed_into_a_folder(coco, built):
    with pytest.raises(ValueError, match=r"was begun with .*'seed': 0.*another folder"):
        build_pairs(coco, built[0], ClassicalEditor, seed=1, made_with=CLASSICAL)


def test_bad_photos_and_masks_are_counted(tmp_path):
    coco = make_folder(tmp_path / "coco")
    photos = sorted((coco / "val2017").iterdir())
    photos[0].unlink()
    photos[1].write_bytes(photos[1].read_bytes()[:3000])
    Image.open(photos[2]).resize((300, 240)).save(photos[2])
    change(coco, "instances", lambda data: data["annotations"][3].update(segmentation=[["x"]]))
    out = tmp_path / "out"
    summary = build_pairs(coco, out, ClassicalEditor)
    assert summary.skipped[MISSING] == summary.skipped[UNREADABLE] == 1
    assert summary.rejected[WRONG_SIZE] >= 1 and summary.rejected["the instance's mask cannot be read"] >= 1
    assert {item.proposal.image_id for item, _ in accepted_pairs(out)} == {6}


def test_without_a_pair_there_is_no_sheet(tmp_path):
    coco = make_folder(tmp_path / "coco", PHOTOS[:1])
    assert not build_pairs(coco, tmp_path / "out", ClassicalEditor, gates=(lambda made: "never",)).accepted
    assert write_contact_sheet(tmp_path / "out", tmp_path / "sheet.png") == 0 and not (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize("turn", ["L", "CMYK", "EXIF"])
def test_gray_cmyk_and_turned_photos_are_edited_upright(tmp_path, turn):
    coco = make_folder(tmp_path / "coco")
    for file in (coco / "val2017").iterdir():
        image = Image.open(file).convert("RGB")
        exif = Image.Exif()
        if turn == "EXIF":
            exif[0x0112] = 6  # stored turned to the left: turning it right makes it upright
            image = image.transpose(Image.Transpose.ROTATE_90)
        image = image if turn == "EXIF" else image.convert(turn)
        image.save(file, "JPEG", exif=exif, quality=95)
    out = tmp_path / "out"
    summary = build_pairs(coco, out, ClassicalEditor, wanted={"color": 1, "object": 1, "size": 1})
    assert summary.accepted["size"] and bool(summary.accepted["color"]) == (turn != "L")
    for _, made in accepted_pairs(out):
        assert load_image(out, made.image).shape == (240, 320, 3)


def test_every_part_can_be_replaced(coco, tmp_path):
    def make_inverter(photos):
        return lambda task: [Edit(255 - task.photo, task.mask, {"mine": True})]

    summary = build_pairs(
        coco, tmp_path, make_inverter, gates=(lambda made: "never" if made.proposal.new == "blue" else None,)
    )
    assert summary.rejected["never"] == 3 and summary.accepted.total() >= 3
    assert all(made.details == {"mine": True} for _, made in accepted_pairs(tmp_path))


def test_the_same_edit_is_taken_once(coco, tmp_path):
    def make_blackener(photos):
        return lambda task: [Edit(np.zeros_like(task.photo), task.mask, {})]

    summary = build_pairs(coco, tmp_path, make_blackener)
    assert summary.rejected[DUPLICATE] > 0
    assert len({made.image for _, made in accepted_pairs(tmp_path)}) == summary.accepted.total()


def test_the_command_leaves_a_sheet_and_says_what_came_out(coco, built, capsys):
    main(["inpaint", "build", "--coco", str(coco), "--out", str(built[0]), "--editor", "classical"])
    assert "pairs: color" in capsys.readouterr().out
    sheet = Image.open(built[0] / "contact_sheet.png")
    assert sheet.width > 1500 and sheet.height > 500
    (built[0] / "contact_sheet.png").unlink()


def test_mistakes_end_with_one_sentence(tmp_path, monkeypatch):
    coco = make_folder(tmp_path / "coco", PHOTOS[:1])
    with pytest.raises(SystemExit, match="error: .*no-folder has captions_SPLIT.json"):
        main(["inpaint", "build", "--coco", str(tmp_path / "no-folder"), "--out", str(tmp_path / "out")])

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("hf_hardneg.inpainting.journal.os.fsync", full)
    with pytest.raises(SystemExit, match="error: .*make room and run the same command again"):
        main(["inpaint", "build", "--coco", str(coco), "--out", str(tmp_path / "out")])
    monkeypatch.undo()
    main(["inpaint", "build", "--coco", str(coco), "--out", str(tmp_path / "out")])
    assert all(json.dumps(line) for line in read_journal(tmp_path / "out"))


def test_a_person_can_ask_again_with_another_word(coco, tmp_path):
    build_pairs(coco, tmp_path, ClassicalEditor, wanted={"color": 1, "object": 1, "size": 1})
    photos = {photo.image_id: photo for photo in read_coco_photos(coco)[0]}
    index = load_index()
    names = names_of_categories({"cup", "vase", "car", "bus"}, index.lexicon)
    with Journal(tmp_path) as journal:
        builder = Builder(journal, ClassicalEditor(list(photos.values())))
        key, item = next((k, i) for k, i in builder.items.items() if k.startswith("1/1/color") and i.is_accepted)
        other = next(name for name in ("pink", "purple") if name != item.proposal.new)
        wanted = reword(item.proposal, other, index, names)
        assert wanted.key == key and wanted.new_caption == f"A {other} bus on a road." and wanted.new == other
        assert builder.retry(photos[1], wanted, other, "ann") is None
        assert [one.proposal.new for one in item.candidates] == [item.proposal.new, other] and item.is_accepted
        assert builder.retry(photos[1], wanted, other, "ann") == DUPLICATE
        assert builder.retry(photos[1], wanted, "a shiny one", "ann") == NOT_A_WORD
        assert item.retries == 3 and read_items(journal.lines) == builder.items
    again = read_items(read_journal(tmp_path))[key]
    assert [(one.prompt, one.reason) for one in again.candidates] == [(None, None), (other, None), (other, DUPLICATE)]


@pytest.mark.parametrize(
    ("concept", "word", "reason"),
    [
        ("color", "cup", "no color"),
        ("size", "red", "no size"),
        ("object", "galaxy", "no object"),
        ("color", "red", "says already"),
    ],
)
def test_words_that_cannot_be_put_in_give_a_reason(concept, word, reason):
    values = {name: "" for name in Proposal._fields} | {"concept": concept, "old": "red", "old_text": "A red"}
    proposal = Proposal(**values | {"caption": "A red bus", "start": 0, "end": 5})
    assert reason in reword(proposal, word, load_index(), {"cup": "cup"})


def test_a_new_word_brings_its_article():
    values = {name: "" for name in Proposal._fields} | {"concept": "color", "old": "red", "old_text": "red"}
    proposal = Proposal(**values | {"caption": "A red bus", "start": 2, "end": 5})
    orange = reword(proposal, "orange", load_index(), {})
    assert (orange.new_caption, orange.old_text, orange.new_text) == ("An orange bus", "A red", "An orange")
    back = reword(orange, "blue", load_index(), {})
    assert (back.new_caption, back.old_text, back.new_text) == ("A blue bus", "red", "blue")
