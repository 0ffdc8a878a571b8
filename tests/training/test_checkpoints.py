"""Killed at any moment of the writing of a checkpoint, a training goes on to the same bits."""

import os
import resource
import shutil
import signal
import sys

import pytest
import torch
from datasets import load_from_disk
from helpers.processes import LoggedProcess
from safetensors.torch import load_file
from transformers import CLIPModel, CLIPProcessor, modeling_utils
from transformers.trainer_utils import get_last_checkpoint

from hf_hardneg.training.arguments import HardNegCLIPTrainingArguments
from hf_hardneg.training.checkpoints import find_last_checkpoint, find_problem
from hf_hardneg.training.collator import HardNegCollator
from hf_hardneg.training.make_start_model import build_model
from hf_hardneg.training.run import find_checkpoint
from hf_hardneg.training.trainer import HardNegCLIPTrainer


def train(folder, out, steps, resume=True, **settings):
    """Train up to a step, with a checkpoint at each second step; save the weights at the end."""
    args = HardNegCLIPTrainingArguments(
        output_dir=out,
        use_cpu=True,
        per_device_train_batch_size=4,
        max_steps=steps,
        lr_scheduler_type="constant",
        num_negatives=2,
        report_to="none",
        save_steps=2,
        save_total_limit=1,
        disable_tqdm=True,
        resume_from_checkpoint=str(resume).lower(),
        **settings,
    )
    model, processor = CLIPModel.from_pretrained(folder), CLIPProcessor.from_pretrained(folder)
    rows = load_from_disk(f"{folder}/rows")
    trainer = HardNegCLIPTrainer(model, args, HardNegCollator(processor, 2), train_dataset=rows)
    trainer.train(resume_from_checkpoint=find_checkpoint(args))
    model.save_pretrained(f"{out}/end")


def train_and_die(folder, out, steps, deadly):
    """Be killed at one of the points at which a file of a checkpoint is opened, half written, or deleted."""
    points = iter(range(1, 10_000))

    def pass_point(half_written=None):
        if next(points) == deadly:
            if half_written:
                os.truncate(half_written, os.path.getsize(half_written) // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event, args):
        if event in ("open", "os.mkdir", "os.remove", "os.rmdir") and f"{out}/checkpoint-" in str(args[0]):
            if event != "open" or args[2] & (os.O_WRONLY | os.O_RDWR):
                pass_point()

    def in_halves(save):
        def save_in_halves(content, file, *args, **kwargs):
            pass_point()
            save(content, file, *args, **kwargs)
            pass_point(half_written=file)

        return save_in_halves

    torch.save, modeling_utils.safe_save_file = in_halves(torch.save), in_halves(modeling_utils.safe_save_file)
    sys.addaudithook(watch)
    train(folder, out, steps)


@pytest.fixture(scope="module")
def folder(processor, training_rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    build_model(processor.tokenizer, num_hidden_layers=1).save_pretrained(folder)
    processor.save_pretrained(folder)
    training_rows.save_to_disk(folder / "rows")
    return folder


def run(target, *args, expected=0):
    log = args[1] + ".log"
    process = LoggedProcess(log, target, *args)
    assert process.end() in (expected if isinstance(expected, tuple) else (expected,)), process.text()[-3000:]
    return process


@pytest.fixture(scope="module")
def two_steps(folder):
    """An output folder with the checkpoint of step 2."""
    out = folder / "two_steps"
    run(train, str(folder), str(out), 2)
    return out


@pytest.fixture(scope="module")
def four_steps(folder):
    out = folder / "four_steps"
    run(train, str(folder), str(out), 4)
    return load_file(out / "end" / "model.safetensors")


def weights_are_equal(out, expected):
    ours = load_file(out / "end" / "model.safetensors")
    return all(torch.equal(ours[key], weight) for key, weight in expected.items())


def test_killed_at_any_moment_of_writing_a_checkpoint_a_training_goes_on_to_the_same_bits(
    folder, two_steps, four_steps, tmp_path
):
    passed_over, deadly = 0, 0
    while True:
        deadly += 1
        out = tmp_path / str(deadly)
        shutil.copytree(two_steps, out)
        killed = run(train_and_die, str(folder), str(out), 4, deadly, expected=(-signal.SIGKILL, 0))
        if killed.exit_code() == 0:
            break
        resumed = run(train, str(folder), str(out), 4)
        passed_over += "is not used: its writing was cut off" in resumed.text()
        assert weights_are_equal(out, four_steps), f"killed at point {deadly}"
        assert [path.name for path in out.glob("checkpoint-*")] == ["checkpoint-4"]
    assert deadly > 15 and passed_over > 8


def test_resuming_the_checkpoint_of_the_last_step_takes_no_step_more(folder, two_steps, tmp_path):
    shutil.copytree(two_steps, tmp_path / "out")
    run(train, str(folder), str(tmp_path / "out"), 2)
    assert weights_are_equal(tmp_path / "out", load_file(two_steps / "end" / "model.safetensors"))


def test_a_checkpoint_that_lost_a_file_or_the_end_of_one_is_passed_over(two_steps, tmp_path, caplog):
    whole = two_steps / "checkpoint-2"
    assert find_last_checkpoint(two_steps) == str(whole)
    needed = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")
    for name in needed:
        for size in (None, 0, (whole / name).stat().st_size // 2, (whole / name).stat().st_size - 10):
            out = tmp_path / "out"
            shutil.copytree(whole, out / "checkpoint-1")
            shutil.copytree(whole, out / "checkpoint-2")
            damaged = out / "checkpoint-2" / name
            damaged.unlink() if size is None else os.truncate(damaged, size)
            caplog.clear()
            assert find_last_checkpoint(out) == str(out / "checkpoint-1"), (name, size)
            assert "checkpoint-2 is not used" in caplog.text and (
                size is None or f"{name} cannot be read" in caplog.text
            )
            shutil.rmtree(out)


def test_a_named_checkpoint_that_is_not_complete_is_refused(two_steps, tmp_path):
    args = HardNegCLIPTrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    args.resume_from_checkpoint = str(two_steps / "checkpoint-2")
    assert find_checkpoint(args) == args.resume_from_checkpoint
    for folder, problem in ((tmp_path / "none", "no such folder"), (tmp_path, "trainer_state.json")):
        args.resume_from_checkpoint = str(folder)
        with pytest.raises(ValueError, match=problem):
            find_checkpoint(args)


def train_on_a_full_disk(folder, out):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))  # bytes
    try:
        train(folder, out, 4)
    except OSError as error:
        sys.exit(f"error: {error}")


def test_a_full_disk_ends_with_one_sentence_and_keeps_the_earlier_checkpoint(folder, two_steps, four_steps, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(two_steps, out)
    process = run(train_on_a_full_disk, str(folder), str(out), expected=1)
    assert f"error: The checkpoint {out}/checkpoint-4 could not be written" in process.text(), process.text()
    assert [path.name for path in out.glob("checkpoint-*")] == ["checkpoint-2"]
    assert find_problem(out / "checkpoint-2") is None and get_last_checkpoint(out) == str(out / "checkpoint-2")
    run(train, str(folder), str(out), 4)
    assert weights_are_equal(out, four_steps)
