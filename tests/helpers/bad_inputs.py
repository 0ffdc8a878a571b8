"""Bad inputs made from good files, and a driver that runs a command on each of them in this process."""

import copy
import io
import json
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from hf_hardneg import cli


SECONDS = 60  # for one input; a slow machine needs some, a hang needs all
NOT_UTF8 = b"\xff\xfe\x00binary\x80\x81"
DEEP = b"[" * 100_000
# Contents of what is no regular file, and how to make it.
FOLDER, PIPE, LOOP = b"<a folder>", b"<a pipe>", b"<a link to itself>"
SPECIAL = {
    FOLDER: lambda file, _: file.mkdir(),
    PIPE: lambda file, _: os.mkfifo(file),
    LOOP: lambda file, _: file.symlink_to(file),
}


class Hang(BaseException):
    """A command did not end; no `except` of a library may take it for its own error."""


class Bad(NamedTuple):
    """One bad input.

    name: What the report of the test calls it.
    argv: Of the command.
    says: Of these, the error must hold one: the file or the flag.
    field: The error must hold it, too.
    file, content: The file holds the content while the command runs, and then again what it held before.
    is_right: Whether the input is odd and yet right, so that the command must take it.
    """

    name: str
    argv: list[str]
    says: tuple[str, ...]
    field: str = ""
    file: Path | None = None
    content: bytes = b""
    is_right: bool = False


def values_instead(value):
    """Values of other types than this one."""
    others = {"null": None, "list": [[]], "object": {"x": {}}, "text": "x y", "number": -3.5, "huge": 10**400}
    kind = "text" if isinstance(value, str) else "list" if isinstance(value, list) else "object"
    kind = "number" if isinstance(value, int | float) and not isinstance(value, bool) else kind
    kind = "null" if value is None else kind
    return {name: other for name, other in others.items() if name != kind}


def paths_of(data, depth=6, path=()):
    """The path of every value, in lists only of the first one."""
    if path:
        yield path
    if depth and isinstance(data, dict):
        for key, value in data.items():
            yield from paths_of(value, depth - 1, (*path, key))
    elif depth and isinstance(data, list) and data:
        yield from paths_of(data[0], depth - 1, (*path, 0))


def at(data, path):
    for part in path:
        data = data[part]
    return data


def changed(data, path, value):
    data = copy.deepcopy(data)
    at(data, path[:-1])[path[-1]] = value
    return data


def dropped(data, path):
    data = copy.deepcopy(data)
    del at(data, path[:-1])[path[-1]]
    return data


def bad_values(data):
    """(name, field, data) with one value of another type, or one key less."""
    for path in paths_of(data):
        field = (
            str(next(part for part in reversed(path) if isinstance(part, str)))
            if any(isinstance(part, str) for part in path)
            else ""
        )
        dotted = ".".join(map(str, path))
        for name, value in values_instead(at(data, path)).items():
            yield f"{dotted} is {name}", field, changed(data, path, value)
        if isinstance(path[-1], str):
            yield f"{dotted} is dropped", field, dropped(data, path)


