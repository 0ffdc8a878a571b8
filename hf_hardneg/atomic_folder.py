"""Folders that a command writes: whole or not at all, and never over the files of somebody else."""

import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_folder(out: str | Path, marker: str, entries: Collection[str]) -> Iterator[Path]:
    """Yield a hidden folder beside `out` that takes its place when the block ends without an error.

    Killed at any moment, `out` is what it was or what it becomes; what is left over is removed the next time.

    Args:
        out: Not there, empty, or written by an earlier call.
        marker: Name of a file that the block writes; says that `out` was written by an earlier call.
        entries: All names that the block writes.

    Raises:
        ValueError: If `out` is a file or holds something else, which would be lost.
        OSError: If something cannot be written; the message says what to do. An error of reading in the block stays
            as it is.
    """
    require_name(out, "--out")
    out = _real(out)
    part, old = (out.with_name(f".{out.name}.{end}") for end in ("part", "old"))
    in_block = False
    try:
        if old.exists() and not out.exists():
            old.rename(out)  # killed between the two renames below
        check_replaceable(out, marker, entries)
        _remove(part)
        part.mkdir(parents=True)
        in_block = True
        yield part
        in_block = False
        _remove(old)
        if out.exists():
            out.rename(old)
        part.rename(out)
        _remove(old)
    except OSError as error:
        _remove(part)
        if in_block and not _is_of_writing(error, part):
            raise  # such as a photo that the block reads
        raise OSError(
            f"{out} could not be written ({error.strerror or error}); make room or choose another --out."
        ) from error
    except BaseException:
        _remove(part)
        raise


def require_name(folder: str | Path, option: str) -> None:
    """Raise where a variable of the shell was empty; the files would go to the working directory.

    Args:
        folder: What the user gave, before it is made a `Path`.
        option: The option that names it, for the error.

    Raises:
        ValueError: If it is empty or holds a null character.
    """
    if not str(folder).strip():
        raise ValueError(f"{option} is empty; give a path (that of the working directory is a dot).")
    if "\0" in str(folder):
        raise ValueError(f"{option} {str(folder)!r} holds a null character, which no path can; choose another.")


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _real(out: str | Path) -> Path:
    return Path(os.path.realpath(out))  # unlike Path.resolve, it takes a link to itself


def _is_of_writing(error: OSError, part: Path) -> bool:
    """Whether an error of the block is about its own files. Libraries that cannot write often name no file."""
    if error.filename is None:
        return error.errno is not None or type(error) is OSError  # else a sentence of a reader, or of a connection
    return part in (file := Path(os.fsdecode(str(error.filename)))).parents or file == part


def check_replaceable(out: str | Path, marker: str, entries: Collection[str], option: str = "--out") -> None:
    """Raise if `new_folder` would refuse the folder; call it before a long reading.

    Args:
        out: As `new_folder` takes it.
        marker: The same.
        entries: The same.
        option: The option that names it, for the error.

    Raises:
        ValueError: If `out` has no name, is a file or holds something that would be lost.
    """
    require_name(out, option)
    out, entries = _real(out), {*entries, marker}
    if os.path.lexists(out) and not out.is_dir():
        raise ValueError(f"{out} is a file; {option} must be a folder that is new, empty or from an earlier run.")
    found = sorted(one.name for one in out.iterdir()) if out.is_dir() else []
    foreign = [name for name in found if name not in entries]
    if foreign or (found and marker not in found):
        raise ValueError(
            f"{out} holds {', '.join((foreign or found)[:3])}, which this command did not write and would lose; "
            f"choose another {option}."
        )


def check_overwrites(
    folder: str | Path, markers: Collection[str], entries: Collection[str], option: str = "--out"
) -> None:
    """Raise if a command cannot write to a folder, or would overwrite files that it did not write.

    Call it before the work begins, where files are written into a folder one by one and its other files stay. It
    creates the folder.

    Args:
        folder: The folder to write; it need not be there.
        markers: Paths in the folder. Any of them says that an earlier run of the command wrote the folder.
        entries: Paths in the folder that the command writes.
        option: The option that names the folder, for the error.

    Raises:
        ValueError: If one of `entries` is there and none of `markers`, or as `check_writable`.

    Examples:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> _ = Path(folder.name, "README.md").write_text("mine")
        >>> check_overwrites(folder.name, ["curve.json"], ["README.md"])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ValueError: ... holds README.md without curve.json: this command did not write it and would overwrite it; ...
    """
    require_name(folder, option)
    folder = Path(folder)
    found = [name for name in entries if os.path.lexists(folder / name)]
    if found and not any(os.path.lexists(folder / name) for name in markers):
        raise ValueError(
            f"{folder} holds {', '.join(found)} without {' or '.join(markers)}: this command did not write it and "
            f"would overwrite it; choose another {option}, or remove it."
        )
    check_writable(folder, option)


def check_writable(folder: str | Path, option: str = "--output_dir") -> None:
    """Check that files can be written to a folder, which is created if needed.

    Args:
        folder: The folder.
        option: The option that names the folder, for the error.

    Raises:
        ValueError: If no file can be written to it.
    """
    require_name(folder, option)
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        probe = Path(folder) / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)  # another process may have been here
    except (OSError, ValueError) as error:  # a null character is a ValueError
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"Cannot write to {str(folder)[:200]!r} ({why}); choose another {option}.") from error


def check_file(file: str | Path, option: str, sources: Iterable[str] = ()) -> None:
    """Check, before the work, that a file can be written and is none that the command reads.

    Args:
        file: The file; it need not be there.
        option: The option that names the file, for the error.
        sources: What the command reads: paths, or ids.

    Raises:
        ValueError: If it cannot be written, or is one of the sources.
    """
    require_name(file, option)
    path = Path(file)
    try:
        for source in sources:
            if path.exists() and Path(source).exists() and path.samefile(source):
                raise ValueError("the command reads it")
        is_new = not path.exists()
        if is_new or path.is_file() or path.is_dir():  # a pipe or a device takes what it gets
            path.open("ab").close()
        if is_new:
            path.unlink()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"Cannot write the file {str(file)[:200]!r} ({why}); choose another {option}.") from error
