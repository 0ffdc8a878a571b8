"""`hf-hardneg evaluate` as a user runs it."""

import json

import pytest
from helpers.benchmark_fixtures import make_benchmark

from hf_hardneg.cli import main


def test_one_command_prints_the_table_with_the_control_beside_it_and_marks_differences(start, tmp_path, capsys):
    shipped = "hf_hardneg/start_model"
    spec = make_benchmark("inpaintcoco", tmp_path / "pairs")
    out = tmp_path / "out"
    argv = ["evaluate", f"shipped={shipped}", "--control", f"random={start}", "--benchmarks", spec, "scenes=dev"]
    main([*argv, "--out", str(out)])
    printed = capsys.readouterr().out
    metrics = json.loads((out / "metrics.json").read_text())
    assert "random (control)" in printed and "▲" in printed and (out / "table.md").read_text().strip() in printed
    found = metrics["differences"]["shipped"]["scenes"]["object"]["group"]
    assert found["mark"] == "better" and found["low"] > 0 and found["p"] < 0.01
    values = [metrics["results"][name]["scenes"]["object"]["group"]["value"] for name in ("shipped", "random")]
    assert found["value"] == pytest.approx(values[0] - values[1])
    assert metrics["benchmarks"]["scenes"]["source"] == "scenes=dev"
    assert metrics["results"]["shipped"]["scenes_retrieval"]["all"]["text_to_image_R@5"]["value"] > 95


def test_mistakes_end_with_one_sentence(start, tmp_path, capsys):
    for benchmark, message in (("sugarcrep", "Did you mean 'sugarcrepe'"), ("aro", "visual_genome_relation.json")):
        with pytest.raises(SystemExit, match=message):
            main(["evaluate", start, "--benchmarks", benchmark, "--out", str(tmp_path / "out")])


def test_what_is_no_dual_encoder_is_named(processor, tmp_path):
    from transformers import CLIPVisionConfig, CLIPVisionModel

    CLIPVisionModel(CLIPVisionConfig(num_hidden_layers=1, hidden_size=32, num_attention_heads=2)).save_pretrained(
        tmp_path / "model"
    )
    with pytest.raises(SystemExit, match="not a dual encoder"):
        main(["evaluate", str(tmp_path / "model"), "--out", str(tmp_path / "out")])
