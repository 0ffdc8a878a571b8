import json

import pandas as pd
import pytest
from datasets import Dataset

from hf_hardneg.cli import main
from hf_hardneg.data.negatives_files import read_caption_negatives
from hf_hardneg.data.skip_reasons import EMPTY


CAPTIONS = [f"A {color} {thing}." for color in ("red", "blue", "green") for thing in ("car", "dog", "cup")]
NEGATIVES = [[f"A gray {caption.split()[2]}", "A pink ."] for caption in CAPTIONS]


def save(folder, kind):
    """The same pairs as each of the known formats has them."""
    frame = pd.DataFrame({"caption": CAPTIONS, "negatives": NEGATIVES})
    file = folder / f"pairs.{kind}"
    if kind == "tsv":
        renamed = frame.rename(columns={"caption": "title", "negatives": "neg_caption"})
        renamed.to_csv(file, sep="\t")
    elif kind == "csv":
        frame.to_csv(file, index=False)
    elif kind == "jsonl":
        frame.to_json(file, orient="records", lines=True)
    elif kind == "json":
        file.write_text(json.dumps(frame.to_dict("records")))
    elif kind == "parquet":
        frame.to_parquet(file)
    else:
        Dataset.from_pandas(frame).save_to_disk(str(file))
    return file


@pytest.mark.parametrize("kind", ["tsv", "csv", "json", "jsonl", "parquet", "folder"])
def test_every_format_gives_the_same_pairs(tmp_path, kind):
    captions, negatives, skipped = read_caption_negatives(save(tmp_path, kind))
    assert (captions, negatives, dict(skipped)) == (CAPTIONS, NEGATIVES, {})


def test_sugarcrepe_is_read_as_published(tmp_path):
    file = tmp_path / "swap_att.json"
    row = {"filename": "1.jpg", "caption": "A red car.", "negative_caption": "A car red."}
    file.write_text(json.dumps({"0": row, "1": {**row, "caption": " "}}))
    captions, negatives, skipped = read_caption_negatives(file)
    assert (captions, negatives, dict(skipped)) == (["A red car."], [["A car red."]], {EMPTY: 1})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.xml", "<a/>", "ends in"),
        ("x.json", "{", "not valid JSON"),
        ("x.json", "[1]", "must be an object"),
        ("x.csv", "text_a,text_b\n1,2\n", "--caption_column"),
        ("x.csv", "caption,wrong\n1,2\n", "--negatives_column"),
    ],
)
def test_files_that_cannot_be_used_say_why(tmp_path, name, content, message):
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_caption_negatives(file)


def test_a_wrong_column_names_the_nearest(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'negatives'"):
        read_caption_negatives(save(tmp_path, "csv"), negatives_column="negative")


def test_the_command_prints_a_table_and_writes_json_and_figure(tmp_path, capsys):
    file = save(tmp_path, "parquet")
    out, figure = tmp_path / "audit.json", tmp_path / "audit.png"
    main(["audit", str(file), "--json", str(out), "--figure", str(figure)])
    printed = capsys.readouterr().out
    result = json.loads(out.read_text())["pairs"]
    assert result["pairs"] == 18 and result["artifacts"] == 50
    assert f"{result['readers']['n-grams']['share']:.1f} %" in printed and "Give-aways of pairs" in printed
    assert figure.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("content", ["caption,negatives\na dog,a cat\n", "caption\na dog\n"])
def test_the_command_ends_in_a_sentence(tmp_path, content):
    file = tmp_path / "few.csv"
    file.write_text(content)
    with pytest.raises(SystemExit, match="error: .*few.csv"):
        main(["audit", str(file)])
