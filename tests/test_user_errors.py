import io
import pickle
import subprocess
import sys
import zipfile

import datasets
import httpx
import pyarrow as pa
import pytest
import safetensors
import torch
import yaml

from hf_hardneg.user_errors import explain, naming, one_sentence


def raised(action):
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def generation_error():
    error = datasets.exceptions.DatasetGenerationError("An error occurred while generating the dataset")
    error.__cause__ = pa.ArrowInvalid("row 3")
    return error


# What libraries raise, by the real library where that is cheap, and what the sentence must say.
ERRORS = [
    (lambda: safetensors.safe_open(__file__, "pt"), "download it again"),
    (lambda: pickle.loads(b"x"), "safetensors"),
    (lambda: torch.nn.Linear(2, 3).load_state_dict(torch.nn.Linear(3, 3).state_dict()), "do not fit"),
    (lambda: yaml.safe_load("a: ["), "YAML"),
    (lambda: pa.array(["a"]).cast(pa.struct([])), "types of its columns"),
    (lambda: httpx.get("http://127.0.0.1:9"), "check the network"),
    (lambda: zipfile.ZipFile(io.BytesIO(b"x")), "download it again"),
    (lambda: (_ for _ in ()).throw(generation_error()), "row 3"),
    (
        lambda: (_ for _ in ()).throw(RuntimeError("Dataset scripts are no longer supported, but found x.py")),
        "refs/convert/parquet",
    ),
    (lambda: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory")), "grad_cache_rows"),
    (lambda: (_ for _ in ()).throw(MemoryError()), "grad_cache_rows"),
    (lambda: (_ for _ in ()).throw(RecursionError("maximum depth")), "too deeply"),
]


@pytest.mark.parametrize(("action", "word"), ERRORS)
def test_errors_of_libraries_become_one_line(action, word):
    sentence = explain(raised(action))
    assert sentence and word in sentence and "\n" not in sentence


@pytest.mark.parametrize("kind", [KeyError, IndexError, TypeError, AttributeError, ZeroDivisionError, RuntimeError])
def test_a_bug_keeps_its_traceback_and_asks_to_be_reported(kind):
    with pytest.raises(kind) as error, one_sentence():
        raise kind("x")
    assert "report it" in error.value.__notes__[0]


def test_errors_name_what_was_read():
    with pytest.raises(ValueError, match="^a/model: Weights cannot be read"), naming("a/model"):
        safetensors.safe_open(__file__, "pt")
    with pytest.raises(ValueError, match="^a/model: expected value"), naming("a/model"):
        raise Exception("expected value at line 1")  # as `tokenizers` does
    with pytest.raises(KeyError), naming("a/model"):
        raise KeyError("x")


def test_ctrl_c_ends_with_130(capsys):
    with pytest.raises(SystemExit) as end, one_sentence():
        raise KeyboardInterrupt
    assert end.value.code == 130 and capsys.readouterr().err == "\nInterrupted.\n"


def test_a_closed_pipe_ends_without_a_word():
    script = (
        "from hf_hardneg.user_errors import one_sentence\n"
        "with one_sentence():\n"
        "    for _ in range(100_000): print('x' * 80)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.read(10)
    child.stdout.close()
    assert child.wait(60) == 141 and child.stderr.read() == b""
    child.stderr.close()


def test_a_missing_part_of_this_package_is_a_bug_and_a_missing_package_is_a_sentence():
    assert explain(ImportError("cannot import name 'x' from 'hf_hardneg.data'", name="hf_hardneg.data")) is None
    assert explain(ImportError("Install it: pip install ray", name="ray")) == "Install it: pip install ray"
