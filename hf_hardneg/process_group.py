"""The end of a process that works with others."""

import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def ends_process_group() -> Iterator[None]:
    """Decorate the main function of a command that may run in several processes, to end each of them properly.

    gloo's threads hold tensors that Python made. A thread that lets go of one while the interpreter shuts down ends
    the process with SIGABRT ("terminate called without an active exception"). All results were right by then. So the
    connections end before. After an error they cannot: other processes may be waiting in the middle of an exchange,
    and this one would wait for them. It then ends at once, without the interpreter's shutdown.

    torchrun and `accelerate launch` with several processes end with a summary. It gets the sentence of an error.
    """
    try:
        yield
    except BaseException as error:
        _tell_launcher(error)
        if _is_joined():
            _end_at_once(error)
        raise
    leave_process_group()


def leave_process_group() -> None:
    """End the connections to the other processes, if there are any."""
    if _is_joined():
        sys.modules["torch.distributed"].destroy_process_group()


def _is_joined() -> bool:
    distributed = sys.modules.get("torch.distributed")  # A command without torch should not wait for its import.
    return bool(distributed and distributed.is_available() and distributed.is_initialized())


def _tell_launcher(error: BaseException) -> None:
    """Leave the sentence where torchrun looks for it; its summary would show a hint at its own decorator instead."""
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if file and isinstance(error, SystemExit) and isinstance(error.code, str):
        message = {"message": error.code, "extraInfo": {"timestamp": str(int(time.time()))}}
        Path(file).write_text(json.dumps({"message": message}), encoding="utf-8")


def _end_at_once(error: BaseException) -> None:
    code = error.code if isinstance(error, SystemExit) else 1
    if not isinstance(error, SystemExit):
        traceback.print_exception(error)
    elif isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
