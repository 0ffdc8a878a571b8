"""The readers that know nothing of words: three rules and the length. Pure."""

import re
from collections.abc import Sequence

import numpy as np

from ..lexicon.words import split_words
from .defects import count_artifacts, wrong_articles


_CAPITALS, _DIGITS, _MARKS = re.compile(r"[A-Z]"), re.compile(r"\d"), re.compile(r"[^\w\s]")


def _faults(text: str) -> tuple[int, bool, int]:
    """What the three rules hold against a text: marks of joined tokens, a lower-case start, a wrong article."""
    return count_artifacts(text), not text.strip()[:1].isupper(), wrong_articles(text)


def _shape(text: str) -> tuple[int, ...]:
    """Numbers of a text's form: faults, words, characters, capitals, digits, marks."""
    counts = (len(pattern.findall(text)) for pattern in (_CAPITALS, _DIGITS, _MARKS))
    return (*map(int, _faults(text)), len(split_words(text)), len(text), *counts)


SHAPES = ("artifacts", "lower start", "articles", "words", "characters", "capitals", "digits", "marks")
WORDS = SHAPES.index("words")


def shape_differences(captions: Sequence[str], negatives: Sequence[str]) -> np.ndarray:
    """(N, len(SHAPES)) what each caption has more of than its negative."""
    known: dict[str, tuple[int, ...]] = {}
    for caption in captions:
        if caption not in known:
            known[caption] = _shape(caption)
    old = np.array([known[caption] for caption in captions], dtype=float).reshape(-1, len(SHAPES))
    return old - np.array([_shape(negative) for negative in negatives], dtype=float).reshape(-1, len(SHAPES))


def rule_margins(shapes: np.ndarray) -> np.ndarray:
    """(N,) by how many of the three rules more the caption is chosen than the negative: from -3 to 3."""
    return -np.sign(shapes[:, :3]).sum(1)


def length_direction(shapes: np.ndarray) -> float:
    """The log-odds that the longer text of a pair is the caption, in words.

    It is 0 unless these pairs show more of it than two standard deviations of guessing.
    """
    longer, shorter = int((shapes[:, WORDS] > 0).sum()), int((shapes[:, WORDS] < 0).sum())
    if abs(longer - shorter) <= 2 * (longer + shorter) ** 0.5:
        return 0.0
    return float(np.log((longer + 1) / (shorter + 1)))


def length_margins(shapes: np.ndarray, direction: float) -> np.ndarray:
    """(N,) log-odds by the number of words alone."""
    return direction * np.sign(shapes[:, WORDS])
