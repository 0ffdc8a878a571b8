"""Shared-prefix text encoding: all texts of a batch as paths of one token trie. Pure numpy.

In a causal text tower a token's state depends on the tokens before it alone. A caption and its hard negatives agree up
to the changed word, and many captions begin alike ("a man ..."): whatever begins alike is encoded once. All texts of
a batch make one trie, its tokens in depth-first order are cut into rows, and each token attends to its own ancestors:
those in its row, and those before it, which are ancestors of the row's first token, so that few more keys do for the
whole row.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


LEGACY_EOS = 2  # CLIP configs from before transformers' PR #24773 say 2 and are read at the largest token id


class TextTree(NamedTuple):
    """N texts as a trie of T tokens in R rows of L, with P ancestors before each row.

    Attributes:
        input_ids: (R, L) int64, the tokens in depth-first order, at the end 0.
        position_ids: (R, L) int64, each token's place in its own text.
        path_index: (R, P) int64, where in the flattened (R * L) tokens the ancestors of a row's first token stand.
        tree_mask: (R, L, P + L) bool, True where a token attends to one of the path or of its row; padding attends to
            itself, since a softmax over nothing is nan.
        read_index: (M,) int64, where in the flattened tokens texts are read, each place once.
        text_index: (N,) int64, which of the M places is that of a text.
    """

    input_ids: np.ndarray
    position_ids: np.ndarray
    path_index: np.ndarray
    tree_mask: np.ndarray
    read_index: np.ndarray
    text_index: np.ndarray


def pool_position(ids: Sequence[int], eos_token_id: int) -> int:
    """Which token of a text CLIP reads: the first EOS, or by configs that say 2 the first of the largest id."""
    return ids.index(max(ids) if eos_token_id == LEGACY_EOS else eos_token_id)


def shared_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens both begin with.

    Examples:
        >>> shared_prefix([5, 7, 9], [5, 7, 8, 9])
        2
    """
    for i, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return i
    return min(len(first), len(second))


def _plant(texts: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[list[int]]]:
    """Token, depth and parent (-1 at the root) of each node, and the nodes of each of the sorted `texts`."""
    tokens: list[int] = []
    depths: list[int] = []
    parents: list[int] = []
    paths: list[list[int]] = []
    for i, text in enumerate(texts):
        kept = shared_prefix(texts[i - 1], text) if i else 0
        path = paths[-1][:kept] if i else []
        for depth in range(kept, len(text)):
            parents.append(path[-1] if path else -1)
            path.append(len(tokens))
            tokens.append(text[depth])
            depths.append(depth)
        paths.append(path)
    return np.array(tokens), np.array(depths), np.array(parents), paths


def _row_length(nodes: int, max_length: int) -> int:
    """The row length that leaves the fewest places empty."""
    limit = min(nodes, max_length)
    return min(range(-(-limit // 2), limit + 1), key=lambda length: (-(-nodes // length) * length, -length))


def pack_texts(texts: Sequence[Sequence[int]], eos_token_id: int, max_length: int) -> TextTree:
    """Lay texts out as one trie; equal texts are one path.

    Args:
        texts: N token id lists with their special tokens, at least one, none empty.
        eos_token_id: As the model's text config has it; see `pool_position`.
        max_length: The most tokens of a text and of a row, the size of the model's position table.

    Raises:
        ValueError: If a text has more than `max_length` tokens.
    """
    longest = max(map(len, texts))
    if longest > max_length:
        raise ValueError(f"A text has {longest} tokens; the model reads {max_length}. Truncate it first.")
    order = sorted(range(len(texts)), key=lambda i: list(texts[i]))
    tokens, depths, parents, paths = _plant([texts[i] for i in order])
    nodes = len(tokens)
    length = _row_length(nodes, max_length)
    rows = -(-nodes // length)
    ids, positions = np.zeros((2, rows * length), dtype=np.int64)
    ids[:nodes], positions[:nodes] = tokens, depths
    first = np.arange(rows) * length
    width = int(depths[first].max())
    path_index = np.zeros((rows, width), dtype=np.int64)
    mask = np.zeros((rows * length, width + length), dtype=bool)
    mask[np.arange(nodes, rows * length), width + np.arange(nodes, rows * length) % length] = True
    node, row = np.arange(nodes), np.arange(nodes) // length
    ancestor = node
    while len(node):
        before = ancestor < first[row]
        mask[node, np.where(before, depths[ancestor], width + ancestor - first[row])] = True
        path_index[row[before], depths[ancestor[before]]] = ancestor[before]
        ancestor = parents[ancestor]
        node, row, ancestor = (part[ancestor >= 0] for part in (node, row, ancestor))
    pool = np.zeros(len(texts), dtype=np.int64)
    for i, path in zip(order, paths, strict=True):
        pool[i] = path[pool_position(texts[i], eos_token_id)]
    read_index, text_index = np.unique(pool, return_inverse=True)
    shape = (rows, length)
    return TextTree(
        ids.reshape(shape), positions.reshape(shape), path_index, mask.reshape(*shape, -1), read_index, text_index
    )
