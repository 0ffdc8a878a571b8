"""Shared-prefix text encoding: texts as paths of a few token tries, each trie a row of the batch. Pure numpy.

In a causal text tower a token's state depends on the tokens before it alone. A caption and its hard negatives agree up
to the changed word, and many captions begin alike ("a man ..."): whatever begins alike is encoded once. A row holds a
trie; each token has the position that it has in its text and attends to its own ancestors.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


LEGACY_EOS = 2  # CLIP configs from before transformers' PR #24773 say 2 and are read at the largest token id


class TextTree(NamedTuple):
    """N texts packed into R rows of L tokens.

    Attributes:
        input_ids: (R, L) int64, padded with 0.
        position_ids: (R, L) int64, each token's place in its own text.
        tree_mask: (R, L, L) bool, True where a token (second axis) attends to another (third axis); padding attends
            to itself, since a softmax over nothing is nan.
        pool_index: (N,) int64, where in the flattened (R * L) states each text is read, in the order of the texts.
    """

    input_ids: np.ndarray
    position_ids: np.ndarray
    tree_mask: np.ndarray
    pool_index: np.ndarray


def pool_position(ids: Sequence[int], eos_token_id: int) -> int:
    """Which token of a text CLIP reads: the first EOS, or by configs that say 2 the first of the largest id."""
    return ids.index(max(ids) if eos_token_id == LEGACY_EOS else eos_token_id)


def shared_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens both begin with.

    Example:
        >>> shared_prefix([5, 7, 9], [5, 7, 8, 9])
        2
    """
    for i, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return i
    return min(len(first), len(second))


def _row_starts(lengths: Sequence[int], shared: Sequence[int], size: int) -> list[int]:
    """Where rows of `size` tokens begin if sorted texts are put in, one after the other."""
    starts, used = [], size
    for i, length in enumerate(lengths):
        used += length - shared[i]
        if used > size:
            starts.append(i)
            used = length
    return starts


def pack_texts(texts: Sequence[Sequence[int]], eos_token_id: int, max_length: int) -> TextTree:
    """Pack texts into rows of equal length that share what begins alike; the length is chosen for the fewest tokens.

    Sorted texts have their longest shared prefix with the one before, so that a row takes the next ones until it is
    full. Equal texts are one path.

    Args:
        texts: N token id lists with their special tokens, none empty.
        eos_token_id: As the model's text config has it; see `pool_position`.
        max_length: The most tokens of a row, the size of the model's position table.

    Raises:
        ValueError: If a text has more than `max_length` tokens.
    """
    order = sorted(range(len(texts)), key=lambda i: list(texts[i]))
    lengths = [len(texts[i]) for i in order]
    if max(lengths) > max_length:
        raise ValueError(f"A text has {max(lengths)} tokens; the model reads {max_length}. Truncate it first.")
    shared = [0, *(shared_prefix(texts[i], texts[j]) for i, j in zip(order, order[1:], strict=False))]
    size = min(
        range(max(lengths), max_length + 1), key=lambda size: (size * len(_row_starts(lengths, shared, size)), size)
    )
    starts = _row_starts(lengths, shared, size)
    ids, positions = np.zeros((2, len(starts), size), dtype=np.int64)
    mask = np.zeros((len(starts), size, size), dtype=bool)
    mask[:, np.arange(size), np.arange(size)] = True
    pool = np.zeros(len(texts), dtype=np.int64)
    for row, (first, last) in enumerate(zip(starts, [*starts[1:], len(order)], strict=True)):
        path: list[int] = []  # the columns of the present text's tokens
        used = 0
        for n in range(first, last):
            text = texts[order[n]]
            kept = shared[n] if n > first else 0
            new = list(range(used, used + len(text) - kept))
            used += len(new)
            path = path[:kept] + new
            ids[row, new] = text[kept:]
            positions[row, new] = range(kept, len(text))
            mask[row, np.array(new, dtype=np.int64)[:, None], path] = np.tri(len(text), dtype=bool)[kept:]
            pool[order[n]] = row * size + path[pool_position(text, eos_token_id)]
    return TextTree(ids, positions, mask, pool)
