"""Real signals to real trainings: they end with a checkpoint, and go on to the same bits."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from datasets import load_from_disk
from helpers.demo_recipe import DEMO_WITHOUT_TWINS
from helpers.processes import LoggedProcess, say, start_ranks
from safetensors.torch import load_file
from transformers import CLIPModel, CLIPProcessor

from hf_hardneg.training import command, run, stop_signals
from hf_hardneg.training.arguments import HardNegCLIPTrainingArguments
from hf_hardneg.training.checkpoints import find_last_checkpoint, find_problem
from hf_hardneg.training.make_start_model import build_model
from hf_hardneg.training.stop_signals import StopAfterStep, StopSignals
from hf_hardneg.training.trainer import HardNegCLIPTrainer


FLAGS = {
    "num_rows": 60,
    "pairs_per_concept": 2,
    "held_out_images": 8,
    "held_out_scenes": "dev",
    "max_steps": 6,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 2,
    "grad_cache_rows": 3,
    "logging_steps": 1,
    "disable_tqdm": "true",
    "dataloader_num_workers": 1,
    "use_cpu": "true",
    "control": "true",
    "num_negatives": 1,
    "save_strategy": "no",
}


def train(flags):
    os.setsid()  # A group of its own, as in a terminal, so that a signal can reach its data workers, too.
    # Metrics, figure and card take longer than the training.
    run.collect_metrics, run.save_artifacts = lambda record: {"table": ""}, lambda record, metrics: None
    words = (str(part) for name, value in flags.items() for part in (f"--{name}", value))
    command.main([*DEMO_WITHOUT_TWINS, *words])


def prepare_forever(flags):
    def prepare(*args):
        say("preparing")
        time.sleep(600)

    run.prepare_data = prepare
    train(flags)


def weights(out):
    return {name: load_file(out / name / "model.safetensors") for name in (".", "control") if (out / name).is_dir()}


def assert_equal(ours, expected):
    for name, of_model in expected.items():
        for key, weight in of_model.items():
            assert torch.equal(ours[name][key], weight), f"{name}: {key}"


@pytest.fixture(scope="module")
def start_folder(processor, tmp_path_factory):
    folder = tmp_path_factory.mktemp("signals") / "start"
    build_model(processor.tokenizer, num_hidden_layers=1).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def flags(start_folder):
    return {**FLAGS, "model_name_or_path": str(start_folder)}


@pytest.fixture(scope="module")
def undisturbed(flags, start_folder):
    out = start_folder.parent / "undisturbed"
    done = LoggedProcess(start_folder.parent / "log", train, {**flags, "output_dir": str(out)})
    assert done.end() == 0, done.text()[-3000:]
    return weights(out)


@pytest.mark.parametrize(
    ("number", "training", "stopped"),
    [(signal.SIGTERM, "Training control", "control"), (signal.SIGINT, "Training K = 1", "K = 1")],
)
def test_a_signal_to_all_processes_of_a_training_leaves_a_checkpoint_that_goes_on_to_the_same_bits(
    undisturbed, flags, tmp_path, number, training, stopped
):
    flags = {**flags, "output_dir": str(tmp_path / "out")}
    first = LoggedProcess(tmp_path / "first", train, flags)
    first.wait_for(training)
    first.wait_for_more(": loss ")
    os.killpg(first.pid, number)
    assert first.end() == 128 + number, first.text()[-3000:]
    folder = tmp_path / "out" / ("control" if stopped == "control" else "")
    checkpoint = find_last_checkpoint(folder)
    assert f"{stopped} stopped after step" in first.text() and f"The checkpoint is {checkpoint}" in first.text()
    assert "Traceback" not in first.text() and "--resume_from_checkpoint true" in first.text()
    second = LoggedProcess(tmp_path / "second", train, {**flags, "resume_from_checkpoint": "true"})
    assert second.end() == 0, second.text()[-3000:]
    assert f"Going on from {checkpoint}" in second.text()
    assert_equal(weights(tmp_path / "out"), undisturbed)


def test_a_signal_while_data_are_prepared_ends_the_command_at_once_with_one_sentence(flags, tmp_path):
    process = LoggedProcess(tmp_path / "log", prepare_forever, {**flags, "output_dir": str(tmp_path / "out")})
    process.wait_for("preparing")
    process.kill(signal.SIGTERM)
    assert process.end() == 143
    said = process.text().split("preparing")[1].strip()
    assert said.startswith("SIGTERM: ended at once") and "\n" not in said


INTERRUPTED_IMPORT = """
import os, runpy, signal, sys

