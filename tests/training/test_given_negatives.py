"""Training on negatives that somebody already has: they reach the batch as they are, and the run says how many met."""

import json
from collections import Counter

import pytest
from datasets import Dataset, Image, load_dataset

from hf_hardneg.cli import main as command
from hf_hardneg.data.given_negatives import BY_CAPTION, BY_IMAGE, join_negatives, read_given_negatives
from hf_hardneg.training.arguments import DataArguments
from hf_hardneg.training.command import main as train


def run(coco, start, out, *options):
    argv = [
        "--dataset",
        str(coco),
        "--dataset_split",
        "val2017",
        "--allow_challenge_images",
        "true",
        "--use_cpu",
        "true",
    ]
    argv += ["--model_name_or_path", start, "--output_dir", str(out), "--max_steps", "2", "--report_to", "none"]
    train([*argv, "--per_device_train_batch_size", "8", "--num_proc", "1", "--dataloader_num_workers", "0", *options])
    return json.loads((out / "metrics.json").read_text())


def test_negatives_of_the_command_are_those_of_the_batches(coco, start, tmp_path, batches, caplog):
    made = tmp_path / "made"
    command(["negatives", str(coco / "annotations/captions_val2017.json"), "--out", str(made), "--no_audit"])
    rows = load_dataset(str(made), split="train")
    of_file = {(row["image_id"], row["caption"]): row for row in rows}
    metrics = run(coco, start, tmp_path / "out", "--negatives", str(made), "--num_negatives", "1", "--control", "true")
    trained = [row for row in batches if "negatives" in row]
    assert sum(len(row["negatives"]) for row in trained) > 10
    for row in trained:
        expected = of_file[row["image_id"], row["caption"]]
        assert row["negatives"] == expected["negatives"][:1]
        assert row["negative_concepts"] == expected["negative_concepts"][:1]
    number = sum(bool(row["negatives"]) for row in rows if row["image_id"] != 100)
    assert f"{number} of 55 training captions and" in caplog.text and f"joined by {BY_IMAGE}" in caplog.text
    assert "the first 1 are used" in caplog.text and "0 captions of" in caplog.text
    counts = Counter(concept for row in rows if row["image_id"] != 100 for concept in row["negative_concepts"][:1])
    assert metrics["data"]["negatives"] == dict(counts)


def test_negatives_of_no_caption_end_in_a_sentence(coco, start, tmp_path):
    (tmp_path / "other.csv").write_text("caption,negative\nSomething else,Nothing else\n")
    with pytest.raises(SystemExit, match="None of 60 captions is among the 1 of .*other.csv"):
        run(coco, start, tmp_path / "out", "--negatives", str(tmp_path / "other.csv"), "--num_negatives", "1")


@pytest.fixture
def photos(coco):
    """A Parquet file of photos and captions with negatives of its own, without concepts."""
    (coco / "photos").mkdir()
    photos = sorted((coco / "val2017").glob("*.jpg"))
    texts = [f"a dog in place {i}" for i in range(len(photos))]
    columns = {"image": list(map(str, photos)), "image_id": list(range(12)), "caption": texts}
    rows = Dataset.from_dict({**columns, "neg_caption": [[f"a cat in place {i}"] for i in range(12)]})
    rows.cast_column("image", Image()).to_parquet(coco / "photos" / "train.parquet")
    return coco / "photos"


def test_a_column_of_negatives_of_the_data_is_used(photos, start, tmp_path, batches, caplog):
    metrics = run(photos, start, tmp_path / "out", "--num_negatives", "1", "--dataset_split", "train")
    assert batches and {row["caption"].replace("dog", "cat") for row in batches} == {
        row["negatives"][0] for row in batches
    }
    assert metrics["data"]["negatives"] == {"unknown": 11}
    assert "are those of column 'neg_caption'" in caplog.text
    file = tmp_path / "given.csv"
    file.write_text("caption,negative\na dog in place 3,a cow in place 3\n")
    metrics = run(
        photos, start, tmp_path / "csv", "--num_negatives", "1", "--dataset_split", "train", "--negatives", str(file)
    )
    assert metrics["data"]["negatives"] == {"unknown": 1}
    assert "Column 'neg_caption'" in caplog.text and "is not used" in caplog.text


def given(tmp_path, rows):
    (tmp_path / "given.json").write_text(json.dumps(rows))
    return read_given_negatives(str(tmp_path / "given.json"))


def test_rows_of_one_caption_are_joined_and_useless_negatives_counted(tmp_path):
    rows = [
        {"caption": "a dog", "negatives": ["a cat", "", "a dog "]},
        {"caption": " a dog", "negatives": ["a cow", "a cat"]},
    ]
    found = given(tmp_path, rows)
    assert found.left_out == {"the negative is empty": 1, "the negative is its caption": 1}
    assert join_negatives(found, [1], ["a dog "]).rows == [[("a cat", "unknown"), ("a cow", "unknown")]]


def test_image_ids_tell_equal_captions_apart_unless_they_are_numbered_otherwise(tmp_path):
    rows = [
        {"image_id": i, "caption": "a dog", "negatives": [f"a cat {i}"], "negative_concepts": ["object"]}
        for i in (7, 8)
    ]
    found = given(tmp_path, [*rows, {"image_id": 9, "caption": "a cup", "negatives": None, "negative_concepts": None}])
    join = join_negatives(found, [8, 7, 9], ["a dog", "a dog", "a cup"])
    assert (join.by, join.matched, join.unmatched_captions) == (BY_IMAGE, 2, 0)
    assert join.rows[:2] == [[("a cat 8", "object")], [("a cat 7", "object")]] and not join.rows[2]
    join = join_negatives(found, [0, 1, 2], ["a dog", "a dog", "a cup"])
    assert (join.by, join.matched, join.most) == (BY_CAPTION, 2, 2)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"caption": "a", "x": "b"}], "none of negatives"),
        ([{"caption": "a", "negatives": ["a", ""]}], "no negative .* that can be used"),
        ([{"caption": "a", "negatives": [3]}], "row 0 int 3"),
    ],
)
def test_sources_without_usable_negatives_say_so(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        given(tmp_path, rows)


def test_the_flag_is_an_argument_of_the_data():
    assert DataArguments(negatives="given.csv").negatives == "given.csv"
