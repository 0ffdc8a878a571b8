"""Digests of files: `datasets` caches by a function's name, so an edit must change an argument instead."""

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
    """`files_digest` of the files of this package that match one of the glob patterns."""
    package = Path(__file__).parent
    return files_digest(sorted({file for pattern in patterns for file in package.glob(pattern) if file.is_file()}))
