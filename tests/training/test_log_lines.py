"""A training logs lines for a reader, and nothing that a library says of the machine reaches them."""

import logging
import os
import warnings

import pytest
from transformers import PrinterCallback, ProgressCallback

from hf_hardneg.training.arguments import HardNegCLIPTrainingArguments
from hf_hardneg.training.log_lines import write_log_lines
from hf_hardneg.training.recipe import parse_arguments


@pytest.mark.parametrize("has_bar", [True, False])
def test_a_training_logs_lines_and_no_dictionaries(make_trainer, model, caplog, capsys, has_bar):
    trainer = make_trainer(model, disable_tqdm=not has_bar, logging_steps=1)
    write_log_lines(trainer, "control")
    caplog.set_level(logging.INFO, "hf_hardneg")
    trainer.train()
    assert "control, step 2 of 3: loss " in caplog.text and "control, 3 steps in " in caplog.text
    assert "{" not in capsys.readouterr().out
    kinds = [type(callback) for callback in trainer.callback_handler.callbacks]
    assert PrinterCallback not in kinds and ProgressCallback not in kinds
    assert any(issubclass(kind, ProgressCallback) for kind in kinds) == has_bar


@pytest.mark.parametrize(("cores", "taken"), [(1, 1), (2, 2), (64, 4)])
def test_a_shipped_recipe_takes_no_more_data_workers_than_the_machine_has_cores(tmp_path, monkeypatch, cores, taken):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
    out = ["--output_dir", str(tmp_path / "out")]
    assert parse_arguments(["photos.yaml", *out]).training.dataloader_num_workers == taken
    assert parse_arguments(["photos.yaml", *out, "--dataloader_num_workers", "9"]).training.dataloader_num_workers == 9
    mine = tmp_path / "mine.yaml"
    mine.write_text("dataloader_num_workers: 8\n")
    assert parse_arguments([str(mine), *out]).training.dataloader_num_workers == 8


def test_nothing_is_pinned_for_an_accelerator_that_is_not_there(make_trainer, model, tmp_path):
    args = HardNegCLIPTrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none")
    assert not args.dataloader_pin_memory
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        next(iter(make_trainer(model, dataloader_num_workers=1).get_train_dataloader()))