class Interrupt:
    def find_spec(self, name, *args):
        if name in ("torch", "transformers"):
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupt())
runpy.run_module("hf_hardneg.train", run_name="__main__")
"""


def test_ctrl_c_while_libraries_are_imported_leaves_no_traceback():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (130, "Interrupted.")


def wait_in_a_step(one_order):
    stop_signals.ONE_ORDER_SECONDS = one_order
    with StopSignals() as signals, signals.finish_step():
        say("step")
        while True:
            time.sleep(0.01)
            if signals.received and one_order:
                time.sleep(0.3)
                raise SystemExit(7)  # The step could end.


def test_a_second_signal_ends_a_training_at_once(tmp_path):
    process = LoggedProcess(tmp_path / "log", wait_in_a_step, 0.0)
    process.wait_for("step")
    process.kill(signal.SIGINT)
    process.wait_for("the training stops after this step")
    process.kill(signal.SIGTERM)
    assert process.end() == 143 and "SIGTERM again" in process.text()


def test_a_signal_that_a_launcher_passes_on_is_no_second_one(tmp_path):
    process = LoggedProcess(tmp_path / "log", wait_in_a_step, 60.0)
    process.wait_for("step")
    process.kill(signal.SIGTERM)
    process.wait_for("the training stops after this step")
    process.kill(signal.SIGTERM)
    assert process.end() == 7


def test_the_handlers_that_were_there_come_back_and_ignored_signals_stay_ignored():
    # The test itself may have been started in the background, which ignores SIGINT.
    wanted = {signal.SIGTERM: signal.SIG_IGN, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        with StopSignals():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        assert {number: signal.getsignal(number) for number in wanted} == wanted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def train_rank(rank, folder, out, resume):
    """Four steps; in the second one, the second process waits for its signal if `resume` is "wait"."""
    processor = CLIPProcessor.from_pretrained(folder)
    args = HardNegCLIPTrainingArguments(
        output_dir=out,
        use_cpu=True,
        per_device_train_batch_size=4,
        max_steps=4,
        num_negatives=2,
        report_to="none",
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
    )
    with StopSignals() as signals, signals.finish_step():
        trainer = HardNegCLIPTrainer(
            CLIPModel.from_pretrained(folder),
            args,
            train_dataset=load_from_disk(f"{folder}/rows"),
            processing_class=processor,
            callbacks=[StopAfterStep(signals, "the model")],
        )
        step = trainer.training_step

        def wait_in_step(*given):
            say(f"in step {trainer.state.global_step + 1}")
            while rank == 1 and resume == "wait" and trainer.state.global_step == 1 and not signals.received:
                time.sleep(0.01)
            return step(*given)

        trainer.training_step = wait_in_step
        trainer.train(resume_from_checkpoint=find_last_checkpoint(out) if resume == "true" else None)
        trainer.save_model(f"{out}/end")


def test_a_signal_to_one_of_two_processes_stops_both_after_the_same_step(start_folder, training_rows, tmp_path):
    training_rows.save_to_disk(start_folder / "rows")

    def ranks(out, resume):
        return start_ranks(train_rank, 2, tmp_path, str(start_folder), str(tmp_path / out), resume)

    alone = ranks("alone", "false")
    assert [rank.end() for rank in alone] == [0, 0], alone[0].text()[-3000:]
    stopped = ranks("out", "wait")
    stopped[1].wait_for("in step 2")
    stopped[1].kill(signal.SIGTERM)
    assert [rank.end() for rank in stopped] == [143, 143], stopped[0].text()[-3000:]
    checkpoint = tmp_path / "out" / "checkpoint-2"
    assert find_problem(checkpoint) is None
    assert {file.name for file in checkpoint.glob("rng*")} == {"rng_state_0.pth", "rng_state_1.pth"}
    resumed = ranks("out", "true")
    assert [rank.end() for rank in resumed] == [0, 0], resumed[0].text()[-3000:]
    ours, expected = (load_file(tmp_path / out / "end" / "model.safetensors") for out in ("out", "alone"))
    assert all(torch.equal(ours[key], weight) for key, weight in expected.items())


def train_with_signals(folder, out, where, count, number_of_signals, settings):
    """Four steps with evaluations and checkpoints; this process gets signals in the `count`-th call of a method."""
    args = HardNegCLIPTrainingArguments(
        output_dir=out,
        use_cpu=True,
        per_device_train_batch_size=4,
        gradient_accumulation_steps=2,
        max_steps=4,
        num_negatives=2,
        report_to="none",
        disable_tqdm=True,
        **settings,
    )
    model, rows = CLIPModel.from_pretrained(folder), load_from_disk(f"{folder}/rows")
    with StopSignals() as signals, signals.finish_step():
        trainer = HardNegCLIPTrainer(
            model,
            args,
            train_dataset=rows,
            eval_dataset=rows.select(range(8)),
            processing_class=CLIPProcessor.from_pretrained(folder),
            callbacks=[StopAfterStep(signals, "the model")],
        )
        if where:
            method, calls = getattr(trainer, where), iter(range(1, 100))

            def send_and_call(*args, **kwargs):
                if next(calls) == count:
                    for _ in range(number_of_signals):
                        os.kill(os.getpid(), signal.SIGTERM)
                        time.sleep(0.02)
                return method(*args, **kwargs)

            setattr(trainer, where, send_and_call)
        trainer.train(resume_from_checkpoint=find_last_checkpoint(out))
        trainer.save_model(f"{out}/end")


BEST = {
    "eval_strategy": "steps",
    "eval_steps": 2,
    "save_steps": 2,
    "save_total_limit": 1,
    "load_best_model_at_end": True,
    "metric_for_best_model": "eval_loss",
}


@pytest.fixture(scope="module")
def undisturbed_best(start_folder, training_rows):
    training_rows.save_to_disk(start_folder / "rows")
    out = start_folder.parent / "best"
    process = LoggedProcess(f"{out}.log", train_with_signals, str(start_folder), str(out), None, 0, 0, BEST)
    assert process.end() == 0, process.text()[-3000:]
    return load_file(out / "end" / "model.safetensors")


@pytest.mark.parametrize(
    ("where", "count", "number_of_signals", "settings"),
    [
        ("training_step", 1, 1, BEST),
        ("training_step", 4, 2, BEST),
        ("training_step", 8, 1, BEST),
        ("_save_checkpoint", 1, 1, BEST),
        ("_save_checkpoint", 2, 1, BEST),
        ("evaluation_loop", 1, 1, BEST),
        ("_load_best_model", 1, 1, BEST),
        ("training_step", 3, 1, {"save_strategy": "no"}),
        ("training_step", 3, 1, {"save_strategy": "no", "save_only_model": True}),
    ],
)
def test_a_signal_in_any_part_of_a_step_leaves_what_goes_on_to_the_same_bits(
    undisturbed_best, start_folder, tmp_path, where, count, number_of_signals, settings
):
    out = tmp_path / "out"
    given = (str(start_folder), str(out))
    stopped = LoggedProcess(tmp_path / "a", train_with_signals, *given, where, count, number_of_signals, settings)
    assert stopped.end() == 143, stopped.text()[-3000:]
    assert "--resume_from_checkpoint true" in stopped.text() and "Traceback" not in stopped.text()
    assert find_last_checkpoint(out)
    resumed = LoggedProcess(tmp_path / "b", train_with_signals, *given, None, 0, 0, settings)
    assert resumed.end() == 0, resumed.text()[-3000:]
    ours = load_file(out / "end" / "model.safetensors")
    assert all(torch.equal(ours[key], weight) for key, weight in undisturbed_best.items())
