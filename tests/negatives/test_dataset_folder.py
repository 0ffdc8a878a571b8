import json

import pytest
from datasets import load_dataset
from helpers.captions import scene_captions

from hf_hardneg.cli import main
from hf_hardneg.lexicon.index import load_index
from hf_hardneg.negatives.slot_model import SlotModel


def write(file, captions):
    file.write_text("\n".join(json.dumps({"caption": caption}) for caption in captions))
    return str(file)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("negatives")
    main(["negatives", write(folder / "captions.jsonl", [*scene_captions(300), ""]), "--out", str(folder / "out")])
    return folder / "out"


def test_the_folder_loads_as_a_dataset_with_negatives_and_where_they_come_from(made):
    rows = load_dataset(str(made), split="train")
    assert len(rows) == 300
    for row in rows:
        for negative, (start, end), new in zip(
            row["negatives"], row["negative_spans"], row["negative_news"], strict=True
        ):
            assert row["caption"][:start] + new + row["caption"][end:] == negative


def test_a_folder_that_was_written_again_is_read_anew(tmp_path):
    # `datasets` takes a folder whose card lists its data files for unchanged as long as its name is.
    for captions in (scene_captions(20), scene_captions(30, "other")):
        main(["negatives", write(tmp_path / "c.jsonl", captions), "--out", str(tmp_path / "out"), "--no_audit"])
        rows = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
        assert rows["caption"][:] == captions


def test_the_card_and_the_summary_count_negatives_reasons_and_the_audit(made):
    summary = json.loads((made / "negatives.json").read_text())
    rows = load_dataset(str(made), split="train")
    assert summary["negatives"] == sum(map(len, rows["negatives"]))
    assert summary["captions"] == 300 and summary["skipped"] == {"the caption is empty": 1}
    assert summary["rejections"] and summary["audit"]["identical"] == 0
    card = (made / "README.md").read_text()
    assert f"{summary['negatives']:,} synthetic" in card and "told by boosted" in card and "| concept" in card
    assert all(reason in card for reason in summary["rejections"])


def test_a_saved_model_is_added_to_the_counts_of_new_captions(made, tmp_path):
    new = write(tmp_path / "new.jsonl", scene_captions(50, "new"))
    main(["negatives", new, "--out", str(tmp_path / "out"), "--model", str(made / "slot_model"), "--no_audit"])
    models = [SlotModel.load(folder / "slot_model", load_index()) for folder in (made, tmp_path / "out")]
    # Every scene names two objects, and more where it speaks of color, size or place.
    grown = sum(int(total.sum()) for total in models[1].totals) - sum(int(total.sum()) for total in models[0].totals)
    assert 100 <= grown <= 500


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num_negatives", "0"], "1 or more"),
        (["--concepts", "colour"], "colo"),
        (["--temperature", "0"], "more than 0"),
        (["--model", "nowhere"], "no slot model that can be used"),
        (["--concept_weights", "1"], "one number"),
    ],
)
def test_a_users_mistake_ends_with_one_sentence(tmp_path, capsys, arguments, message):
    source = write(tmp_path / "captions.jsonl", ["a red car"])
    with pytest.raises(SystemExit) as end:
        main(["negatives", source, "--out", str(tmp_path / "out"), *arguments])
    assert message in f"{end.value} {capsys.readouterr().err}"


def test_too_few_captions_for_an_audit_say_so_and_still_make_negatives(tmp_path):
    source = write(tmp_path / "captions.jsonl", ["a red car"])
    main(["negatives", source, "--out", str(tmp_path / "out")])
    assert "at least 5" in json.loads((tmp_path / "out" / "negatives.json").read_text())["audit"]
