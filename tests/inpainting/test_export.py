"""From a journal to a folder that a stranger opens with `load_dataset`."""

import errno
import hashlib
import importlib.util
import io
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, Features, Value, load_dataset
from helpers.inpainting_folder import change, make_folder
from helpers.quick_python import quick_python
from huggingface_hub import DatasetCard
from PIL import Image
from sklearn.metrics import cohen_kappa_score

from hf_hardneg.atomic_folder import new_folder
from hf_hardneg.cli import main
from hf_hardneg.columns import CHALLENGE_FEATURES, PAIR_FEATURES
from hf_hardneg.data.inpainted_pairs import read_inpainted_pairs
from hf_hardneg.data.twin_sets import read_twins
from hf_hardneg.inpainting.build import build_pairs
from hf_hardneg.inpainting.edit.classical import ClassicalEditor
from hf_hardneg.inpainting.journal import JOURNAL, read_journal
from hf_hardneg.inpainting.journal_items import read_items
from hf_hardneg.inpainting.publish.export import export_pairs
from hf_hardneg.inpainting.publish.export_card import DATA_FILE, EXPORT_JSON, build_export_card
from hf_hardneg.inpainting.publish.selected_pairs import (
    DISPUTED,
    NO_CAPTION,
    NOT_REVIEWED,
    REJECTED,
    SAME_CAPTION,
    read_journal_contents,
    select_pairs,
)
from hf_hardneg.inpainting.review.agreement import krippendorff_alpha, observed_agreement
from hf_hardneg.inpainting.review.contact_sheet import mark_change
from hf_hardneg.inpainting.review.review_records import Review, accepting_review, read_reviews


CLASSICAL = {"editor": "classical"}
SCRIPT = Path(__file__).parents[2] / "dataset_scripts" / "inpaintcoco.py"
LICENSES = [{"id": 1, "name": "Attribution License"}, {"id": 2, "name": "Attribution-NoDerivs License"}]


