"""What the libraries raise, and what to say to the user: the one boundary of all commands."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


logger = logging.getLogger(__name__)

# How gloo and NCCL say, in a RuntimeError, that another process of a run has ended.
LOST_PROCESS = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "remote process exited")
ISSUES = "https://github.com/org/hf-hardneg/issues"
_MEMORY = (
    "The memory is not enough ({error}): lower per_device_train_batch_size, or set grad_cache_rows to encode the same "
    "batch in chunks; for other commands, take fewer rows or a smaller model."
)
_WEIGHTS = "Weights cannot be read ({error}): the file is cut short or something else; download it again."
_PICKLE = "A pickle cannot be read ({error}), and none from others should be: take the safetensors weights."
_SHAPES = "Weights do not fit the model ({error}): the checkpoint is of another model or configuration."
_ARCHIVE = "An archive cannot be read ({error}): it is cut short or something else; download it again."
_CONNECTION = "The connection failed ({error}): check the network and run the command again."
_PEER = (
    "Another process of this run has ended, and this one cannot go on without it: look for what that one said. To go "
    "on, run the same command with --resume_from_checkpoint true."
)
_OWN_WORDS = "{error}"

# By package and class, the most special class first, so that nothing heavy is imported to know it. Classes that are
# not listed, such as KeyError, are bugs of this package.
_SENTENCES = {
    "builtins.ValueError": _OWN_WORDS,
    "builtins.OSError": _OWN_WORDS,
    "builtins.ImportError": _OWN_WORDS,
    "builtins.EOFError": _ARCHIVE,
    "builtins.MemoryError": _MEMORY,
    "builtins.RecursionError": "Something is nested too deeply to be read ({error}): check the files that you gave.",
    "torch.OutOfMemoryError": _MEMORY,
    "safetensors.SafetensorError": _WEIGHTS,
    "_pickle.UnpicklingError": _PICKLE,
    "yaml.YAMLError": "A YAML file or card cannot be read ({error}): mend it.",
    "pydantic_core.ValidationError": "A value is not what it must be ({error}).",
    "datasets.DatasetGenerationError": "The data set cannot be read ({cause}): check the file or the rows it names.",
    "datasets.DatasetsError": _OWN_WORDS,
    "pyarrow.ArrowException": "A table cannot be read or written ({error}): check the types of its columns.",
    "httpx.HTTPError": _CONNECTION,
    "httpx.InvalidURL": _CONNECTION,
    "httpx2.HTTPError": _CONNECTION,
    "httpx2.InvalidURL": _CONNECTION,
    "httpcore.ConnectError": _CONNECTION,
    "huggingface_hub.StrictDataclassError": "A config.json has a value that it cannot have ({error}): mend it.",
    "huggingface_hub.SafetensorsParsingError": _WEIGHTS,
    "zipfile.BadZipFile": _ARCHIVE,
    "zlib.error": _ARCHIVE,
    "lzma.LZMAError": _ARCHIVE,
    "tarfile.TarError": _ARCHIVE,
    "PIL.DecompressionBombError": "An image is too large to be opened ({error}): make it smaller.",
}
# What libraries raise as a bare RuntimeError or Exception is known by its text only.
_TEXTS = {
    "Dataset scripts are no longer supported": (
        "{error}: this data set is a script, which `datasets` no longer runs. Convert it to Parquet, or take the "
        "Hub's own conversion: ID@refs/convert/parquet."
    ),
    "loading state_dict": _SHAPES,
    "size mismatch": _SHAPES,
    "ignore_mismatched_sizes": (
        "Weights have other shapes than config.json says: the checkpoint is of another model or configuration."
    ),
    "PytorchStreamReader": _WEIGHTS,
    "Weights only load failed": _PICKLE,
    "out of memory": _MEMORY,
    "can't allocate memory": _MEMORY,
    "not enough memory": _MEMORY,
    **dict.fromkeys(LOST_PROCESS, _PEER),
    "is not installed": _OWN_WORDS,
    "to be installed": _OWN_WORDS,
}
_MAX_LENGTH = 600
_BUSY = (408, 425, 429)  # timeout, too early, too many requests; all from 500 on are the server's, too


def explain(error: BaseException) -> str | None:
    """Return what an error means for the user in one line, or None for a bug.

    Examples:
        >>> explain(ValueError("margin is 3; it must be in (0, 2]."))
        'margin is 3; it must be in (0, 2].'
        >>> explain(KeyError("image_id")) is None
        True
    """
    sentence = _find_sentence(error)
    if sentence is None:
        return None
    words = str(error).strip() or type(error).__name__
    if sentence == _OWN_WORDS:
        return words
    cause = error.__cause__ or error
    of_cause = _in_one_line(explain(cause) or f"{type(cause).__name__}: {cause}") if cause is not error else words
    return sentence.format(error=_in_one_line(words), cause=of_cause)


class HubBusyError(ConnectionError):
    """The Hub is there, and did not answer as it should: another try may succeed."""


def busy_hub(error: BaseException) -> str | None:
    """Return what to say if an error came from a Hub that is busy or down, else None.

    Libraries turn such an error into one of a missing file; the cause is further down.
    """
    left, seen = [error], set[int]()
    while left:
        one = left.pop()
        seen.add(id(one))
        status = getattr(getattr(one, "response", None), "status_code", None)
        if isinstance(status, int) and (status >= 500 or status in _BUSY):
            return f"The Hub answered {status}, so it is busy or down: try again later."
        if any(kind.__name__ == "TimeoutException" for kind in type(one).__mro__):
            return "The Hub did not answer in time: try again later."
        left += [below for below in (one.__cause__, one.__context__) if below is not None and id(below) not in seen]
    return None


@contextmanager
def naming(source: object, otherwise: str | None = None) -> Iterator[None]:
    """Name the file, folder or id that is being read, in errors of libraries that do not.

    Args:
        source: What the user gave.
        otherwise: What an error means that `explain` does not know, where a library reads files of the user and raises
            whatever it meets; None leaves such an error as it is.

    Raises:
        ValueError: In place of an error that `explain` knows and that does not name the source.
    """
    try:
        yield
    except Exception as error:
        sentence: str | None = explain(error)
        if sentence is None and type(error) is Exception:  # as `tokenizers` raises it
            sentence = _in_one_line(str(error))
        if sentence is None and otherwise is not None:
            first = (str(error).strip().splitlines() or [""])[0]
            raise ValueError(f"{source}: {otherwise} ({type(error).__name__}: {_in_one_line(first)}).") from error
        names = (str(source), str(Path(str(source)).expanduser().absolute()))
        if sentence is None or any(name in sentence for name in names):
            raise
        raise ValueError(f"{source}: {sentence}") from error


@contextmanager
def one_sentence() -> Iterator[None]:
    """End the command with one sentence if what it does fails by what the user can mend.

    A bug keeps its traceback, and asks to be reported. Ctrl-C ends with exit code 130, a closed pipe without a word.

    Raises:
        SystemExit: With the sentence.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)  # as the shell counts SIGPIPE
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        sys.exit(130)
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            error.add_note(f"This is a bug of hf_hardneg. Please report it with the lines above: {ISSUES}")
            raise
        logger.debug("", exc_info=True)
        sys.exit(f"error: {sentence}")


def _find_sentence(error: BaseException) -> str | None:
    text = str(error)
    for known, sentence in _TEXTS.items():
        if known in text and isinstance(error, RuntimeError):
            return sentence
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] == "hf_hardneg":
        return None  # a part of this package is missing, and nothing that could be installed
    names = (f"{cls.__module__.partition('.')[0]}.{cls.__name__}" for cls in type(error).__mro__)
    return next((_SENTENCES[name] for name in names if name in _SENTENCES), None)


def _in_one_line(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]} ..."
