"""From captioned photos to a set that the benchmark reads, by the command."""

import json
import os
import signal
import subprocess
import sys

import PIL.Image
import pytest
from datasets import Image, load_dataset
from helpers.benchmark_fixtures import scene
from helpers.coco_folder import write_split

from hf_hardneg import cli
from hf_hardneg.columns import TWIN_FEATURES
from hf_hardneg.data.leakage import read_challenge_ids
from hf_hardneg.data.photo_sources import load_photos
from hf_hardneg.evaluation.benchmarks import load_benchmark
from hf_hardneg.twins import TwinOptions, make_twins


CAPTIONS = {
    7: ["A man rides a tall horse on the beach.", "Someone rides."],
    8: ["A woman rides a tall horse"],
    9: ["A red bus on a road.", "A bus."],
    10: ["A blue bus on a road."],
    11: ["A cup stands alone."],
}


def make_photos(folder, captions=CAPTIONS):
    """A folder in COCO's layout whose photos are JPEG files of odd quality: encoded anew, they would be others."""
    write_split(folder, "test", captions, lambda image_id, file: scene(image_id).save(file, quality=37))
    return folder


def run(capsys, *words):
    cli.main(["twins", *map(str, words)])
    return capsys.readouterr().out


def refusal(capsys, *words):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["twins", *map(str, words)])
    message = str(stopped.value)
    assert message.startswith("error: ") and "\n" not in message
    return message


def test_the_command_writes_what_the_benchmark_reads(tmp_path, capsys):
    photos, out = make_photos(tmp_path / "photos"), tmp_path / "twins"
    printed = run(capsys, photos, "--out", out)
    assert "2 pairs of 5 photos with 7 captions; 80.0% of the photos are in a pair" in printed
    assert [line.split() for line in printed.splitlines()[1:5]] == [
        ["concept", "exact", "frame", "beginning", "all"],
        ["color", "1", "0", "0", "1"],
        ["object", "0", "0", "1", "1"],
        ["all", "1", "0", "1", "2"],
    ]
    (task,) = load_benchmark(f"natural_twins={out}")
    assert len(task) == 2 and set(task.texts) == {
        "A man rides a tall horse",
        "A woman rides a tall horse",
        "A red bus on a road.",
        "A blue bus on a road.",
    }
    rows = load_dataset(str(out), split="test", cache_dir=str(tmp_path / "cache"))
    assert rows.features == TWIN_FEATURES
    for name in ("coco_image", "inpaint_image"):
        rows = rows.cast_column(name, Image(decode=False))
    for row in rows:
        sides = (
            ("coco_image", "coco_caption", row["coco_details"], row["coco_details"]["id"]),
            ("inpaint_image", "inpaint_caption", row["inpaint_details"], row["inpaint_details"]["source_image_id"]),
        )
        for image, caption, details, image_id in sides:
            assert row[image]["bytes"] == (photos / "test" / f"{image_id}.jpg").read_bytes()
            assert details["captions"] == CAPTIONS[image_id] and details["caption"] == CAPTIONS[image_id][0]
            assert details["caption"].startswith(row[caption])
        assert row["mask"] is None
        assert row["inpaint_details"]["old"] in row["coco_caption"]
        assert row["inpaint_details"]["new"] in row["inpaint_caption"]
    assert read_challenge_ids(str(out)) == {7, 8, 9, 10}  # kept out of training


def test_a_second_run_replaces_the_first_by_the_same_bytes_and_no_other_folder(tmp_path, capsys):
    photos, out = make_photos(tmp_path / "photos"), tmp_path / "twins"
    run(capsys, photos, "--out", out)
    first = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    run(capsys, photos, "--out", out)
    assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == first and len(first) == 3
    assert "photos holds annotations, test" in refusal(capsys, photos, "--out", photos)


def test_the_card_tells_what_was_left_out_and_knows_no_license(tmp_path):
    captions = {**CAPTIONS, 12: ["A white bus on a road.", "It is red."], 13: ["A photo that was lost."]}
    photos, out = make_photos(tmp_path / "photos", captions), tmp_path / "twins"
    (photos / "test" / "13.jpg").unlink()
    summary = make_twins(str(photos), out)
    card = (out / "README.md").read_text()
    assert "license: unknown" in card and "| color | 1 | 0 | 0 | 1 |" in card
    assert sum(summary["left_out"].values()) > 0 and all(reason in card for reason in summary["left_out"])
    assert summary["skipped"] == {"the image is missing": 1} and "the image is missing (1)" in card
    assert "license: cc-by-4.0" in _card_with_license(photos, out)


def _card_with_license(photos, out):
    make_twins(str(photos), out, TwinOptions(license="cc-by-4.0"))
    return (out / "README.md").read_text()


