"""What goes wrong on the first day ends in a sentence that says what to do."""

import csv
import json
import re
import shutil

import pytest
from helpers.photos import write_photos

from hf_hardneg.cli import main as command
from hf_hardneg.data.captioned_images import load_captioned_images
from hf_hardneg.data.files import open_dataset
from hf_hardneg.data.photo_places import place_of
from hf_hardneg.model.loading import START_MODEL
from hf_hardneg.training.command import main as train


NAMES = [f"photos/{i}.jpg" for i in range(6)]
CAPTIONS = [f"a {color} car and {i} dogs" for i, color in enumerate(("red", "blue", "green", "white", "black", "red"))]


def write_table(file, names, header=("path", "caption")):
    with file.open("w", newline="") as out:
        table = csv.writer(out)
        table.writerows([*([header] if header else []), *zip(names, CAPTIONS, strict=True)])


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder as a newcomer has it, with what gets mixed up; it is the working directory."""
    write_photos(tmp_path, NAMES)
    write_table(tmp_path / "captions.csv", NAMES)
    write_table(tmp_path / "headless.csv", NAMES, header=None)
    for name in ("captions.xlsx", "all.zip", "captions.txt"):
        (tmp_path / name).write_bytes(b"something else")
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(tmp_path / "captions.csv", tmp_path / "elsewhere")
    write_photos(tmp_path / "mixed", [f"{name}" for name in NAMES])
    shutil.copy(tmp_path / "captions.csv", tmp_path / "mixed")
    shutil.copytree(START_MODEL, tmp_path / "my-clip")
    (tmp_path / "my-clip" / "metrics.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["negatives", "caption.csv"], "There is no file or folder .*caption.csv. Did you mean 'captions.csv'"),
        (["negatives", "captions.xlsx"], "Save the table as CSV"),
        (["negatives", "all.zip"], "Unpack the archive"),
        (["negatives", "captions.txt"], "Save it as CSV, with the names of the columns in the first line"),
        (["negatives", "headless.csv"], "The first line of the file must hold the names of its columns"),
        (["negatives", "mixed"], "to open a table in it, name the file: mixed/captions.csv"),
        (["evaluate", "my-clp"], "There is no folder .*/my-clp. Did you mean 'my-clip'.* HF_HUB_OFFLINE is set"),
        (["evaluate", "captions.csv"], "captions.csv is a file; name the folder of a model, or a Hub id"),
        (["evaluate", "elsewhere"], "elsewhere holds no model: it has no config.json"),
        (["report", "my-clip"], "not that of an evaluation .* but perhaps of a training"),
        (["train", "captions.csv"], "captions.csv is no recipe. To train on it, write --dataset captions.csv"),
        (["train", "photos"], "photos is no recipe. To train on it, write --dataset photos"),
        (["train", "--dataset", "elsewhere/captions.csv"], r"\(6\)\. Looked for .* paths in a table start at its"),
        (
            ["train", "--dataset", "captions.csv", "--negatives", "captons.csv"],
            "no file or folder .*captons.csv. Did you mean 'captions.csv'",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_ends_in_a_sentence_that_helps(desk, argv, said, capsys, caplog):
    run, *flags = argv
    with pytest.raises(SystemExit) as ended:
        if run == "train":
            train([*flags, "--model_name_or_path", "my-clip", "--output_dir", "out", "--use_cpu", "true"])
        else:
            command([run, *flags, *(["--out", "out"] if run != "report" else [])])
    assert re.search(said, str(ended.value)), ended.value
    if "Looked for" in said:  # Nothing is known of photos that are missing.
        assert "every row is taken for a photo of its own" not in caplog.text


def test_paths_that_were_written_on_windows_are_found(desk):
    write_table(desk / "windows.csv", [name.replace("/", "\\") for name in NAMES])
    rows, skipped = load_captioned_images(str(desk / "windows.csv"), "train")
    assert len(rows) == len(NAMES) and not skipped
    odd = "odd\\0.jpg"  # the name of a file here, and a path on Windows
    write_photos(desk, [odd, "odd/0.jpg"])
    assert place_of(odd, desk) == f"{desk}/{odd}"


@pytest.mark.parametrize("name", [".", "..", "inner/.."])
def test_the_folder_that_one_is_in_can_be_named(desk, monkeypatch, name):
    folder = desk / "data" / "inner"
    folder.mkdir(parents=True)
    shutil.copy(desk / "captions.csv", folder.parent)
    monkeypatch.chdir(folder if name == ".." else folder.parent)
    assert open_dataset(name, "train")["caption"][:] == CAPTIONS


def test_captions_without_any_negative_are_told_what_to_do(desk, capsys):
    (desk / "dull.csv").write_text("caption\nthis and that\n")
    command(["negatives", "dull.csv", "--out", "dull"])
    assert "No caption has a negative: the reasons are above" in capsys.readouterr().out


def test_a_second_run_into_one_folder_says_what_it_replaces_and_whose_control_stays(desk, caplog):
    flags = ["--dataset", "captions.csv", "--model_name_or_path", str(START_MODEL), "--output_dir", "again"]
    flags += ["--max_steps", "1", "--use_cpu", "true", "--dataloader_num_workers", "0", "--save_strategy", "no"]
    train([*flags, "--control", "true"])
    assert "holds a finished run" not in caplog.text
    train(flags)
    assert "again holds a finished run, which this one replaces" in caplog.text
    assert "again/control is the control of that run and stays" in caplog.text


def test_the_card_of_a_training_on_given_negatives_does_not_claim_to_have_made_them(desk):
    rows = [{"caption": caption, "negatives": ["a pink car"]} for caption in CAPTIONS]
    (desk / "given.jsonl").write_text("\n".join(map(json.dumps, rows)))
    flags = ["--dataset", "captions.csv", "--negatives", "given.jsonl", "--model_name_or_path", str(START_MODEL)]
    flags += ["--max_steps", "1", "--use_cpu", "true", "--dataloader_num_workers", "0", "--save_strategy", "no"]
    train([*flags, "--output_dir", "out"])
    card = (desk / "out" / "README.md").read_text()
    assert "They were taken from `given.jsonl` as they are" in card and "spaCy" not in card
    assert "COCO" not in card.split("## License")[1].split("## Citation")[0]
