"""What happened, as lines of JSON that are only ever added, and the images they speak of, named by their content."""

import fcntl
import hashlib
import io
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image


JOURNAL, IMAGES = "journal.jsonl", "images"


def _full(target: Path, error: OSError) -> OSError:
    return OSError(
        error.errno, f"{target} could not be written ({error.strerror}); make room and run the same command again: "
        "it goes on where it stopped"
    )  # fmt: skip


def read_journal(folder: str | Path) -> Iterator[dict[str, Any]]:
    """The journal's lines, oldest first; a last line that was cut while it was written is left out.

    Raises:
        ValueError: If a line before the last is broken: then something else wrote to the file.
    """
    file = Path(folder) / JOURNAL
    if not file.is_file():
        return
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield json.loads(line)
            except ValueError as error:
                raise ValueError(
                    f"{file}, line {number}, is no JSON ({error}); remove the line or start anew."
                ) from error


def load_image(folder: str | Path, digest: str) -> np.ndarray:
    """An image of the journal by its SHA-256: (H, W, 3), or (H, W) for a mask."""
    with Image.open(Path(folder) / IMAGES / f"{digest}.png") as image:
        return np.array(image)


class Journal:
    """An append-only journal in `folder`, held by one process; use it in a `with` block.

    Opening it cuts off a half-written last line, so that the next one starts on a line of its own.

    Attributes:
        lines: What it holds, oldest first.

    Raises:
        ValueError: If another process has it open, or it is broken.
        OSError: If the disk is full; what was written stays readable.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        (self.folder / IMAGES).mkdir(parents=True, exist_ok=True)
        # Unbuffered: after a full disk, nothing is left in memory that closing the file would try to write once more.
        self._file = (self.folder / JOURNAL).open("ab", buffering=0)
        self._writing = threading.Lock()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.lines = list(read_journal(folder))
            self._cut_half_line()
        except BlockingIOError as error:
            self._file.close()
            raise ValueError(f"Another process is writing {folder}; wait for it or choose another folder.") from error
        except ValueError:
            self._file.close()
            raise
        for left in (self.folder / IMAGES).glob("*.part"):
            left.unlink()

    def _cut_half_line(self) -> None:
        content = (self.folder / JOURNAL).read_bytes()
        self._file.truncate(content.rfind(b"\n") + 1)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, line: Mapping[str, Any]) -> None:
        """Add one line; it is on the disk when this returns. Any thread may call it."""
        data = (json.dumps(line, ensure_ascii=False) + "\n").encode()
        with self._writing:
            size = os.fstat(self._file.fileno()).st_size
            try:
                while data:
                    data = data[self._file.write(data) :]
                os.fsync(self._file.fileno())
            except OSError as error:
                # A process that goes on, as the review does, must not write the next line behind half of this one.
                self._file.truncate(size)
                raise _full(self.folder / JOURNAL, error) from error
            self.lines.append(dict(line))

    def load_image(self, digest: str) -> np.ndarray:
        """An image by its SHA-256: (H, W, 3), or (H, W) for a mask."""
        return load_image(self.folder, digest)

    def save_image(self, pixels: np.ndarray) -> str:
        """Store (H, W, 3) or (H, W) of 0 to 255 as PNG and return the SHA-256 of the file, its name."""
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        file = self.folder / IMAGES / f"{digest}.png"
        if not file.exists():
            part = file.with_suffix(".part")
            try:
                with part.open("wb") as target:
                    target.write(buffer.getvalue())
                    target.flush()
                    os.fsync(target.fileno())
                part.replace(file)
            except OSError as error:
                part.unlink(missing_ok=True)
                raise _full(file, error) from error
        return digest
