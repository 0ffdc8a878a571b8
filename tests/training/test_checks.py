"""What a trainer refuses or warns of, each in one sentence and before it starts."""

import pytest
import torch
from transformers import AutoModel, TrainingArguments

from hf_hardneg.model.adapters import add_lora
from hf_hardneg.training.arguments import HardNegCLIPTrainingArguments
from hf_hardneg.training.checks import check_packages
from hf_hardneg.training.command import main
from hf_hardneg.training.trainer import HardNegCLIPTrainer


@pytest.fixture
def arguments(tmp_path):
    return HardNegCLIPTrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none", num_negatives=2)


def test_arguments_of_another_class_are_refused(model, tmp_path):
    for args in (TrainingArguments(output_dir=str(tmp_path)), None):
        with pytest.raises(ValueError, match="args is a .*needs HardNegCLIPTrainingArguments"):
            HardNegCLIPTrainer(model, args)


def test_a_missing_processor_is_named_by_the_argument_that_takes_it(model, arguments, training_rows, processor, pairs):
    for given in ({}, {"processing_class": None}, {"processing_class": processor.tokenizer}):
        with pytest.raises(ValueError, match="processing_class is a .*the collator that the trainer makes needs"):
            HardNegCLIPTrainer(model, arguments, train_dataset=training_rows, **given)
    with pytest.raises(ValueError, match="processing_class is a NoneType; the evaluation on pairs"):
        HardNegCLIPTrainer(model, arguments, lambda rows: {}, pairs=pairs)
    HardNegCLIPTrainer(model, arguments, None, training_rows, None, processor)  # by its place


def test_a_model_of_which_nothing_is_trained_is_refused(make_trainer, model):
    trainer = make_trainer(model.requires_grad_(False))
    with pytest.raises(ValueError, match="Nothing is left to train: every weight of the model is frozen"):
        trainer.train()


def test_an_adapter_that_transformers_loaded_is_refused(make_trainer, start, tmp_path):
    add_lora(AutoModel.from_pretrained(start), rank=2).save_pretrained(tmp_path / "adapter")
    with pytest.raises(ValueError, match=r"adapter of peft apart from its weights; load it with .*load_model"):
        make_trainer(AutoModel.from_pretrained(tmp_path / "adapter"))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_weights_to_update_are_warned_of_but_not_frozen_ones(make_trainer, model, caplog, dtype):
    name = str(dtype).removeprefix("torch.")
    make_trainer(model.to(dtype))
    assert f"The weights to train are {name}" in caplog.text
    caplog.clear()
    make_trainer(add_lora(model, rank=2))  # peft's own matrices are float32.
    model.vision_model.to(dtype).requires_grad_(False)
    assert "The weights to train" not in caplog.text


def test_float16_weights_under_fp16_are_refused(make_trainer, model):
    with pytest.raises(ValueError, match="fp16 needs float32 weights, and the model's are float16"):
        make_trainer(model.half(), fp16=True)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"report_to": "wandb"}, "report_to is 'wandb', and a package is missing: `pip install wandb`"),
        ({"report_to": "tensorboard"}, "report_to is 'tensorboard', and a package is missing"),
        ({"report_to": "comet_ml"}, "report_to is 'comet_ml', and a package is missing"),
        ({"report_to": "nonsense"}, "nonsense is not supported"),
        ({"optim": "adamw_bnb_8bit"}, "optim is 'adamw_bnb_8bit', and a package is missing: .*bitsandbytes"),
        ({"optim": "galore_adamw"}, "optim is 'galore_adamw', and a package is missing: .*galore_torch"),
        ({"use_liger_kernel": True}, "use_liger_kernel needs a package that is missing: `pip install liger-kernel`"),
        ({"deepspeed": "zero.json"}, "deepspeed needs a package that is missing: `pip install deepspeed`"),
    ],
)
def test_a_missing_package_is_named(tmp_path, flags, message, monkeypatch):
    from transformers.integrations import integration_utils

    from hf_hardneg.training import arguments, checks

    # Also where these packages are installed.
    monkeypatch.setattr(arguments, "find_spec", lambda name: None)
    monkeypatch.setattr(checks, "is_liger_kernel_available", lambda: False)
    for name in ("wandb", "tensorboard", "comet"):
        monkeypatch.setattr(integration_utils, f"is_{name}_available", lambda: False)
    with pytest.raises(ValueError, match=message):
        check_packages(HardNegCLIPTrainingArguments(output_dir=str(tmp_path), use_cpu=True, **flags))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--use_liger_kernel", "true"], "liger-kernel"),
        (["--metric_for_best_model", "eval_acuracy_color"], "Did you mean 'eval_accuracy_color'"),
        (["--metric_for_best_model", "grupp_macro"], "which no evaluation has. Did you mean 'eval_group_'"),
        (["--metric_for_best_model", "eval_accuracy_wrong_image"], "beside wrong images .* neither good nor bad"),
        (["--metric_for_best_model", "image_to_text_wrong_image_macro"], "beside wrong images .* neither good nor"),
        (["--benchmarks", "winoground={tmp}/gone"], "gone"),
    ],
)
def test_the_command_knows_it_before_it_prepares_data(start, tmp_path, flags, message, monkeypatch):
    from hf_hardneg.training import checks, run

    monkeypatch.setattr(run, "prepare_data", lambda *_: pytest.fail("data were prepared"))
    monkeypatch.setattr(checks, "is_liger_kernel_available", lambda: False)
    argv = ["demo.yaml", "--model_name_or_path", start, "--output_dir", str(tmp_path / "out"), "--control", "false"]
    argv += ["--eval_strategy", "steps", "--eval_steps", "2", "--use_cpu", "true"]
    with pytest.raises(SystemExit, match=f"error: .*{message}"):
        main([*argv, *(flag.format(tmp=tmp_path) for flag in flags)])


def test_a_misspelt_metric_ends_a_training_in_python_with_the_nearest_name(make_trainer, model):
    options = {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1}
    trainer = make_trainer(model, **options, load_best_model_at_end=True, metric_for_best_model="acuracy")
    with pytest.raises(ValueError, match="metric_for_best_model is 'acuracy', .* Did you mean 'eval_accuracy'"):
        trainer.train()


def test_the_best_model_is_not_chosen_by_what_is_known_without_the_image(make_trainer, model):
    options = {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1}
    options |= {"load_best_model_at_end": True}
    with pytest.raises(ValueError, match="'accuracy_wrong_image', a score beside wrong images .*accuracy_by_looking"):
        make_trainer(model, **options, metric_for_best_model="accuracy_wrong_image").train()
    make_trainer(model, **options, metric_for_best_model="accuracy_by_looking").train()


def test_rows_are_not_grouped_by_length(tmp_path):
    with pytest.raises(ValueError, match="train_sampling_strategy is 'group_by_length'.*use random or sequential"):
        HardNegCLIPTrainingArguments(output_dir=str(tmp_path), train_sampling_strategy="group_by_length")
