"""The quick Python of the tests does what Python does: arguments, environment, streams and ends."""

import os
import subprocess
import sys
import time

import pytest
from helpers.quick_python import quick_python


SHOW = "import os, sys; print(sys.argv, sys.path[0], os.getcwd(), os.environ['NAME'], sys.stdin.read(), __name__)"
ENDS = {
    "no error": "print('said', end='')",
    "a number": "import sys; sys.exit(3)",
    "a sentence": "import sys; sys.exit('error: no')",
    "an exception": "1 / 0",
    "at exit": "import atexit; atexit.register(print, 'the end'); print('said')",
    "a thread": "import threading, time; threading.Timer(0.1, print, ['later']).start()",
    "a signal": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
}


def outcome(python, words, **options):
    done = subprocess.run([python, *words], capture_output=True, text=True, timeout=60, **options)
    return done.returncode, done.stdout, (done.stderr.splitlines() or [""])[-1]


def assert_as_python(words, **options):
    assert outcome(quick_python(), words, **options) == outcome(sys.executable, words, **options)


@pytest.mark.parametrize("kind", ["-c", "-m", "file", "-u"])
def test_a_program_gets_its_arguments_environment_folder_and_input(tmp_path, kind):
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown" / "show.py").write_text(SHOW)
    words = {"-c": ["-c", SHOW], "-m": ["-m", "shown.show"], "file": ["shown/show.py"], "-u": ["-u", "shown/show.py"]}
    options = {"cwd": tmp_path, "env": {"NAME": "ä b"}, "input": "given"}
    assert_as_python([*words[kind], "x", "--y=1"], **options)


@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS)
def test_a_program_ends_as_it_does_in_python(code):
    assert_as_python(["-c", code])


def test_modules_are_found_on_the_path_that_a_program_is_given(tmp_path):
    (tmp_path / "found_here.py").write_text("")
    assert_as_python(["-c", "import found_here"], env={"PYTHONPATH": str(tmp_path)})


def test_a_program_has_imported_nothing_that_reads_variables_of_a_test():
    assert_as_python(["-c", "import sys; print({'huggingface_hub', 'datasets', 'hf_hardneg'} & sys.modules.keys())"])


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the quick Python needs Linux")
def test_the_hash_seed_is_the_one_that_is_asked_for():
    words = ["-c", "print(hash('a'))"]
    assert outcome(quick_python("1"), words) == outcome(sys.executable, words, env={"PYTHONHASHSEED": "1"})


def test_a_program_ends_when_its_client_is_killed(tmp_path):
    code = f"import time\nwhile True:\n    open({str(tmp_path / 'alive')!r}, 'a').write('.')\n    time.sleep(0.01)"
    client = subprocess.Popen([quick_python(), "-c", code])
    while not (tmp_path / "alive").exists():
        time.sleep(0.01)
    client.kill()
    client.wait()
    end = time.monotonic() + 30
    size = -1
    while size != (tmp_path / "alive").stat().st_size:
        assert time.monotonic() < end
        size = (tmp_path / "alive").stat().st_size
        time.sleep(0.3)
