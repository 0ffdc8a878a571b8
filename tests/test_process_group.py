"""The end of a process that works with others."""

import json
import os

import pytest
import torch
from helpers.processes import LoggedProcess, say, start_ranks
from torch import distributed
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from hf_hardneg.process_group import ends_process_group
from hf_hardneg.user_errors import one_sentence


@ends_process_group()
def join_and_end(meeting, error):
    distributed.init_process_group("gloo", f"file://{meeting}", rank=0, world_size=1)
    if error:
        raise error


def end(meeting, error):
    try:
        join_and_end(meeting, error)
        say(f"joined: {distributed.is_initialized()}")
    finally:
        say("the interpreter shuts down")


def test_a_command_ends_its_connections(tmp_path):
    process = LoggedProcess(tmp_path / "log", end, str(tmp_path / "meeting"), None)
    assert process.end() == 0
    assert process.text() == "joined: False\nthe interpreter shuts down\n"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (SystemExit("error: no photos"), 1, "error: no photos"),
        (SystemExit(143), 143, ""),
        (KeyError("lost"), 1, "KeyError: 'lost'"),
    ],
)
def test_after_an_error_a_process_that_others_wait_for_ends_at_once(tmp_path, error, code, said):
    process = LoggedProcess(tmp_path / "log", end, str(tmp_path / "meeting"), error)
    assert process.end() == code
    assert said in process.text() and "shuts down" not in process.text()


@ends_process_group()
def fail(error):
    raise error


def test_the_summary_of_torchrun_has_the_sentence_of_an_error(tmp_path, monkeypatch):
    file = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(file))
    with pytest.raises(SystemExit):
        fail(SystemExit(143))
    assert not file.exists()
    with pytest.raises(SystemExit):
        fail(SystemExit("error: no photos"))
    failure = ProcessFailure(local_rank=0, pid=1, exitcode=1, error_file=str(file))
    assert failure.message["message"] == "error: no photos" and failure.timestamp > 0
    assert json.loads(file.read_text()).keys() == {"message"}


@ends_process_group()
def exchange(rank):
    with one_sentence():
        distributed.all_reduce(torch.ones(1))
        if rank == 1:
            os._exit(143)
        distributed.all_reduce(torch.ones(1))


def test_a_process_that_lost_another_one_ends_with_one_sentence(tmp_path):
    ranks = start_ranks(exchange, 2, tmp_path)
    assert [rank.end() for rank in ranks] == [1, 143]
    said = ranks[0].text().strip()
    assert said.startswith("error: Another process of this run has ended") and "\n" not in said
