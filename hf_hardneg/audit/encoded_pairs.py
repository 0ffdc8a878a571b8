"""Pairs of a caption and a negative as numbers: which words changed, what stands around them, what stays. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..lexicon.words import split_words
from ..ragged import Ragged


UNKNOWN, BEGIN, END = 0, 1, 2
FIRST_WORD = 3
REACH = 2
"""How many unchanged words on each side of a change an n-gram sees."""
NEARBY = 5
"""How many unchanged words on each side of a change are its neighbors."""


def number_words(texts: Iterable[Sequence[str]]) -> dict[str, int]:
    """Number the words of tokenized texts, from `FIRST_WORD` on."""
    vocabulary: dict[str, int] = {}
    for words in texts:
        for word in words:
            if word not in vocabulary:
                vocabulary[word] = FIRST_WORD + len(vocabulary)
    return vocabulary


@dataclass(frozen=True)
class Side:
    """What one of the two texts of each of N pairs has and the other has not.

    Attributes:
        words: The words that only this text has.
        window: The changed stretch with `REACH` words on each side, `BEGIN` and `END` included.
    """

    words: Ragged
    window: Ragged

    def stretch(self) -> Ragged:
        """The changed stretch alone."""
        rows = np.arange(len(self.window.values)) - self.window.starts[:-1][self.window.rows]
        is_changed = (rows >= REACH) & (rows < self.window.lengths[self.window.rows] - REACH)
        lengths = np.maximum(self.window.lengths - 2 * REACH, 0)
        return Ragged(self.window.values[is_changed], np.concatenate([[0], np.cumsum(lengths)]))

    def take(self, rows: np.ndarray) -> "Side":
        """Some of the pairs."""
        return Side(self.words.take(rows), self.window.take(rows))


@dataclass(frozen=True)
class EncodedPairs:
    """N pairs as numbers.

    Attributes:
        old: What only the caption has.
        new: What only the negative has.
        shared: The different words that both have.
        before: Up to `NEARBY` words before the changed stretch.
        after: Up to `NEARBY` words after it.
    """

    old: Side
    new: Side
    shared: Ragged
    before: Ragged
    after: Ragged

    def __len__(self) -> int:
        return len(self.shared)

    def take(self, rows: np.ndarray) -> "EncodedPairs":
        """Some of the pairs."""
        return EncodedPairs(
            self.old.take(rows),
            self.new.take(rows),
            self.shared.take(rows),
            self.before.take(rows),
            self.after.take(rows),
        )


def _unshared_ends(old: Sequence[int], new: Sequence[int]) -> tuple[int, int]:
    """How many words the two have in common at the beginning, and at the end of what is left."""
    shorter = min(len(old), len(new))
    start = 0
    while start < shorter and old[start] == new[start]:
        start += 1
    end = 0
    while end < shorter - start and old[-1 - end] == new[-1 - end]:
        end += 1
    return start, end


def _words_of_side(own: Counter[int], other: Counter[int]) -> list[int]:
    return list((own - other).elements())


def _encode(text: str, vocabulary: Mapping[str, int], known: dict[str, list[int]]) -> list[int]:
    if text not in known:
        known[text] = [vocabulary.get(word, UNKNOWN) for word in split_words(text)]
    return known[text]


def _differences(
    captions: Sequence[str], negatives: Sequence[str], vocabulary: Mapping[str, int]
) -> Iterator[tuple[list[int], ...]]:
    """For each pair: words and window of the caption, the same of the negative, shared words, before and after."""
    known: dict[str, list[int]] = {}
    pad_start, pad_end = [BEGIN] * REACH, [END] * REACH
    for caption, negative in zip(captions, negatives, strict=True):
        old = _encode(caption, vocabulary, known)
        new = [vocabulary.get(word, UNKNOWN) for word in split_words(negative)]
        start, end = _unshared_ends(old, new)
        windows = [
            [*pad_start, *ids, *pad_end][start : start + len(ids) - start - end + 2 * REACH] for ids in (old, new)
        ]
        changed_old = Counter(old[start : len(old) - end])
        changed_new = Counter(new[start : len(new) - end])
        only_old, only_new = _words_of_side(changed_old, changed_new), _words_of_side(changed_new, changed_old)
        shared = set(old).intersection(new)
        others = sorted(shared.difference(only_old, only_new))
        after = old[len(old) - end :][:NEARBY]
        yield only_old, windows[0], only_new, windows[1], others, old[max(0, start - NEARBY) : start], after


def encode_pairs(captions: Sequence[str], negatives: Sequence[str], vocabulary: Mapping[str, int]) -> EncodedPairs:
    """Encode pairs.

    Args:
        captions: N texts.
        negatives: N texts, the negative of each.
        vocabulary: The number of each word, from `FIRST_WORD` on. Other words are `UNKNOWN`.

    Examples:
        >>> pairs = encode_pairs(["a red car"], ["a blue car"], {"a": 3, "red": 4, "blue": 5, "car": 6})
        >>> pairs.old.words.values.tolist(), pairs.new.window.values.tolist(), pairs.shared.values.tolist()
        ([4], [1, 3, 5, 6, 2], [3, 6])
    """
    parts = list(zip(*_differences(captions, negatives, vocabulary), strict=True)) or [()] * 7
    old_words, old_window, new_words, new_window, *others = map(Ragged.of, parts)
    return EncodedPairs(Side(old_words, old_window), Side(new_words, new_window), *others)
