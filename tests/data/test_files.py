"""Whatever a user names is opened by one reader, and what cannot be opened is named in a sentence."""

import json
import subprocess
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict
from helpers.quick_python import quick_python

from hf_hardneg.data.files import open_dataset


ROWS = [
    {"id": f"00{i}", "caption": text} for i, text in enumerate(["NA", "a\ncat; a dog", 'the "red" one', "5", "x,y"])
]


def quoted(cell):
    return '"' + cell.replace('"', '""') + '"'


def write(folder, name):
    """The same rows in each form; returns what a user would name."""
    path = folder / name
    separator = {"rows.csv": ",", "rows.tsv": "\t", "semicolons.csv": ";", "tabs.csv": "\t", "bom.csv": ","}.get(name)
    if separator:
        lines = [["id", "caption"], *([row["id"], row["caption"]] for row in ROWS)]
        text = "\r\n".join(separator.join(map(quoted, line)) for line in lines)
        path.write_text(text, encoding="utf-8-sig" if name == "bom.csv" else "utf-8", newline="")
    elif name in ("rows.jsonl", "rows.ndjson", "lines.json"):
        path.write_text("\n".join(map(json.dumps, ROWS)) + "\n\n")
    elif name == "rows.json":
        path.write_text(json.dumps(ROWS, indent=1))
    elif name == "objects.json":
        path.write_text(json.dumps({str(i): row for i, row in enumerate(ROWS)}))
    elif name == "a [1]*.parquet":
        Dataset.from_list(ROWS).to_parquet(path)
    elif name == "csv folder":
        path.mkdir()
        (path / "train.csv").write_bytes(Path(write(folder, "semicolons.csv")).read_bytes())
    elif name == "folder":
        path.mkdir()
        Dataset.from_list(ROWS).to_parquet(path / "train.parquet")
    elif name == "saved":
        Dataset.from_list(ROWS).save_to_disk(path)
    else:
        DatasetDict(train=Dataset.from_list(ROWS), test=Dataset.from_list(ROWS[:1])).save_to_disk(path)
    return str(path)


NAMES = ["rows.csv", "rows.tsv", "semicolons.csv", "tabs.csv", "bom.csv", "rows.jsonl", "rows.ndjson", "lines.json"]
NAMES += ["rows.json", "objects.json", "a [1]*.parquet", "csv folder", "folder", "saved", "dict"]


@pytest.mark.parametrize("name", NAMES)
def test_every_form_gives_the_same_rows_as_written_and_takes_slices(tmp_path, name):
    source = write(tmp_path, name)
    assert open_dataset(source, "train")[:] == Dataset.from_list(ROWS)[:]
    assert open_dataset(source, "train[1:3]")["id"][:] == ["001", "002"]
    assert open_dataset(source, "train[-20%:]")["id"][:] == ["004"]


@pytest.mark.parametrize("split", ["validation", "validation[:1]", "train[", ""])
def test_an_unknown_split_lists_the_ones_there_are(tmp_path, split):
    with pytest.raises(ValueError, match=r"has the splits \['test', 'train'\]"):
        open_dataset(write(tmp_path, "dict"), split)


def test_several_configurations_are_listed_with_the_flag_that_chooses(tmp_path):
    for name in ("captions", "pairs"):
        (tmp_path / name).mkdir()
        Dataset.from_list(ROWS).to_parquet(tmp_path / name / "train.parquet")
    configs = "".join(f"- config_name: {name}\n  data_files: {name}/*.parquet\n" for name in ("captions", "pairs"))
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    for config in (None, "pair"):
        with pytest.raises(ValueError, match=r"\['captions', 'pairs'\] with --dataset_config"):
            open_dataset(str(tmp_path), "train", config)
    assert len(open_dataset(str(tmp_path), "train", "pairs")) == len(ROWS)