def add_sources(data):
    """What COCO's files say of photos and the tests' own folder does not."""
    data["licenses"] = LICENSES
    for image in data["images"]:
        name = f"val2017/{image['id']:012}.jpg"
        image |= {"coco_url": f"http://images.cocodataset.org/{name}", "license": 1 + image["id"] % 2}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A finished build of a few pairs; its journal is copied before it is reviewed."""
    coco = make_folder(tmp_path_factory.mktemp("export") / "coco")
    change(coco, "captions", add_sources)
    out = tmp_path_factory.mktemp("built")
    build_pairs(coco, out, ClassicalEditor, made_with=CLASSICAL, wanted={"color": 2, "object": 2, "size": 1})
    return out


@pytest.fixture
def folder(built, tmp_path):
    """A copy of the build that a test may add reviews to."""
    copy = tmp_path / "pairs"
    copy.mkdir()
    (copy / "images").symlink_to(built / "images")
    (copy / JOURNAL).write_bytes((built / JOURNAL).read_bytes())
    return copy


def accepted_items(folder):
    return {key: item for key, item in read_items(read_journal(folder)).items() if item.is_accepted}


def say(folder, *lines):
    with (folder / JOURNAL).open("a") as file:
        for line in lines:
            file.write(json.dumps(line) + "\n")


def review(key, worker="ann", verdict="accept", candidate=0, caption="Something else.", quality=4, seconds=12.4):
    about = {"candidate": candidate, "caption": caption, "quality": quality, "seconds": seconds}
    return {"kind": "review", "key": key, "worker": worker, "verdict": verdict, **about}


def accept_all(folder, worker="ann", seconds=12.4):
    for key, item in accepted_items(folder).items():
        place = next(i for i, one in enumerate(item.candidates) if one.reason is None)
        caption = item.candidates[place].proposal.new_caption
        say(folder, review(key, worker, candidate=place, caption=caption, seconds=seconds))


def test_a_stranger_loads_the_columns_of_inpaintcoco_and_the_journals_own_pixels(folder, tmp_path):
    accept_all(folder)
    out = tmp_path / "inpaintcoco"
    main(["inpaint", "export", str(folder), "--out", str(out)])
    (out / "scripts" / "inpaintcoco.py").touch()  # there, although the folder has its name
    dataset = load_dataset(str(out))
    assert list(dataset) == ["test"] and dataset["test"].features == CHALLENGE_FEATURES
    items = list(accepted_items(folder).values())
    assert len(dataset["test"]) == len(items) > 5
    for row, item in zip(dataset["test"], items, strict=True):
        made = next(one for one in item.candidates if one.reason is None)
        for name, digest in (("coco_image", item.photo), ("inpaint_image", made.image), ("mask", made.mask)):
            file = folder / "images" / f"{digest}.png"
            assert (np.array(row[name]) == np.array(Image.open(file))).all()
            assert row[name].filename == "" and row[name].format == "PNG"
        assert row["concept"] == made.proposal.concept and row["worker"] == "ann"
        assert (row["coco_caption"], row["inpaint_caption"]) == (made.proposal.caption, made.proposal.new_caption)
        about = row["coco_details"]
        assert about["coco_url"].endswith(f"val2017/{about['id']:012}.jpg") and about["id"] == made.proposal.image_id
        assert about["image_license"] == LICENSES[about["id"] % 2]["name"] and "Commons" in about["text_license"]
        assert (about["width"], about["height"]) == row["coco_image"].size and row["coco_caption"] in about["captions"]
        how = row["inpaint_details"]
        assert (how["duration"], how["quality"], how["editor"], how["seed"]) == (12, 4, "classical", 0)
        assert how["key"] == made.proposal.key and json.loads(how["details"]) == made.details
        assert (how["guidance_scale"], how["prompts_used"]) == (None, [])
        assert row["mask_details"]["area"] == pytest.approx((np.array(row["mask"]) > 127).mean())
        assert row["mask_details"]["category"] == made.proposal.category


def test_png_bytes_are_the_journals(folder, tmp_path):
    accept_all(folder)
    export_pairs(folder, tmp_path / "out")
    raw = load_dataset(str(tmp_path / "out"), split="test").with_format("arrow")[:]["inpaint_image"].to_pylist()
    for image in raw:
        assert hashlib.sha256(image["bytes"]).hexdigest() + ".png" == image["path"]


def test_only_what_everybody_accepts_goes_out_with_the_latest_word(folder):
    keys = list(accepted_items(folder))
    say(
        folder,
        review(keys[0], "ann", caption="First."),
        review(keys[0], "bob", caption="Second."),
        review(keys[1], "ann"),
        review(keys[1], "bob", "reject", None),
        review(keys[2], "ann", "reject", None),
        review(keys[3], "ann", caption=" "),
        review(keys[4], "ann", caption=accepted_items(folder)[keys[4]].proposal.caption.upper()),
        {"kind": "given", "key": keys[5], "worker": "ann", "time": 1.0},
        review(keys[5], "ann"),
        {"kind": "undo", "key": keys[5], "worker": "ann"},
    )
    pairs, left_out = select_pairs(read_journal_contents(folder))
    assert [(pair.caption, pair.review.worker) for pair in pairs] == [("Second.", "bob")]
    reasons = {DISPUTED: 1, REJECTED: 1, NO_CAPTION: 1, SAME_CAPTION: 1, NOT_REVIEWED: len(keys) - 5}
    assert left_out == reasons


def test_a_retried_candidate_is_exported_with_its_own_words_and_prompts(folder, tmp_path):
    key, item = next((k, i) for k, i in accepted_items(folder).items() if i.proposal.concept == "color")
    made = next(one for one in item.candidates if one.reason is None)
    again = {**made.proposal._asdict(), "new": "pink", "new_caption": "A  pink thing."}  # as COCO writes, at times
    edit = {"image": made.image, "mask": made.mask, "details": {"prompt": "pink, shiny", "seed": 2**64 - 1}}
    retry = {"kind": "retry", "key": key, "worker": "ann", "prompt": "pink", "proposal": again}
    say(
        folder, {**retry, "edits": [edit], "reasons": [None]}, {**retry, "prompt": "no", "edits": [], "reasons": ["x"]}
    )
    say(folder, review(key, candidate=len(item.candidates), caption="A pink thing."))
    summary = export_pairs(folder, tmp_path / "out")
    row = load_dataset(str(tmp_path / "out"), split="test")[0]
    how = row["inpaint_details"]
    assert (row["inpaint_caption"], how["new"], how["prompt"]) == ("A pink thing.", "pink", "pink, shiny")
    assert how["prompts_used"] == ["pink, shiny", "pink", "no"] and how["seed"] == 2**64 - 1
    assert summary["reviews"]["captions_rewritten"] == 0


def test_the_models_and_settings_of_a_pipeline_are_told(folder, tmp_path):
    lines = list(read_journal(folder))
    made_with = {"editor": "diffusers", "editor_model": "org/sd", "masks": "clipseg", "mask_threshold": 0.4}
    lines[0]["made_with"] = made_with
    (folder / JOURNAL).write_text("".join(json.dumps(line) + "\n" for line in lines))
    key, item = next(iter(accepted_items(folder).items()))
    made = item.candidates[0]
    details = {"model": "org/sd", "prompt": "a pink bus", "seed": 7, "guidance_scale": 7.5, "num_inference_steps": 30}
    retry = {"kind": "retry", "key": key, "worker": "ann", "prompt": "pink", "proposal": made.proposal._asdict()}
    edit = {"image": made.image, "mask": made.mask, "details": details}
    say(folder, {**retry, "edits": [edit], "reasons": [None]}, review(key, candidate=len(item.candidates)))
    export_pairs(folder, tmp_path / "out")
    row = load_dataset(str(tmp_path / "out"), split="test")[0]
    how, mask = row["inpaint_details"], row["mask_details"]
    assert {name: how[name] for name in details} == details and how["editor"] == "diffusers"
    category = item.proposal.category
    assert (mask["source"], mask["threshold"], mask["prompt"], mask["prompts_used"]) == (
        "clipseg", 0.4, category, [category],
    )  # fmt: skip
    card = (tmp_path / "out" / "README.md").read_text()
    assert all(f"- {name}: `{value}`" in card for name, value in made_with.items()) and "*diffusers*" in card


def test_an_export_that_was_replaced_or_moved_is_loaded_anew(folder, tmp_path):
    first, second = list(accepted_items(folder))[:2]
    out = tmp_path / "set"
    say(folder, review(first))
    export_pairs(folder, out)
    assert len(load_dataset(str(out), split="test")) == 1
    say(folder, review(second))
    export_pairs(folder, out)
    assert len(load_dataset(str(out), split="test")) == 2  # datasets keeps what it loaded from a folder


def test_unreviewed_pairs_say_that_nobody_looked(folder, tmp_path):
    main(["inpaint", "export", str(folder), "--out", str(tmp_path / "out"), "--unreviewed"])
    rows = load_dataset(str(tmp_path / "out"), split="test")
    assert set(rows["worker"]) == {""} and len(rows) == len(accepted_items(folder))
    assert {one["duration"] for one in rows["inpaint_details"]} == {None}
    assert "**Nobody looked at these pairs.**" in (tmp_path / "out" / "README.md").read_text()


def test_one_command_makes_twins_to_train_on_and_goes_on_where_it_was(tmp_path, capsys):
    coco, out, twins = make_folder(tmp_path / "coco"), tmp_path / "edits", tmp_path / "twins"
    argv = ["inpaint", "build", "--coco", str(coco), "--out", str(out), "--twins", str(twins)]
    main(argv)
    said = capsys.readouterr().out
    pairs, _ = read_twins(str(twins), None, 1)
    assert len(pairs) == len(accepted_items(out)) > 0
    by_concept = Counter(pair.concept for pair in pairs)
    assert f"{len(pairs)} pairs of twins to train on (" in said
    assert all(f"{concept} {number}" in said for concept, number in by_concept.items())
    before = (twins / DATA_FILE).read_bytes()
    main(argv)
    assert (twins / DATA_FILE).read_bytes() == before


def test_a_folder_of_others_is_refused_for_twins_before_anything_is_edited(tmp_path):
    coco, out, twins = make_folder(tmp_path / "coco"), tmp_path / "edits", tmp_path / "twins"
    twins.mkdir()
    (twins / "thesis.txt").write_text("mine")
    argv = ["inpaint", "build", "--coco", str(coco), "--out"]
    with pytest.raises(SystemExit, match="thesis.txt.*choose another --twins"):
        main([*argv, str(out), "--twins", str(twins)])
    with pytest.raises(SystemExit, match="lies in --twins"):
        main([*argv, str(out / "edits"), "--twins", str(out)])
    assert not out.exists()


def test_where_no_edit_passes_there_are_no_twins_and_nothing_is_written(tmp_path, capsys):
    coco, twins = make_folder(tmp_path / "coco"), tmp_path / "twins"
    change(coco, "captions", lambda data: [one.update(caption="Nothing.") for one in data["annotations"]])
    main(["inpaint", "build", "--coco", str(coco), "--out", str(tmp_path / "edits"), "--twins", str(twins)])
    assert "No pair passed the gates, so there are no twins" in capsys.readouterr().out and not twins.exists()


def test_the_card_counts_what_the_journal_says(folder, tmp_path):
    accept_all(folder)
    accept_all(folder, "bob")
    keys = list(accepted_items(folder))
    say(folder, review(keys[0], "bob", "reject", None))
    summary = export_pairs(folder, tmp_path / "set")
    card = DatasetCard.load(tmp_path / "set" / "README.md")
    assert card.data.license == "other" and card.data.annotations_creators == ["expert-generated"]
    text = card.text
    number = len(keys)
    agreed, alpha = (number - 1) / number, summary["reviews"]["krippendorff_alpha"]
    assert summary["pairs"] == number - 1 == sum(summary["by_concept"].values())
    assert f"{number} pairs were reviewed by more than one person: {100 * agreed:.1f} %" in text
    assert f"as by chance) is {alpha:.3f}" in text
    assert f"| {DISPUTED} | 1 |" in text and "not in the set because" in text
    for reason, count in summary["built"]["rejected"].items():
        assert f"| {reason} | {count} |" in text
    photos = {row["id"] for row in load_dataset(str(tmp_path / "set"), split="test")["coco_details"]}
    licenses = summary["licenses"]
    assert sum(one["photos"] for one in licenses.values()) == len(photos)
    assert licenses.keys() == {"Attribution License", "Attribution-NoDerivs License"}
    assert sum(one["cut_outs"] for one in licenses.values()) > 0  # whose license is told, too
    assert f"{summary['no_derivatives']} pairs show photos, or cut-outs of photos, whose license forbids" in text
    assert summary["outside_difference"] == 0 and "is 0 of 255" in text
    assert 'load_dataset("set", split="test")' in text and "2403.02875" in text and "contact_sheet.png" in text
    assert "Nobody looked" not in text and "{{" not in text and "None" not in text
    assert Image.open(tmp_path / "set" / "contact_sheet.png").width > 1000
    assert (tmp_path / "set" / "scripts" / "inpaintcoco.py").read_bytes() == SCRIPT.read_bytes()
    assert build_export_card(json.loads((tmp_path / "set" / EXPORT_JSON).read_text())) == (
        tmp_path / "set" / "README.md"
    ).read_text(encoding="utf-8")


def without_duration(folder):
    rows = load_dataset(str(folder), split="test").cast_column("coco_image", PAIR_FEATURES["coco_image"])
    return [
        {**row, "inpaint_details": {**row["inpaint_details"], "duration": None}}
        for row in rows.with_format("arrow")[:].to_pylist()
    ]


def test_the_same_journal_gives_the_same_bytes_and_seconds_change_only_the_duration(folder, built, tmp_path):
    unsure = tmp_path / "slower"
    unsure.mkdir()
    (unsure / "images").symlink_to(built / "images")
    (unsure / JOURNAL).write_bytes((folder / JOURNAL).read_bytes())
    accept_all(folder)
    accept_all(unsure, seconds=99.0)
    for name in ("a", "b"):
        export_pairs(folder, tmp_path / name / "set")
    export_pairs(unsure, tmp_path / "c" / "set")
    content = [
        {file.name: file.read_bytes() for file in sorted((tmp_path / name).rglob("*")) if file.is_file()}
        for name in "abc"
    ]
    assert content[0] == content[1] and content[0].keys() == content[2].keys()
    assert content[0] != content[2]
    assert without_duration(tmp_path / "a" / "set") == without_duration(tmp_path / "c" / "set")


def test_a_build_that_was_killed_and_went_on_gives_the_same_export(tmp_path):
    coco = make_folder(tmp_path / "coco")
    settings = {"made_with": CLASSICAL, "wanted": {"color": 2, "object": 2, "size": 1}}
    build_pairs(coco, tmp_path / "whole", ClassicalEditor, **settings)
    whole = (tmp_path / "whole" / JOURNAL).read_bytes()
    cut = tmp_path / "cut"
    shutil.copytree(tmp_path / "whole" / "images", cut / "images")  # they are there before the lines that name them
    (cut / JOURNAL).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="was stopped before its end; run its command again"):
        export_pairs(cut, tmp_path / "out", unreviewed=True)
    build_pairs(coco, cut, ClassicalEditor, **settings)
    for folder in ("whole", "cut"):
        export_pairs(tmp_path / folder, tmp_path / folder / "set", unreviewed=True)
    files = [tmp_path / folder / "set" / DATA_FILE for folder in ("whole", "cut")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_killed_export_leaves_what_was_there(folder, tmp_path):
    accept_all(folder)
    out = tmp_path / "out"
    export_pairs(folder, out)
    before = (out / DATA_FILE).read_bytes()
    code = (
        "import sys, time\nfrom hf_hardneg.inpainting.publish import export\nreal = export.pair_row\n"
        "def slow(*args):\n    sys.stdout.write('.'); sys.stdout.flush(); time.sleep(30)\n    return real(*args)\n"
        "export.pair_row = slow\nexport.export_pairs(sys.argv[1], sys.argv[2])"
    )
    child = subprocess.Popen([quick_python(), "-c", code, str(folder), str(out)], stdout=subprocess.PIPE)
    assert child.stdout.read(1) == b"."  # it is writing
    child.kill()
    child.wait()
    assert (out / DATA_FILE).read_bytes() == before and (tmp_path / ".out.part").is_dir()
    export_pairs(folder, out)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out", "pairs"]


def test_killed_between_its_two_renames_the_earlier_folder_comes_back(tmp_path):
    (tmp_path / ".out.old").mkdir()
    (tmp_path / ".out.old" / "mark").write_text("1")
    with pytest.raises(ValueError, match="stop"), new_folder(tmp_path / "out", "mark", ()) as part:
        assert (tmp_path / "out" / "mark").read_text() == "1"
        (part / "mark").write_text("2")
        raise ValueError("stop")
    assert (tmp_path / "out" / "mark").read_text() == "1" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("error", "is_of_writing"),
    [
        (FileNotFoundError("There is no such split."), False),
        (FileNotFoundError(errno.ENOENT, "No such file", "/photos/1.jpg"), False),
        (ConnectionError("The Hub is down."), False),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError("encoder error -2 when writing image file"), True),
        (PermissionError(errno.EACCES, "Permission denied", "PART/data"), True),
    ],
)
def test_only_what_cannot_be_written_is_called_so(error, is_of_writing, tmp_path):
    with pytest.raises(OSError, match=".") as raised, new_folder(tmp_path / "out", "mark", ()) as part:
        if error.filename:
            error.filename = error.filename.replace("PART", str(part))
        raise error
    assert ("could not be written" in str(raised.value)) == is_of_writing
    assert (raised.value is error) != is_of_writing and list(tmp_path.iterdir()) == []


def test_what_the_command_did_not_write_is_not_replaced(folder, tmp_path):
    accept_all(folder)
    out = tmp_path / "out"
    out.mkdir()
    export_pairs(folder, out)  # empty
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds notes.txt, which this command did not write"):
        export_pairs(folder, out)
    (out / "notes.txt").unlink()
    (out / EXPORT_JSON).unlink()
    with pytest.raises(ValueError, match=r"holds README.md, contact_sheet.png, data, which"):
        export_pairs(folder, out)


def test_bad_input_ends_with_one_sentence(folder, tmp_path, built):
    def fails(message, source=folder, out=tmp_path / "out"):
        with pytest.raises(SystemExit, match=f"(?s)^error: .*{message}"):
            main(["inpaint", "export", str(source), "--out", str(out)])
        assert not (tmp_path / "out").exists() and not (tmp_path / ".out.part").exists()

    fails("has no journal.jsonl with content; make one", source=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / JOURNAL).write_text("")
    fails("has no journal.jsonl with content; make one", source=tmp_path / "empty")
    number = len(accepted_items(folder))
    fails(rf"has no accepted pair \(nobody reviewed it {number}\); review it \(.*--unreviewed")
    key = next(iter(accepted_items(folder)))
    say(folder, review(key, candidate=7))
    fails(f"'ann' accepted candidate 7 of {key}, which has 1; take that review back")
    say(folder, review(key))
    (tmp_path / "file").write_text("")
    fails("file; --out must be a folder", out=tmp_path / "file")
    fails("could not be written .*choose another --out", out=tmp_path / "file" / "out")
    item = accepted_items(folder)[key]
    (folder / "images").unlink()
    (folder / "images").mkdir()
    for digest in (item.photo, item.candidates[0].mask):
        (folder / "images" / f"{digest}.png").write_bytes((built / "images" / f"{digest}.png").read_bytes())
    fails(f"{item.candidates[0].image}.png, an image of {key}, is missing; bring it back")
    (folder / "images" / f"{item.candidates[0].image}.png").write_bytes(b"something else")
    fails("is damaged: its content does not match its name")


# --- the script ---


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("inpaintcoco", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_builds_from_a_review_and_from_an_export(script, folder, tmp_path):
    accept_all(folder)
    with pytest.raises(ValueError, match="is no exported folder .*add --out"):
        script.build_dataset(folder)
    first = script.build_dataset(folder, tmp_path / "set")
    assert list(first) == ["test"] and first["test"].features == CHALLENGE_FEATURES
    assert script.build_dataset(tmp_path / "set")["test"][:2] == first["test"][:2]


def test_the_script_publishes_the_export_and_the_card_names_the_repository(
    script, folder, tmp_path, monkeypatch, capsys
):  # against a server: test_hub_lines.py
    accept_all(folder)
    published = []

    def publish(path, repo, repo_type, *, private, message):
        published.append((repo, repo_type, private, message, (path / "README.md").read_text()))
        return "done"

    monkeypatch.setattr(script, "publish_folder", publish)
    argv = ["inpaintcoco.py", str(folder), "--out", str(tmp_path / "set"), "--push_to_hub", "org/inpaintcoco"]
    monkeypatch.setattr(sys, "argv", [*argv, "--private"])
    script.main()
    assert "done" in capsys.readouterr().out
    ((*how, message, card),) = published
    assert how == ["org/inpaintcoco", "dataset", True] and message.endswith(" pairs")
    assert 'load_dataset("org/inpaintcoco", split="test")' in card
    monkeypatch.setattr(sys, "argv", ["inpaintcoco.py", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit, match="error: .*is no exported folder"):
        script.main()


# --- what people said ---


def test_an_undo_takes_back_the_workers_last_review():
    lines = [
        {"kind": "run"},
        review("k", "ann", "reject", None),
        review("k", "bob"),
        review("k", "ann", caption="Mine."),
        {"kind": "undo", "key": "k", "worker": "bob"},
        {"kind": "undo", "key": "k", "worker": "cy"},
        review("l", "bob"),
        {"kind": "undo", "key": "l", "worker": "bob"},
    ]
    reviews = read_reviews(lines)
    assert list(reviews) == ["k"] and [(r.worker, r.verdict) for r in reviews["k"]] == [("ann", "accept")]
    assert accepting_review(reviews["k"]).caption == "Mine."
    assert [r.verdict for r in read_reviews([*lines, lines[4] | {"worker": "ann"}])["k"]] == ["reject"]
    assert accepting_review([]) is None
    assert accepting_review([Review("k", "a", "accept"), Review("k", "b", "reject")]) is None


def test_alpha_is_krippendorffs_own_example():
    # Krippendorff 2011, section A: two observers, ten units, binary; alpha = 0.095.
    first, second = "0100000010", "1110010000"
    units = list(zip(first, second, strict=True))
    assert krippendorff_alpha(units) == pytest.approx(1 - (8 / 20) / (2 * 14 * 6 / (20 * 19)), abs=1e-12)
    assert round(krippendorff_alpha(units), 3) == 0.095
    assert observed_agreement(units) == 0.6


def test_alpha_is_cohens_kappa_of_interchangeable_people_but_for_the_small_sample():
    rng = np.random.default_rng(0)
    first = rng.random(40) < 0.7
    second = np.where(rng.random(40) < 0.8, first, rng.random(40) < 0.5)
    # With both orders of every pair the two people have the same habits: kappa is then Scott's pi.
    kappa = cohen_kappa_score([*first, *second], [*second, *first])
    alpha = krippendorff_alpha([(str(a), str(b)) for a, b in zip(first, second, strict=True)])
    assert alpha == pytest.approx(1 - (1 - kappa) * (2 * 40 - 1) / (2 * 40), abs=1e-12)


def test_agreement_needs_two_verdicts_and_takes_any_number():
    assert observed_agreement([["a"], []]) is None and krippendorff_alpha([["a"]]) is None
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) is None
    three = [["a", "a", "b"], ["b", "b"], ["a"]]
    assert observed_agreement(three) == 2 / 4
    # Within: (9 - 5) / 2 = 2 unequal ordered pairs of 5 verdicts; expected 25 - (4 + 9) = 12 of 5 x 4.
    assert krippendorff_alpha(three) == pytest.approx(1 - (2 / 5) / (12 / 20))


def test_changes_are_marked_whatever_was_rewritten():
    assert mark_change("A red bus.", "An orange bus.") == ("[A red] bus.", "[An orange] bus.")
    assert mark_change("A bus", "A big bus") == ("A[] bus", "A [big] bus")
    assert mark_change("A bus", "A bus") == ("A bus[]", "A bus[]")
    assert mark_change("", "One") == ("[]", "[One]")


# --- the reader ---


def png(color=0, size=(32, 24)):
    buffer = io.BytesIO()
    Image.new("RGB", size, (color,) * 3).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def write_set(folder, columns, features):
    folder.mkdir()
    Dataset.from_dict(columns, features=Features(features)).to_parquet(folder / "test.parquet")
    return str(folder)


def test_the_reader_takes_an_export_and_what_lacks_columns_and_fields(folder, tmp_path):
    accept_all(folder)
    export_pairs(folder, tmp_path / "set")
    rows = read_inpainted_pairs(str(tmp_path / "set"))
    assert list(rows.features) == [*PAIR_FEATURES, "image_id"] and rows[0]["image_id"] == 1
    names = ("coco_caption", "inpaint_caption", "coco_image", "inpaint_image")
    columns = {name: ["a b"] * 2 if "caption" in name else [png()] * 2 for name in names}
    features = {name: PAIR_FEATURES[name] for name in names}
    few = write_set(tmp_path / "few", columns, features)
    assert read_inpainted_pairs(few)[1] | {"coco_image": 0, "inpaint_image": 0} == dict.fromkeys(
        rows.features, None
    ) | {
        "coco_caption": "a b",
        "inpaint_caption": "a b",
        "coco_image": 0,
        "inpaint_image": 0,
    }
    details = [{"id": 7, "strange": 1.5}, None]
    other = write_set(
        tmp_path / "other",
        columns | {"coco_details": details, "worker": ["x", "y"]},
        features | {"coco_details": {"id": Value("int64"), "strange": Value("float64")}, "worker": Value("string")},
    )
    assert read_inpainted_pairs(other)["image_id"][:] == [7, None]
    load_dataset(other).save_to_disk(tmp_path / "saved")
    assert read_inpainted_pairs(str(tmp_path / "saved"))[:1] == read_inpainted_pairs(other)[:1]
    with pytest.raises(ValueError, match=r"the splits \['test'\], not 'train'"):
        read_inpainted_pairs(other, "train")
    del columns["inpaint_image"], features["inpaint_image"]
    with pytest.raises(ValueError, match="has no column 'inpaint_image', only .*coco_image"):
        read_inpainted_pairs(write_set(tmp_path / "less", columns, features))
