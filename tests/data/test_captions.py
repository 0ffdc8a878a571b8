import json

import pytest
from datasets import Dataset
from helpers.captions import CAPTIONS, OTHER_CAPTIONS

from hf_hardneg.columns import NEGATIVE_SOURCES
from hf_hardneg.data.caption_cells import caption_texts
from hf_hardneg.data.captions import read_captions
from hf_hardneg.data.skip_reasons import EMPTY


ROWS = [{"image_id": 7, "captions": CAPTIONS[:2]}, {"image_id": 9, "captions": [*OTHER_CAPTIONS[:1], " ", None]}]


def as_rows(dataset):
    return {row["caption"]: (row["image_id"], sorted(row["other_captions"])) for row in dataset}


EXPECTED = {
    CAPTIONS[0]: (7, [CAPTIONS[1]]),
    CAPTIONS[1]: (7, [CAPTIONS[0]]),
    OTHER_CAPTIONS[0]: (9, []),
}


def flat():
    return [
        {"image_id": row["image_id"], "text": text}
        for row in ROWS
        for text in row["captions"]
        if text and text.strip()
    ]


def write(folder, name):
    file = folder / name
    if name == "lists.jsonl":
        file.write_text("\n".join(json.dumps(row) for row in ROWS))
    elif name == "rows.json":
        file.write_text(json.dumps(flat()))
    elif name == "rows.csv":
        file.write_text("image_id,text\n" + "\n".join(f"{row['image_id']},{row['text']}" for row in flat()))
    elif name == "captions_x.json":
        annotations = [{"image_id": row["image_id"], "caption": row["text"]} for row in flat()]
        file.write_text(json.dumps({"images": [], "annotations": annotations}))
    else:
        import pandas as pd

        pd.DataFrame(flat()).to_parquet(file)
    return str(file)


@pytest.mark.parametrize("name", ["lists.jsonl", "rows.json", "rows.csv", "rows.parquet", "captions_x.json"])
def test_every_format_gives_the_same_rows(tmp_path, name):
    rows, skipped = read_captions(write(tmp_path, name))
    assert as_rows(rows) == EXPECTED and rows.column_names == NEGATIVE_SOURCES
    assert skipped == ({EMPTY: 2} if name == "lists.jsonl" else {})


def test_the_annotated_categories_beside_coco_captions_are_used(tmp_path):
    file = write(tmp_path, "captions_x.json")
    instances = {"categories": [{"id": 1, "name": "bus"}], "annotations": [{"image_id": 7, "category_id": 1}]}
    (tmp_path / "instances_x.json").write_text(json.dumps(instances))
    rows, _ = read_captions(file)
    assert {row["image_id"]: row["categories"] for row in rows} == {7: ["bus"], 9: []}


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.jsonl", '{"x": 1}', {}, "caption_column"),
        ("a.jsonl", '{"caption": 1}', {}, "row 0 int 1"),
        ("a.jsonl", '{"caption": "a cat"}', {"caption_column": "captoin"}, "'caption'"),
        ("a.jsonl", '{"caption": " "}', {}, "no caption"),
        ("a.json", "{", {}, "not valid JSON"),
        ("a.json", '{"x": 1}', {}, "list of objects"),
        ("a.txt", "a cat", {}, "holds no row below its header"),
        ("a.docx", "a cat", {}, "known are"),
        ("a.csv", "", {}, "is empty"),
        ("a.jsonl", "", {}, "is empty"),
        ("a.jsonl", '{"caption": "a cat"}\n[[', {}, "a.jsonl, line 2, is not valid JSON"),
        ("a.json", "null", {}, "must hold a list of objects"),
        ("a.jsonl", "null", {}, "is null; it must be a list"),
        ("a.json", '[{"caption": "a cat"}, null]', {}, "has \\[1\\] = null, which must be an object"),
        ("a.csv", "\n", {}, "holds no row"),
        ("a.parquet", "PARQ", {}, "a.parquet cannot be read"),
    ],
)
def test_a_source_that_cannot_be_used_says_why(tmp_path, name, content, options, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_captions(str(tmp_path / name), **options)


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no"):
        read_captions(str(tmp_path / "no.jsonl"))


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("a cat", ["a cat"]),
        (None, [""]),
        (["a cat", None], ["a cat", ""]),
        ([{"raw": "a cat", "tokens": ["a", "cat"]}, {"raw": None}], ["a cat", ""]),
        ({"sentid": [1, 2], "raw": ["a cat", "a dog"]}, ["a cat", "a dog"]),
        ({"caption": "a cat"}, ["a cat"]),
        ("['a cat', \"a dog's\"]", ["a cat", "a dog's"]),
        ("[1, 2]", ["[1, 2]"]),
        ("[a cat]", ["[a cat]"]),
    ],
)
def test_a_cell_holds_what_says_that_it_is_a_caption(value, texts):
    assert caption_texts(value) == texts


@pytest.mark.parametrize(
    "value", [3, 3.5, float("nan"), True, [["a cat"]], ["a cat", 3], {"tokens": ["a"]}, {"raw": 3}]
)
def test_a_cell_of_anything_else_says_what_it_is(value):
    with pytest.raises(ValueError, match=r"a caption is a string|no caption in one of"):
        caption_texts(value)


def test_karpathys_sentences_are_read_from_parquet_too(tmp_path):
    sentences = [[{"raw": text, "sentid": i} for i, text in enumerate(CAPTIONS[:2])], [{"raw": " ", "sentid": 9}]]
    Dataset.from_dict({"cocoid": [7, 9], "sentences": sentences}).to_parquet(tmp_path / "a.parquet")
    rows, skipped = read_captions(str(tmp_path / "a.parquet"))
    assert rows["caption"][:] == CAPTIONS[:2] and rows["image_id"][:] == [7, 7] and skipped == {EMPTY: 1}


@pytest.mark.parametrize("column", ["image_id", "cocoid", "filepath", "file_name", "image"])
def test_rows_of_one_image_are_each_others_other_captions_whatever_names_the_image(tmp_path, column):
    (tmp_path / "a.csv").write_text(f"{column},caption\nx/1.jpg,a cat\nx/2.jpg,a dog\nx/1.jpg,a pet\n,a cup\n,a mug\n")
    rows, _ = read_captions(str(tmp_path / "a.csv"))
    assert rows["other_captions"][:] == [["a pet"], [], ["a cat"], [], []]
    assert rows["image_id"][:] == [0, 1, 0, 2, 3]