def bad_contents(content):
    """(name, bytes) of files that are no such file at all."""
    yield "empty", b""
    yield "blank", b" \n\n"
    yield "binary", NOT_UTF8
    yield "utf-16", content.decode("utf-8", "replace").encode("utf-16")
    yield "half", content[: len(content) // 2]
    yield "without its end", content[:-3]
    for text in ("null", "true", "3", '"x"', "[]", "{}", "[null]", "[3]", '["x"]', "[[]]", "{", "NaN", "-", "\\"):
        yield text, text.encode()
    yield "deep", DEEP
    yield "deep and closed", b"[" * 5000 + b"]" * 5000
    yield "a pickle", b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07content\x94."
    yield "a zip", b"PK\x03\x04" + bytes(60)
    yield "a folder", FOLDER
    yield "a pipe", PIPE
    yield "a link to itself", LOOP


def of_contents(file, content, argv, says=()):
    """Bad inputs of any file: contents that are no such file."""
    for name, other in bad_contents(content):
        yield Bad(f"{file.name}: {name}", argv, says or (file.name,), "", file, other)


def of_json(file, data, argv, is_right=lambda name: False):
    """Bad inputs of a JSON file: other contents, and other values of each field, of which some are right."""
    yield from of_contents(file, json.dumps(data).encode(), argv)
    for name, field, value in bad_values(data):
        content = json.dumps(value).encode()
        yield Bad(f"{file.name}: {name}", argv, (file.name,), field, file, content, is_right(name))


def of_flags(argv, flags):
    """Bad values of number flags: {flag: values}."""
    for flag, values in flags.items():
        for value in values:
            yield Bad(f"{flag} {value}", [*argv, flag, *value.split()], (flag.lstrip("-"),))


def bomb(levels=30):
    """YAML of some hundred bytes that is huge once its aliases are followed."""
    lines = ["concept: a", "tags: &x0 [NN]", *(f"x{i}: &x{i} [*x{i - 1}, *x{i - 1}]" for i in range(1, levels))]
    return "\n".join([*lines, f"kinds: {{a: *x{levels - 1}}}"])


def parquet_bytes(table):
    """A table as the bytes of a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def of_places(argv, flag, folder, entries=(), *, is_file=False, ending=""):
    """Places where a command cannot write, or must not.

    argv, flag: The command takes `flag PLACE`.
    folder: Gets the places.
    entries: Paths in a folder that the command writes; none of them may overwrite a file of somebody else.
    is_file: Whether the command writes a file, and no folder; `ending` is its ending.
    """
    folder.mkdir(exist_ok=True)
    file, inside = folder / f"file{ending}", folder / f"folder{ending}"
    file.write_text("of somebody else")
    (folder / f"loop{ending}").symlink_to(folder / f"loop{ending}")
    inside.mkdir()
    places = {"below a file": file / f"x{ending}", "a link to itself": folder / f"loop{ending}",
              "/proc": f"/proc/x{ending}", "too long": f"{folder}/{'x' * 300}{ending}", "empty": "",
              "blank": " ", "a null": f"{folder}/\0{ending}", "/dev/null": "/dev/null/x"}  # fmt: skip
    places |= {"a folder": inside, "no folder": folder / "no" / f"x{ending}"} if is_file else {"a file": file}
    for name in entries:
        foreign = folder / f"with {name.replace('/', ' ')}"
        (foreign / name).parent.mkdir(parents=True)
        (foreign / name).write_text("of somebody else")
        yield Bad(f"{flag} with {name}", [*argv, flag, str(foreign)], (str(foreign),), name)
    for name, place in places.items():
        yield Bad(f"{flag} {name}", [*argv, flag, str(place)], (str(place).strip()[:150] or flag, flag))


NO_NUMBER = ("x", "nan", "", "1e", "0x10", "--", "1,5")
NO_COUNT = ("x", "nan", "inf", "-1", "1.5", "", "1e3", "one")
NO_WORDS = ("ten", "1,000", "[1]", "null", "true", "1" * 5000, "1" * 400, "-0", "٣x", "\ud800", "1\0", "${N}", "1;2")


@contextmanager
def limited(seconds):
    def stop(*_):
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def holding(file, content):
    """While this runs, the file has another content, or is a folder, a pipe or a link to itself (see `SPECIAL`)."""
    before = file.read_bytes() if file and file.is_file() else None
    if file:
        file.unlink(missing_ok=True)
        SPECIAL.get(content, Path.write_bytes)(file, content)
    try:
        yield
    finally:
        if file and file.is_dir() and not file.is_symlink():
            file.rmdir()
        elif file:
            file.unlink(missing_ok=True)
        if before is not None:
            file.write_bytes(before)


def drive(bad, capsys, main=cli.main):
    """What is wrong with the answer to a bad input, or None."""
    try:
        with holding(bad.file, bad.content), limited(SECONDS):
            main(bad.argv)
    except SystemExit as end:
        # Of argparse's answer without the usage, which names every flag.
        text = f"error: {capsys.readouterr().err.partition(': error: ')[2]}" if end.code == 2 else str(end.code)
        return f"was not taken: {text[:300]}" if bad.is_right else _fault_of_sentence(bad, text)
    except Hang:
        return "hangs"
    except Exception as error:
        return f"traceback: {type(error).__name__}: {str(error)[:200]}"
    finally:
        capsys.readouterr()
    return None if bad.is_right else "was taken"


def _fault_of_sentence(bad, text):
    if not text.startswith("error: ") or text.strip() == "error:":
        return f"ended with {text[:300]!r}"
    if not any(says in text for says in bad.says):
        return f"names none of {bad.says}: {text[:300]}"
    if bad.field not in text:
        return f"does not name {bad.field}: {text[:300]}"
    return None


def check_all(inputs, capsys, main=cli.main, at_least=100):
    """Drive a command with all inputs, each of which must end with a sentence that names what is wrong.

    Inputs that are right must be taken; they do not count among `at_least`.
    """
    problems, right, bads = [], 0, 0
    for bad in inputs:
        right, bads = right + bad.is_right, bads + (not bad.is_right)
        problem = drive(bad, capsys, main)
        if problem:
            problems.append(f"{bad.name}: {problem}")
    sys.stderr.write(f"\n{bads} bad inputs and {right} odd ones, {len(problems)} problems\n")
    assert not problems, f"{len(problems)} of {bads + right}:\n" + "\n".join(problems)
    assert bads >= at_least
