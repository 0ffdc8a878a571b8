"""The end of a process that works with others."""

import pytest
from helpers.processes import LoggedProcess, say
from torch import distributed

from hf_hardneg.process_group import ends_process_group


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
