"""The journal of a build and its review: an append-only file of JSON lines, and images named by their SHA-256."""

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

from ..json_files import parse_json
from ..plain_files import require_file
from .journal_lines import JournalLine, require_order


JOURNAL, IMAGES = "journal.jsonl", "images"


def _full(target: Path, error: OSError) -> OSError:
    return OSError(
        error.errno, f"{target} could not be written ({error.strerror}); make room and run the same command again: "
        "it goes on where it stopped"
    )  # fmt: skip


def read_journal(folder: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the journal's lines, the oldest first. A half-written last line is left out.

    Args:
        folder: The journal's folder. If it has no journal, nothing is yielded.

    Raises:
        ValueError: If a complete line is not what a build or a review writes. The message names the field.
    """
    return require_order(_read_lines(Path(folder) / JOURNAL))


def _read_lines(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """What errors call each complete line, and the line."""
    if not os.path.lexists(file):
        return
    require_file(file)
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            where = f"{file}, line {number},"
            yield where, parse_json(line, JournalLine, where, advice="mend the line or start anew in another folder")


def load_image(folder: str | Path, digest: str) -> np.ndarray:
    """Return an image of the journal: (H, W, 3) uint8, or (H, W) uint8 for a mask.

    Args:
        folder: The journal's folder.
        digest: The image's SHA-256.
    """
    with Image.open(Path(folder) / IMAGES / f"{digest}.png") as image:
        return np.array(image)


class Journal:
    """An append-only journal, which one process at a time can open. Use it in a `with` block.

    Opening it removes a half-written last line, so that the next line starts in a new row.

    Args:
        folder: Where the journal lies. It is made if it does not exist.

    Attributes:
        lines: The journal's lines, the oldest first.

    Raises:
        ValueError: If another process has the journal open, or a line is broken.
        OSError: If the disk is full. All lines that were written stay readable.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        (self.folder / IMAGES).mkdir(parents=True, exist_ok=True)
        if os.path.lexists(self.folder / JOURNAL):
            require_file(self.folder / JOURNAL)
        # Unbuffered: after an error (disk full), closing the file must not try to write a rest from memory.
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
        for part in (self.folder / IMAGES).glob("*.part"):
            part.unlink()

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
        """Add one line. It is on the disk when this returns. Any thread may call it.

        Raises:
            OSError: If the line cannot be written. The journal then is as before.
        """
        data = (json.dumps(line, ensure_ascii=False) + "\n").encode()
        with self._writing:
            size = os.fstat(self._file.fileno()).st_size
            try:
                while data:
                    data = data[self._file.write(data) :]
                os.fsync(self._file.fileno())
            except OSError as error:
                # The review goes on after an error, and its next line must not follow half of this one.
                self._file.truncate(size)
                raise _full(self.folder / JOURNAL, error) from error
            self.lines.append(dict(line))

    def load_image(self, digest: str) -> np.ndarray:
        """Return an image by its SHA-256: (H, W, 3) uint8, or (H, W) uint8 for a mask."""
        return load_image(self.folder, digest)

    def save_image(self, pixels: np.ndarray) -> str:
        """Store an image, (H, W, 3) or (H, W) uint8, as PNG.

        Returns:
            The SHA-256 of the file, which is its name.

        Raises:
            OSError: If the file cannot be written.
        """
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