@pytest.mark.parametrize(
    "source", ["./none", "../none", "~/none-at-all", "a/b/c", "none.csv", "org/rows.jsonl", "/none", "none/"]
)
def test_a_local_path_that_is_not_there_is_named_whole_and_not_asked_for_on_the_hub(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"There is no file or folder /[^~]*\.$"):
        open_dataset(source, "train")


def test_a_name_that_is_neither_says_so():
    with pytest.raises((FileNotFoundError, ConnectionError), match=r"There is no folder /.*none, and the Hub gave no"):
        open_dataset("org/none", "train")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "caption,id\na cat, a dog,3\n", "3 cells in the row that ends in line 2.*quotes"),
        ("a.csv", 'caption,id\n"a cat,3\n', "not a valid CSV file"),
        ("a.csv", "caption,caption\n1,2\n", "several columns of one name"),
        ("a.csv", "caption,id\n", "no row"),
        ("a.csv", b"caption,id\n\xff\xfe,2\n", "not UTF-8"),
        ("a.jsonl", "\n\n", "is empty"),
        ("a.json", "[]", "empty list"),
        ("a.json", "{}", "no row"),
        ("a.json", '{"a": {"x": 1}, "b": {"x": ["y"]}}', "cannot be read"),
        ("a.docx", "a cat", "known are"),
        ("a.txt", "a cat", r"holds no row below its header, \['a cat'\]"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=message) as error:
        open_dataset(str(tmp_path / name), "train")
    assert name in str(error.value)


def test_json_without_objects_does_not_end_the_interpreter(tmp_path):
    """Arrow's JSON reader crashes at a null, so it runs in a process of its own here."""
    sources = []
    for i, content in enumerate(["null", "3", '"x"', "[null]", "[1]", "[null, {}]", "null\n{}", "[[1]]", "true"]):
        for ending in ("json", "jsonl"):
            file = tmp_path / f"{i}.{ending}"
            file.write_text(content)
            (tmp_path / f"{ending}{i}").mkdir()
            (tmp_path / f"{ending}{i}" / f"train.{ending}").write_text(content)
            sources += [str(file), str(tmp_path / f"{ending}{i}")]
    code = (
        "import sys\nfrom hf_hardneg.data.captions import read_captions\nfor source in sys.argv[1:]:\n"
        "    try:\n        read_captions(source)\n    except ValueError as error:\n        print(error)\n"
    )
    run = subprocess.run([quick_python(), "-c", code, *sources], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    said = run.stdout.splitlines()
    assert len(said) == len(sources) and all(source in line for source, line in zip(sources, said, strict=True))


def test_a_folder_that_datasets_cannot_open_is_named(tmp_path):
    (tmp_path / "a[1]").mkdir()
    Dataset.from_list(ROWS).to_parquet(tmp_path / "a[1]" / "train.parquet")
    with pytest.raises(ValueError, match=r"a\[1\] has one of .* rename it"):
        open_dataset(str(tmp_path / "a[1]"), "train")


def test_csv_files_of_several_forms_in_a_folder_are_not_mixed(tmp_path):
    for i, header in enumerate(("caption,id", "id,text")):
        (tmp_path / f"train-{i}.csv").write_text(f"{header}\na,b\n")
    with pytest.raises(ValueError, match="have different columns"):
        open_dataset(str(tmp_path), "train")


def test_a_folder_whose_card_names_configurations_never_gets_the_rows_of_another(tmp_path):
    card = "---\nconfigs:\n- config_name: default\n  data_files: [{split: train, path: rows.parquet}]\n---\n"
    for name in ("one", "other"):
        folder = tmp_path / name / "set"
        folder.mkdir(parents=True)
        (folder / "README.md").write_text(card)
        Dataset.from_dict({"caption": [name]}).to_parquet(folder / "rows.parquet")
        assert open_dataset(str(folder), "train")["caption"][:] == [name]
    Dataset.from_dict({"caption": ["new"]}).to_parquet(folder / "rows.parquet")
    assert open_dataset(str(folder), "train")["caption"][:] == ["new"]
