"""The dtype of a checkpoint does not decide how precisely it is trained."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPModel

from hf_hardneg.training.command import main


def train(start, out, *flags):
    argv = ["demo.yaml", "--model_name_or_path", str(start), "--output_dir", str(out), "--control", "false"]
    argv += ["--num_rows", "60", "--max_steps", "3", "--pairs_per_concept", "2", "--held_out_images", "8"]
    argv += ["--dataloader_num_workers", "0", "--use_cpu", "true", "--per_device_train_batch_size", "8"]
    main([*argv, "--learning_rate", "5e-6", "--warmup_steps", "0", *flags])
    return load_file(out / "model.safetensors")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_half_precision_checkpoint_trains_as_its_float32_copy(model, processor, tmp_path, caplog, dtype):
    name = str(dtype).removeprefix("torch.")
    for folder, of_folder in (("half", dtype), ("whole", torch.float32)):  # The second has the values of the first.
        model.to(of_folder).save_pretrained(tmp_path / folder)
        processor.save_pretrained(tmp_path / folder)
    half = train(tmp_path / "half", tmp_path / "of_half")
    assert f"saved in {name}, trained and saved in float32" in caplog.text
    whole = train(tmp_path / "whole", tmp_path / "of_whole")
    start = CLIPModel.from_pretrained(tmp_path / "whole").state_dict()
    assert all(half[key].dtype == torch.float32 and half[key].equal(whole[key]) for key in whole)
    assert sum(not whole[key].equal(start[key]) for key in whole) > 30  # 5e-6 is enough to change the weights.
    assert json.loads((tmp_path / "of_half" / "config.json").read_text())["dtype"] == "float32"


def test_half_precision_can_be_asked_for_and_is_warned_of(start, tmp_path, caplog):
    weights = train(start, tmp_path / "out", "--dtype", "bfloat16", "--save_strategy", "steps", "--save_steps", "2")
    assert {part.dtype for part in weights.values()} == {torch.bfloat16}
    assert "trained and saved in bfloat16; in half precision small updates are lost" in caplog.text
    assert "The weights to train are bfloat16" in caplog.text
    (tmp_path / "out" / "model.safetensors").unlink()
    again = train(start, tmp_path / "out", "--dtype", "bfloat16", "--resume_from_checkpoint", "true")
    assert all(weights[key].equal(again[key]) for key in weights)
    with pytest.raises(SystemExit, match="dtype is 'fp8'; it must be one of float32, bfloat16"):
        train(start, tmp_path / "out", "--dtype", "fp8")
