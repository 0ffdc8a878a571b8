"""Random numbers that depend on a key alone, such as seed, image and caption. Pure.

The same key gives the same number in any order, process and Python version. A key's BLAKE2b hash is its number.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


# How freely negatives are drawn if nobody says so; chosen by the curve in docs/results.md.
TEMPERATURE = 1.05


def _digest(key: str, size: int) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=size).digest()


def uniform_integers(seed: int, image_ids: Sequence[Any], captions: Sequence[str]) -> np.ndarray:
    """A uniform integer from 0 to 2**32 - 1 for each caption.

    Args:
        seed: Another seed gives other numbers.
        image_ids: B ids, of any type that prints alike everywhere.
        captions: B captions.

    Returns:
        (B,) int64.

    Examples:
        >>> one, two = uniform_integers(0, [1, 1], ["a cat", "a dog"]).tolist()
        >>> [one] == uniform_integers(0, [1], ["a cat"]).tolist(), one == two
        (True, False)
    """
    digests = [_digest(f"{seed}/{id_}/{text}", 4) for id_, text in zip(image_ids, captions, strict=True)]
    return np.frombuffer(b"".join(digests), "<u4").astype(np.int64)


def uniform(key: str) -> float:
    """A uniform number above 0 and up to 1, decided by the key.

    Examples:
        >>> 0 < uniform("0/1/a cat/a dog") <= 1
        True
    """
    return (int.from_bytes(_digest(key, 8), "little") + 1) / 2**64


def draw_without_order(keys: Iterable[str], number: int) -> list[str]:
    """Draw `number` of the keys evenly; which ones depends on the keys alone and not on their order."""
    return sorted(keys, key=lambda key: _digest(key, 8))[:number]


def draw_order(texts: Sequence[str]) -> np.ndarray:
    """(B,) uint64: a random number for each text, decided by the text."""
    return np.frombuffer(b"".join(_digest(text, 8) for text in texts), "<u8")
