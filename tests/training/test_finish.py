"""A finished training is never lost, whatever fails after its last step."""

import pytest
from safetensors.torch import load_file
from transformers import CLIPModel, TrainerCallback

from hf_hardneg.model.adapters import add_lora
from hf_hardneg.model.loading import load_model
from hf_hardneg.training import run
from hf_hardneg.training.command import main
from hf_hardneg.training.finish import keep_finished_training


WHERE = "The training is finished, and what came after it failed. The trained model is saved in"


class Fails(TrainerCallback):
    def on_train_end(self, *args, **kwargs):
        raise ValueError("the tracker is gone")


def fail(*args):
    raise ValueError("no space for this")


@pytest.mark.parametrize("step", ["collect_outcomes", "collect_metrics", "save_artifacts"])
@pytest.mark.parametrize("flags", [[], ["--lora_towers", "text"]])
def test_the_model_is_saved_before_what_can_fail(start, tmp_path, monkeypatch, caplog, step, flags):
    real = getattr(run, step)
    calls = iter([real] if step == "collect_outcomes" else [])  # The start model's evaluation comes first.
    monkeypatch.setattr(run, step, lambda *args: next(calls, fail)(*args))
    out = tmp_path / "out"
    argv = ["demo.yaml", "--model_name_or_path", start, "--output_dir", str(out), "--control", "false"]
    argv += ["--num_rows", "60", "--max_steps", "2", "--pairs_per_concept", "2", "--held_out_images", "8"]
    with pytest.raises(SystemExit, match="error: no space for this"):
        main([*argv, "--dataloader_num_workers", "0", "--use_cpu", "true", *flags])
    assert f"{WHERE} {out}" in caplog.text
    assert type(load_model(str(out))[0]) is CLIPModel and not (out / "training_args.bin").exists()


def test_a_training_that_fails_after_its_last_step_saves_the_model(make_trainer, model, tmp_path, caplog):
    trainer = make_trainer(add_lora(model, rank=2))
    trainer.add_callback(Fails())
    with pytest.raises(ValueError, match="the tracker is gone"), keep_finished_training(trainer):
        trainer.train()
    assert WHERE in caplog.text and "text_projection.weight" in load_file(tmp_path / "out" / "model.safetensors")


def test_a_training_that_fails_before_its_last_step_saves_nothing_at_its_end(make_trainer, model, tmp_path, caplog):
    class FailsEarly(TrainerCallback):
        def on_step_end(self, *args, **kwargs):
            raise ValueError("too early")

    trainer = make_trainer(model)
    trainer.add_callback(FailsEarly())
    with pytest.raises(ValueError, match="too early"), keep_finished_training(trainer):
        trainer.train()
    assert WHERE not in caplog.text and not (tmp_path / "out" / "model.safetensors").exists()


def test_an_adapter_that_cannot_be_merged_is_refused_before_the_training(make_trainer, model):
    from peft import PromptTuningConfig, get_peft_model

    model.config.hidden_size = model.config.text_config.hidden_size
    try:
        adapted = get_peft_model(model, PromptTuningConfig(num_virtual_tokens=2, task_type="FEATURE_EXTRACTION"))
    except (AttributeError, ValueError, KeyError, TypeError):
        pytest.skip("this peft makes no such adapter for CLIP")
    with pytest.raises(ValueError, match="cannot be merged into its weights"):
        make_trainer(adapted)
