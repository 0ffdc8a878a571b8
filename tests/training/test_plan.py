"""What a run prints at its start, and the time that it measures."""

import logging
import os
import subprocess
from types import SimpleNamespace

import pytest
import torch
from helpers.demo_recipe import NO_TWINS
from helpers.quick_python import quick_python
from transformers import TrainerControl, TrainerState

from hf_hardneg.commands.config import ACCELERATE_CONFIGS
from hf_hardneg.training.command import main
from hf_hardneg.training.plan import count_steps
from hf_hardneg.training.time_estimate import TimeEstimate, format_seconds


SMALL = ["--num_rows", "60", "--pairs_per_concept", "2", "--held_out_images", "8", "--dataloader_num_workers", "0"]
SMALL += ["--use_cpu", "true", "--per_device_train_batch_size", "8"]


@pytest.fixture
def plan(start, tmp_path, caplog):
    """Runs the command with flags and returns its messages from the plan on."""

    def run(*flags):
        out = str(tmp_path / "out")
        caplog.clear()
        main(["demo.yaml", "--model_name_or_path", start, "--output_dir", out, *SMALL, *flags])
        lines = [line for record in caplog.records for line in record.getMessage().split("\n")]
        return lines[lines.index(next(line for line in lines if line.startswith("Rows: "))) :]

    return run


def test_a_run_with_its_control_says_what_it_will_do(plan, tmp_path):
    rows, negatives, steps, time, output, *_ = plan("--max_steps", "2", *NO_TWINS)
    assert rows == "Rows: 60 captions to train on; 8 held out and 8 inpainted pairs to evaluate on"
    assert (
        negatives.startswith("Negatives: up to K = 3 per caption; ") and " % of the captions have some, " in negatives
    )
    assert steps == "Steps: 2 with batches of 8 captions (0.267 epochs) in each of 2 trainings: control, K = 3"
    assert time == "Time: not estimated, since that takes more than 30 steps"
    assert output == f"Output: {tmp_path / 'out'}"


def test_text_only_training_without_negatives_says_what_it_will_do(plan):
    flags = ["--text_only", "true", "--num_negatives", "0", "--max_steps", "-1", "--num_train_epochs", "1", *NO_TWINS]
    _, negatives, steps, *_ = plan(*flags)
    assert negatives == "Negatives: none (K = 0), only the other captions of a batch"
    assert steps == "Steps: 8 with batches of 8 captions (1.07 epochs) in 1 training: K = 0"


def test_a_longer_run_estimates_its_time_once_for_each_training(plan):
    lines = plan("--max_steps", "33", "--disable_tqdm", "true")
    assert lines[3] == "Time: estimated at step 30 of each training, from its steps 11 to 30"
    estimates = [line for line in lines[5:] if line.startswith("Time: about ")]
    assert len(estimates) == 2
    for name, line in zip(("control", "K = 3 and twins"), estimates, strict=True):
        assert f" for the other 3 steps of {name} (" in line


def test_of_two_processes_one_speaks(start, tmp_path):
    command = [quick_python(), "-m", "accelerate.commands.launch"]
    command += ["--config_file", str(ACCELERATE_CONFIGS / "multi_cpu.yaml"), "-m", "hf_hardneg.train", "demo.yaml"]
    flags = ["--model_name_or_path", start, "--output_dir", str(tmp_path / "out"), *SMALL, "--control", "false"]
    flags += ["--max_steps", "31", *NO_TWINS]
    done = subprocess.run(
        [*command, *flags], env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Steps: 31 with batches of 16 captions (8.27 epochs) in 1 training: K = 3" in done.stderr
    for name in ("Rows: ", "Negatives: ", "Steps: ", "Time: estimated", "Output: ", "Time: about "):
        assert done.stderr.count(name) == 1, name


@pytest.mark.parametrize("flags", [[], ["--text_only", "true"]])
def test_a_run_with_twins_says_how_many_a_batch_has(plan, flags):
    rows, _, steps, *_ = plan("--num_negatives", "1", "--max_steps", "2", *flags)
    twins = "30 pairs of twins, 2 of them in each 8 captions"
    assert rows == f"Rows: 120 captions to train on ({twins}); 8 held out and 8 inpainted pairs to evaluate on"
    assert steps.endswith("in each of 2 trainings: control, K = 1 and twins")


@pytest.mark.parametrize("rows", [1, 7, 8, 20, 33])
@pytest.mark.parametrize("drop_last", [False, True])
def test_steps_are_counted_as_trainer_counts_them(make_trainer, model, training_rows, rows, drop_last):
    if drop_last and rows < 8:
        pytest.skip("Trainer refuses an empty loader")
    of_trainer = {"max_steps": -1, "num_train_epochs": 1.5, "gradient_accumulation_steps": 2}
    trainer = make_trainer(
        model, training_rows.select(range(rows)), dataloader_drop_last=drop_last, max_grad_norm=0, **of_trainer
    )
    trainer.train()
    assert count_steps(trainer.args, rows) == trainer.state.max_steps


def test_an_estimate_is_of_steps_alone(caplog):
    """Steps take 2 s, with 100 s of evaluation after every fifth; the first ten steps take 50 s."""
    now = [0.0]
    estimate = TimeEstimate("K = 3", clock=lambda: now[0])
    args = SimpleNamespace(device=torch.device("cpu"))
    state, control = TrainerState(max_steps=1000, is_world_process_zero=True), TrainerControl()
    estimate.on_train_begin(args, state, control)
    with caplog.at_level(logging.INFO, logger="hf_hardneg"):
        for step in range(1, 60):
            now[0] += 50 if step <= 10 else 2
            state.global_step = step
            estimate.on_step_end(args, state, control)
            if step % 5 == 0:
                now[0] += 100
                estimate.on_evaluate(args, state, control)
                now[0] += 7
                estimate.on_save(args, state, control)
    assert caplog.messages == [
        "Time: about 32 min for the other 970 steps of K = 3 (2 s per step); evaluation and saving come on top"
    ]


def test_durations_are_rounded_for_readers():
    assert [format_seconds(value) for value in (0.4, 89, 91, 5399, 5401)] == [
        "0 s",
        "89 s",
        "2 min",
        "90 min",
        "1.5 h",
    ]
