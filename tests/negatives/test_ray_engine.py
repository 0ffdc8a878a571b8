import sys

import pytest
from datasets import load_dataset
from helpers.captions import scene_captions

from hf_hardneg.cli import main


@pytest.fixture
def captions(tmp_path):
    import pandas as pd

    texts = scene_captions(400, "ray")
    others = [[texts[i ^ 1]] for i in range(400)]
    table = pd.DataFrame({"image_id": [i // 2 for i in range(400)], "caption": texts, "other_captions": others})
    (tmp_path / "in").mkdir()
    for part in range(4):
        table[part * 100 : part * 100 + 100].to_parquet(tmp_path / "in" / f"{part}.parquet")
    table.to_parquet(tmp_path / "all.parquet")
    return tmp_path


def test_two_workers_give_the_rows_of_one_process(captions, monkeypatch):
    ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        command = ["negatives", str(captions / "in"), "--out", str(captions / "ray"), "--engine", "ray"]
        unfinished = captions / "ray" / "data.unfinished"
        unfinished.mkdir(parents=True)
        (unfinished / "of_a_killed_run.parquet").write_bytes(b"PAR1")
        main(command)
        with pytest.raises(SystemExit, match="files of another run"):
            main(command)
        again = [*command[:3], str(captions / "again"), "--engine", "ray", "--model", str(captions / "ray/slot_model")]
        main(again)
    finally:
        ray.shutdown()
    main(["negatives", str(captions / "all.parquet"), "--out", str(captions / "one"), "--no_audit"])
    on_ray = load_dataset("parquet", data_files=str(captions / "ray" / "data" / "*.parquet"), split="train")
    one = load_dataset("parquet", data_files=str(captions / "one" / "data" / "*.parquet"), split="train")
    assert set(one.column_names) - set(on_ray.column_names) == {"categories"}
    key = {row["caption"]: row for row in one.remove_columns(["categories", "other_captions"])}
    rows = list(on_ray.remove_columns("other_captions"))
    assert len(rows) == 400 and all(row == key[row["caption"]] for row in rows)
    assert not unfinished.exists()
    twice = load_dataset("parquet", data_files=str(captions / "again" / "data" / "*.parquet"), split="train")
    assert sorted(map(str, twice["negatives"])) == sorted(map(str, on_ray["negatives"]))


def test_without_ray_the_error_holds_the_install_command(captions, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SystemExit, match=r"hf-hardneg\[ray\]"):
        main(["negatives", str(captions / "in"), "--out", str(captions / "ray"), "--engine", "ray"])


@pytest.mark.parametrize("flags", [["--split", "nope"], ["--caption_column", "zz"], ["--dataset_config", "a"]])
def test_flags_that_ray_would_ignore_are_refused(captions, flags):
    argv = ["negatives", str(captions / "in"), "--out", str(captions / "out"), "--engine", "ray", *flags]
    with pytest.raises(SystemExit, match=f"it does not use {flags[0]}: leave"):
        main(argv)
