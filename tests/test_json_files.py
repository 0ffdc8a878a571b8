import json
from typing import NotRequired

import pytest
from datasets import load_dataset
from typing_extensions import TypedDict

from hf_hardneg.json_files import Id, Number, Rows, check_shape, read_json, read_json_lines, require_json_rows


class Thing(TypedDict):
    id: Id
    box: NotRequired[tuple[Number, Number]]
    note: NotRequired[int | str]


class Things(TypedDict):
    things: Rows[Thing]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"things": [{"id": 1}, {"id": None}]}, "has things[1].id = null, which must be an integer"),
        ({"things": [{"id": "1"}]}, 'has things[0].id = "1", which must be an integer'),
        ({"things": [{"id": 1.0}]}, "has things[0].id = 1.0, which must be an integer"),
        ({"things": [{"id": True}]}, "has things[0].id = true, which must be an integer"),
        ({"things": [{"id": 2**63}]}, "which must be less than 9,223,372,036,854,775,808"),
        (
            {"things": [{"id": 1, "box": [1, float("nan")]}]},
            "has things[0].box[1] = NaN, which must be a finite number",
        ),
        ({"things": [{"id": 1, "note": []}]}, "has things[0].note = [], which must be an integer or a string"),
        ({"things": [{"it": 1}]}, "lacks 'id' in things[0]; it has it"),
        ({"things": {}}, "has things = {}, which must be a list"),
        ({}, "lacks 'things'; it has nothing"),
        ([], "is []; it must be an object"),
    ],
)
def test_another_shape_names_the_file_and_the_field(tmp_path, data, problem):
    file = tmp_path / "a.json"
    file.write_text(json.dumps(data))
    with pytest.raises(ValueError) as error:
        read_json(file, Things)
    assert str(error.value).startswith(f"{file} ") and problem in str(error.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfea", "is no UTF-8 text"),
        (b"[" * 100_000, "recursion limit"),
        (b"[" + b"9" * 5000 + b"]", "number out of range"),
        (b'{"things": [', "is not valid JSON"),
    ],
)
def test_a_file_that_is_no_json_says_so(tmp_path, content, problem):
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"{file} .*{problem}"):
        read_json(file, object)


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(b'\xef\xbb\xbf{"things": [{"id": 1}]}')
    assert read_json(file, Things) == {"things": [{"id": 1}]}


def test_lines_are_split_at_line_ends_only_and_named(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"id": 1, "note": "a\u2028b"}\n\n{"id": 2}', encoding="utf-8")
    assert [line["id"] for line in read_json_lines(file, Thing)] == [1, 2]
    file.write_text('{"id": 1}\n\n{"id": null}\n')
    with pytest.raises(ValueError, match="a.jsonl, line 3, has id = null"):
        read_json_lines(file, Thing)


@pytest.mark.parametrize("text", ['{"a": 1}\n{"a": 2}\n', '[{"a": 1}]', '\ufeff[{"a": 1}]', '{"a": 1}'])
def test_a_table_of_json_is_taken(tmp_path, text):
    file = tmp_path / "a.json"
    file.write_text(text, encoding="utf-8")
    require_json_rows(file)
    assert load_dataset("json", data_files=str(file), split="train")["a"][0] == 1


@pytest.mark.parametrize("text", ["null", "[null]", "null\nnull", '{"a": 1}\nnull', "[]", "3", '{\n"a": 1\n}', "[[]]"])
def test_what_is_no_table_never_reaches_datasets(tmp_path, text):
    file = tmp_path / "a.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=str(file)):
        require_json_rows(file)


def test_shapes_of_what_was_read_already(tmp_path):
    check_shape({"things": [{"id": 1}]}, Things, "a.yaml")
    with pytest.raises(ValueError, match=r"a.yaml lacks 'id' in things\[0\]; it has x; mend it"):
        check_shape({"things": [{"x": 1}]}, Things, "a.yaml", "mend it")