def test_copies_of_one_photo_under_two_ids_are_no_pair(tmp_path, capsys):
    photos = make_photos(tmp_path / "photos")
    (photos / "test" / "10.jpg").write_bytes((photos / "test" / "9.jpg").read_bytes())
    assert "1 pairs of 5 photos" in run(capsys, photos, "--out", tmp_path / "twins")


@pytest.mark.parametrize("change", ["compression", "a turn that EXIF takes back"])
def test_copies_of_the_same_pixels_in_other_bytes_are_no_pair(change, tmp_path, capsys):
    photos = make_photos(tmp_path / "photos")
    first, second = (photos / "test" / f"{one}.jpg" for one in (9, 10))
    photo = scene(9)
    photo.save(first, "png", compress_level=9)
    if change == "compression":
        photo.save(second, "png", compress_level=1)
    else:
        turned, exif = photo.transpose(PIL.Image.Transpose.ROTATE_90), PIL.Image.Exif()
        exif[0x0112] = 6
        turned.save(second, "png", exif=exif)
    assert first.read_bytes() != second.read_bytes()
    printed = run(capsys, photos, "--out", tmp_path / "twins")
    assert "1 pairs of 5 photos" in printed and "both captions are of one photo" in printed


def make_table(folder, columns, name="{}.jpg"):
    """An image folder with a table of one caption for each photo; `columns` says more of the photo with a number."""
    folder.mkdir()
    lines = []
    for number, (image_id, texts) in enumerate(CAPTIONS.items()):
        file = name.format(image_id)
        scene(image_id).save(folder / file, "jpeg")
        lines.append(json.dumps({"file_name": file, "caption": texts[0], **columns(number)}))
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return folder


def ids_of(out):
    rows = load_dataset(str(out), split="test", cache_dir=str(out.parent / "cache"))
    details = [[row["coco_details"]["id"], row["inpaint_details"]["source_image_id"]] for row in rows]
    return {one for pair in details for one in pair}


NO_IDS = {
    "no column": lambda number: {},
    "texts": lambda number: {"image_id": f"flickr-{number}x"},
    "a text among numbers": lambda number: {"image_id": f"{number}" if number else "u"},
    "numbers of another set": lambda number: {"photo_id": number},
}


@pytest.mark.parametrize("name", NO_IDS)
def test_numbers_that_the_source_did_not_give_refuse_no_photo(name, tmp_path, capsys):
    photos, out = make_table(tmp_path / "photos", NO_IDS[name]), tmp_path / "twins"
    printed = run(capsys, photos, "--out", out)
    assert "does not keep out of training: 4 of 4 in pairs" in printed and ids_of(out) == {None}
    assert "cannot keep them out of training" in (out / "README.md").read_text()
    with pytest.raises(ValueError, match="says no COCO image id"):
        read_challenge_ids(str(out))


def test_karpathys_numbers_of_flickr_refuse_no_photo_and_those_of_coco_do(tmp_path, capsys):
    for name, expected in (("cocoid", set(range(4))), ("imgid", {None})):
        folder = tmp_path / name
        folder.mkdir()
        images = []
        for number, (image_id, texts) in enumerate(CAPTIONS.items()):
            scene(image_id).save(folder / f"p{number}.jpg")
            sentences = [{"raw": text} for text in texts]
            images.append({"filename": f"p{number}.jpg", "split": "test", "sentences": sentences, name: number})
        (folder / "dataset_coco.json").write_text(json.dumps({"images": images}))
        run(capsys, folder, "--dataset_split", "test", "--out", tmp_path / f"{name}_twins")
        assert ids_of(tmp_path / f"{name}_twins") == expected


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        (lambda number: {"image_id": 40 + number}, "{}.jpg"),
        (lambda number: {"cocoid": f"{40 + number}"}, "{}.jpg"),
        (lambda number: {}, "{:012}.jpg"),
    ],
)
def test_the_training_leaves_out_the_photos_whose_ids_the_source_gives(columns, name, tmp_path, capsys):
    photos, out = make_table(tmp_path / "photos", columns, name), tmp_path / "twins"
    assert "keep out of training" not in run(capsys, photos, "--out", out)
    rows, skipped = load_photos(str(photos), challenge=read_challenge_ids(str(out)))
    assert rows["caption"][:] == ["A cup stands alone."] and skipped == {"the photo is in a challenge set": 4}


