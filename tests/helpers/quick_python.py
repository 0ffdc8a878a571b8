"""A Python for tests that starts in a moment: `quick_python()` takes the place of `sys.executable` in a command.

The program asks a server to fork. The server has imported libraries that take a second each and read no variable that
a test sets: nothing of Hugging Face, no matplotlib, and nothing of this package. Each process imports those itself,
with its own environment, folder and arguments. Of the variables that an interpreter reads when it starts, it has those
of the server.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path


MODULES = (
    *("torch", "torch.distributed.tensor", "torch._dynamo", "torch.export", "torch.distributed.checkpoint"),
    *("spacy", "sklearn.linear_model", "sklearn.metrics", "scipy.optimize", "pandas", "pyarrow.parquet"),
    *("pyarrow.dataset", "PIL.Image", "jinja2", "pydantic"),
)
# Runs in an isolated interpreter without site-packages, which starts in 20 ms.
CLIENT = """#!{python} -IS
import json, os, socket, struct, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    request = json.dumps([sys.argv, dict(os.environ), os.getcwd()]).encode()
    socket.send_fds(server, [struct.pack("Q", len(request))], [0, 1, 2])
    server.sendall(request)
    answer = server.recv(4)
if len(answer) < 4:
    sys.exit("the server of tests/helpers/quick_python.py has ended")
code, = struct.unpack("i", answer)
if code < 0:
    os.kill(os.getpid(), -code)
os._exit(code)
"""


def quick_python(hash_seed: str = "1") -> str:
    """The path of a program that takes Python's arguments `-m MODULE`, `-c CODE` or `FILE`, and what comes after."""
    return _start_server(hash_seed)


@cache
def _start_server(hash_seed):
    if not hasattr(os, "pidfd_open"):  # not on Linux, or on an old one
        return sys.executable
    folder = tempfile.TemporaryDirectory(prefix="quick_python")
    address, client = f"{folder.name}/socket", Path(folder.name, "python")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        command = [sys.executable, __file__, str(listener.fileno()), str(client)]
        # The server ends when its standard input does, so not later than this process.
        server = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    client.write_text(CLIENT.format(python=sys.executable, address=address))
    client.chmod(0o755)
    owner = os.getpid()

    def stop():
        if os.getpid() == owner:  # and not a process that was forked from it
            server.stdin.close()
            server.wait()
            folder.cleanup()

    atexit.register(stop)
    return str(client)


def serve(listener, client):
    """Answer requests until standard input ends; return, in each forked process, what it is to run."""
    waiting = set()  # processes that wait for those of requests
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if 0 in ready:
            os._exit(0)
        waiting -= {pid for pid in waiting if os.waitpid(pid, os.WNOHANG)[0]}
        connection, _ = listener.accept()
        pid = os.fork()
        if pid == 0:
            listener.close()
            return take(connection, client)
        waiting.add(pid)
        connection.close()


def take(connection, client):
    """Read a request and fork the process that it asks for; wait for its end, or for that of who asked."""
    head, files, _, _ = socket.recv_fds(connection, 8, 3)
    with connection.makefile("rb") as stream:
        argv, environment, folder = json.loads(stream.read(*struct.unpack("Q", head)))
    pid = os.fork()
    if pid:
        end = os.pidfd_open(pid)
        ready, _, _ = select.select([connection, end], [], [])
        if end not in ready:
            os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if end in ready:
            connection.sendall(struct.pack("i", code))
        os._exit(0)
    connection.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.executable = client
    return argv[1:]


def run(kind, words):
    """Do what Python does with its arguments."""
    # What goes before the installed packages: the folder of this file for the server, and for each process its own.
    own = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path not in sys.path]
    if kind == "-m":
        sys.argv, sys.path[:1] = words, [os.getcwd(), *own]
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv, sys.path[:1] = ["-c", *words[1:]], ["", *own]
        sys.modules["__main__"] = type(sys)("__main__")
        exec(compile(words[0], "<string>", "exec"), vars(sys.modules["__main__"]))
    else:
        sys.argv, sys.path[:1] = [kind, *words], [str(Path(kind).resolve().parent), *own]
        runpy.run_path(kind, run_name="__main__")


def run_to_the_end(kind, words):
    """End as Python does, but without taking all modules apart, which takes seconds."""
    code = 0
    try:
        run(kind, words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if end.code is not None and not isinstance(end.code, int):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code & 255)


if __name__ == "__main__":
    for name in MODULES:
        importlib.import_module(name)
    assert not {"huggingface_hub", "transformers", "datasets", "matplotlib", "hf_hardneg"} & sys.modules.keys()
    gc.freeze()  # The collector leaves alone, and so unshared, what all processes have.
    kind, *words = serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
    if kind == "-u":
        kind, *words = words
        sys.stdout.reconfigure(write_through=True)
    if "OMP_NUM_THREADS" in os.environ:
        sys.modules["torch"].set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    run_to_the_end(kind, words)
