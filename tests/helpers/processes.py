"""Real processes for tests: forked from a server that has imported the package, so each starts in a moment."""

import multiprocessing as mp
import os
import signal
import sys
import time
import uuid
from functools import cache
from multiprocessing import forkserver
from pathlib import Path

import datasets
import pytest
import torch
from torch import distributed

from hf_hardneg.process_group import leave_process_group


CONTEXT = mp.get_context("forkserver")
CONTEXT.set_forkserver_preload(["helpers.before_forks"])
TESTS = str(Path(__file__).parents[1])
SECONDS = 300  # A test machine may be busy with other things.


@cache
def _start_server():
    """Start the server where it finds the module to import first; not every Python tells it sys.path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", TESTS, prepend=os.pathsep)
        forkserver.ensure_running()


class LoggedProcess:
    """A function in a process of its own, which writes to a file what it prints.

    Args:
        log: The file.
        target: A function of a module; an exception or sys.exit in it is seen in `exitcode`.
        *args: Its arguments.
    """

    def __init__(self, log, target, *args):
        self.log = Path(log)
        self.log.touch()
        _start_server()
        self._process = CONTEXT.Process(target=_run_logged, args=(str(log), target, args))
        self._process.start()
        self.pid = self._process.pid

    def wait_for(self, text):
        """Wait until the process has printed a text."""
        self._wait(lambda: text in self.text(), text)

    def _wait(self, is_there, text):
        end = time.monotonic() + SECONDS
        while not is_there():
            assert self.is_alive() or is_there(), f"ended without {text!r}:\n{self.text()[-3000:]}"
            assert time.monotonic() < end, f"no {text!r} in {SECONDS} s:\n{self.text()[-3000:]}"
            time.sleep(0.01)

    def wait_for_more(self, text):
        """Wait until the process has printed a text once more than now."""
        count = self.text().count(text)
        self._wait(lambda: self.text().count(text) > count, text)

    def kill(self, number):
        if self.is_alive():
            os.kill(self.pid, number)

    def text(self):
        return self.log.read_text(errors="replace")

    def is_alive(self):
        return self._process.is_alive()

    def exit_code(self):
        """-N after the signal N; None while the process runs."""
        return self._process.exitcode

    def end(self):
        """Wait for the end; return the exit code."""
        self._process.join(SECONDS)
        if self._process.is_alive():
            self._process.kill()
            raise AssertionError(f"not ended after {SECONDS} s:\n{self.text()[-3000:]}")
        return self.exit_code()


def start_ranks(target, world_size, folder, *args):
    """Start `target(rank, *args)` in processes that gloo joins, and that end their connections.

    They meet through a file in `folder`: a port could be taken by another test.
    """
    meeting = Path(folder) / f"meeting_{uuid.uuid4().hex}"
    return [
        LoggedProcess(f"{meeting}_{rank}.log", _run_rank, rank, world_size, str(meeting), target, args)
        for rank in range(world_size)
    ]


def run_ranks(target, world_size, folder, *args):
    """Run `target(rank, *args)` in processes that gloo joins; all must succeed."""
    ranks = start_ranks(target, world_size, folder, *args)
    while any(rank.is_alive() for rank in ranks) and not any(rank.exit_code() for rank in ranks):
        time.sleep(0.05)
    failed = [f"rank {number}:\n{rank.text()[-3000:]}" for number, rank in enumerate(ranks) if rank.exit_code()]
    for rank in ranks:
        rank.kill(signal.SIGKILL)  # It would wait for one that failed.
        rank.end()
    assert not failed, "\n".join(failed)


def say(text):
    """Print a line for `wait_for` from a process."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _run_logged(log, target, args):
    assert "helpers.before_forks" in sys.modules, "the server could not import it, so each process would"
    with open(log, "ab", buffering=0) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    # The test may have been started with nohup, which ignores signals.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    mp.set_start_method("fork", force=True)  # Data workers start as they do in a command on Linux.
    torch.set_num_threads(1)
    datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN = 0  # as in conftest.py
    try:
        target(*args)
    finally:
        sys.stdout.flush()


def _run_rank(rank, world_size, meeting, target, args):
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world_size), LOCAL_WORLD_SIZE=str(world_size)
    )
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0", ACCELERATE_USE_CPU="true")
    if world_size > 1:
        distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=world_size)
    try:
        target(rank, *args)
    finally:
        leave_process_group()