def test_captions_alone_give_pairs_that_no_model_is_evaluated_on(tmp_path, capsys):
    file, out = tmp_path / "captions.jsonl", tmp_path / "twins"
    lines = [json.dumps({"image_id": one, "captions": texts}) for one, texts in CAPTIONS.items()]
    file.write_text("\n".join(lines))
    printed = run(capsys, file, "--out", out)
    assert "2 pairs" in printed and "captions alone" in printed and "captions alone" in (out / "README.md").read_text()
    rows = load_dataset(str(out), split="test", cache_dir=str(tmp_path / "cache"))
    assert rows["coco_image"][:] == [None, None] and sorted(rows["kind"]) == ["beginning", "exact"]
    with pytest.raises(ValueError, match="captions alone has no photo"):
        load_benchmark(f"natural_twins={out}")


def test_photos_without_a_caption_are_no_photos_of_the_set(tmp_path, capsys):
    photos = make_photos(tmp_path / "photos", {**CAPTIONS, 20: [], 21: [" "]})
    printed = run(capsys, photos, "--out", tmp_path / "twins")
    assert "2 pairs of 5 photos with 7 captions" in printed and "the caption is empty (1)" in printed


@pytest.mark.parametrize(
    ("captions", "says"),
    [
        ({7: ["A man rides a horse.", "A woman rides a horse."]}, "shows 1 photo that has a caption; twins need two"),
        ({7: ["A man rides a horse."], 8: [""]}, "shows 1 photo that has a caption; twins need two"),
        ({7: ["A man rides a horse."], 8: ["A cup."]}, "has no natural twins among 2 captions"),
        ({7: [""], 8: [" "]}, "No usable row is left"),
        ({}, ""),
    ],
)
def test_sets_without_twins_are_refused_in_a_sentence(captions, says, tmp_path, capsys):
    photos, out = make_photos(tmp_path / "photos", captions), tmp_path / "twins"
    assert says in refusal(capsys, photos, "--out", out) and not out.exists()


def test_captions_that_do_not_say_their_photo_are_refused(tmp_path, capsys):
    file = tmp_path / "captions.csv"
    file.write_text("caption\nA man rides a horse.\nA woman rides a horse.\n")
    assert "nothing says which captions are of one photo" in refusal(capsys, file, "--out", tmp_path / "twins")


def test_captions_that_say_their_photo_may_be_one_for_each(tmp_path, capsys):
    file = tmp_path / "captions.jsonl"
    texts = {1: ["", "A man rides a horse."], 2: [], 3: ["A woman rides a horse.", ""]}
    file.write_text("\n".join(json.dumps({"image_id": one, "captions": two}) for one, two in texts.items()))
    assert "1 pairs of 2 photos with 2 captions" in run(capsys, file, "--out", tmp_path / "twins")
    assert ids_of(tmp_path / "twins") == {1, 3}


def test_an_error_of_reading_is_not_called_one_of_writing(tmp_path, capsys):
    photos, out = make_photos(tmp_path / "photos"), tmp_path / "twins"
    with pytest.raises(FileNotFoundError, match=r"^(?!.*could not be written).*for the splits \['test'\]"):
        make_twins(str(photos), out, TwinOptions(split="val"))
    with pytest.raises(FileNotFoundError, match=r"^(?!.*could not be written)"):
        make_twins(str(tmp_path / "nowhere.jsonl"), out)
    assert "make room" not in refusal(capsys, tmp_path / "nowhere.jsonl", "--out", out)


def test_a_folder_that_cannot_be_written_is_refused_before_the_reading(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert "choose another --out" in refusal(capsys, tmp_path / "nowhere", "--out", tmp_path / "file" / "twins")
    assert "holds notes.txt" in refusal(capsys, tmp_path / "nowhere", "--out", tmp_path / "mine")


def test_a_killed_run_leaves_no_records(tmp_path):
    code = (
        "import sys, time\nfrom hf_hardneg.twins import collisions\nimport numpy as np\n"
        "def records():\n    yield np.zeros(9, collisions.RECORD)\n"
        "    sys.stdout.write('.'); sys.stdout.flush(); time.sleep(60)\n"
        "list(collisions.colliding(records()))"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as child:
        assert child.stdout.read(1) == b"."  # records were written
        child.send_signal(signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--concepts", "shape"], "Unknown concepts ['shape']"),
        (["--dataset_split", "val"], "for the splits ['test']"),
        (["--license", "CC BY"], "is no license id"),
        (["--out", ""], "--out is empty"),
    ],
)
def test_wrong_settings_are_refused_in_a_sentence(flags, says, tmp_path, capsys):
    photos = make_photos(tmp_path / "photos")
    assert says in refusal(capsys, photos, "--out", tmp_path / "twins", *flags)


def test_captions_of_coco_are_known_by_their_content_whatever_the_file_is_called(tmp_path, capsys):
    photos, file = make_photos(tmp_path / "photos"), tmp_path / "mine.json"
    file.write_bytes((photos / "annotations" / "captions_test.json").read_bytes())
    assert "2 pairs of 5 photos" in run(capsys, file, "--out", tmp_path / "twins")
