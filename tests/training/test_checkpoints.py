"""Killed at any moment of the writing of a checkpoint, a training goes on to the same bits."""

import os
import resource
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch
from datasets import load_from_disk
from helpers.processes import LoggedProcess, say
from safetensors.torch import load_file
from transformers import CLIPModel, CLIPProcessor, modeling_utils
from transformers.trainer_utils import get_last_checkpoint

from hf_hardneg.training.arguments import HardNegCLIPTrainingArguments
from hf_hardneg.training.checkpoints import find_last_checkpoint, find_problem, write_whole
from hf_hardneg.training.make_start_model import build_model
from hf_hardneg.training.run import find_checkpoint
from hf_hardneg.training.trainer import HardNegCLIPTrainer
from hf_hardneg.user_errors import one_sentence


CHANGES = ("os.mkdir", "os.remove", "os.rmdir")
OPTIMIZER = "checkpoint-4/optimizer.pt"


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
    trainer = HardNegCLIPTrainer(model, args, train_dataset=rows, processing_class=processor)
    trainer.train(resume_from_checkpoint=find_checkpoint(args))
    model.save_pretrained(f"{out}/end")


def train_watched(folder, out, steps, copies, deadly):
    """Copy `out` at each point at which a file of a checkpoint is opened, half written, or deleted.

    A copy holds what SIGKILL would leave: other processes see what was written, and not what is still buffered. At
    the point `deadly`, the process really is killed.
    """
    points = iter(range(1, 10_000))

    def pass_point(half_written=None):
        number = next(points)
        place = out
        if number != deadly:
            place = f"{copies}/{number:03}"
            shutil.copytree(out, place)
        if half_written:
            half = Path(place, Path(half_written).relative_to(out))
            os.truncate(half, half.stat().st_size // 2)
        if number == deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event, args):
        is_written = event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR)
        is_deleted = event in ("os.remove", "os.rmdir") and args[1] != -1  # The folder is given by a descriptor.
        if is_deleted or (is_written or event in CHANGES) and f"{out}/checkpoint-" in str(args[0]):
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


def train_each(folder, outs, steps):
    for out in outs:
        say(f"now {out}")
        train(folder, out, steps)


@pytest.fixture(scope="module")
def folder(processor, training_rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    build_model(processor.tokenizer, num_hidden_layers=1).save_pretrained(folder)
    processor.save_pretrained(folder)
    training_rows.save_to_disk(folder / "rows")
    return folder


def run(target, *args, expected=0, log=None):
    process = LoggedProcess(log or args[1] + ".log", target, *args)
    assert process.end() == expected, process.text()[-3000:]
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


def sizes(folder):
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def test_killed_at_any_moment_of_writing_a_checkpoint_a_training_goes_on_to_the_same_bits(
    folder, two_steps, four_steps, tmp_path
):
    out, killed, copies = tmp_path / "out", tmp_path / "killed", tmp_path / "copies"
    shutil.copytree(two_steps, out)
    shutil.copytree(two_steps, killed)
    run(train_watched, str(folder), str(out), 4, str(copies), 0)
    # Between some points, nothing changed.
    outs = sorted({str(sizes(copy)): copy for copy in sorted(copies.iterdir())}.values())
    whole = sizes(out)
    cut = next(copy for copy in outs if 0 < sizes(copy).get(OPTIMIZER, 0) < whole[OPTIMIZER])
    run(train_watched, str(folder), str(killed), 4, str(tmp_path / "others"), int(cut.name), expected=-signal.SIGKILL)
    assert sizes(killed) == sizes(cut)
    resumed = run(train_each, str(folder), [str(one) for one in (killed, *outs)], 4, log=tmp_path / "log")
    for one in (killed, *outs):
        assert weights_are_equal(one, four_steps), one
        assert find_last_checkpoint(one) == str(one / "checkpoint-4") and not any(one.glob("*.incomplete")), one
    assert len(outs) > 20 and resumed.text().count("is not used: its writing was cut off") > 10


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


@pytest.mark.parametrize(
    "lost",
    [
        "Connection closed by peer [127.0.0.1]:1. This is typically caused by a remote worker crashing.",
        "Read error [127.0.0.1]:1: Connection reset by peer. This is typically caused by a remote worker hanging.",
    ],
)
def test_a_checkpoint_whose_writing_lost_another_process_stays_marked_and_is_no_matter_of_room(tmp_path, lost):
    checkpoint = tmp_path / "checkpoint-2"
    with (
        pytest.raises(SystemExit, match="error: Another process of this run has ended"),
        one_sentence(),
        write_whole(checkpoint, True, lambda: None),
    ):
        checkpoint.mkdir()
        raise RuntimeError(lost)
    assert find_problem(checkpoint) == "its writing was cut off"
