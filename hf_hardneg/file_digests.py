"""Digests of files for the cache keys of `datasets`, which do not change when a function's code does."""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path


def files_digest(files: Iterable[Path]) -> str:
    """Eight hexadecimal digits that change with the name or content of any of the files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:8]


@lru_cache
def source_digest(*patterns: str) -> str:
    """`files_digest` of the files of this package that match one of the glob patterns.

    Raises:
        ValueError: If a pattern matches no file. A digest of nothing would keep stale data in the cache.
    """
    package = Path(__file__).parent
    files = set()
    for pattern in patterns:
        matches = [file for file in package.glob(pattern) if file.is_file()]
        if not matches:
            raise ValueError(f"No file of the package matches {pattern!r}; name the files that decide the result.")
        files.update(matches)
    return files_digest(sorted(files))
