"""Shared-prefix text encoding: pack the texts of a batch into one token trie, so that each prefix is encoded once.

A causal text tower computes the state of a token from this token and those before it. A caption and its hard negatives
are equal up to the changed word, and many captions begin alike ("a man ..."). So the states of equal beginnings are
equal, and one computation is enough. This file lays the texts out, in numpy alone:

1. All texts of the batch make one trie (a prefix tree). Each node is a token, and each text is a path from the root.
2. The nodes, in depth-first order, are cut into rows of equal length.
3. Each token attends to its ancestors in the trie. Some stand in its own row. The others are also ancestors of the
   first token of the row. So a row needs few keys from other rows: the path to its first token.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


# Older CLIP configs have this wrong id (transformers PR #24773). Their texts are read at the largest token id.
LEGACY_EOS = 2


class TextTree(NamedTuple):
    """N texts as a trie, whose tokens stand in R rows of L, with P keys of other rows for each row.

    An index counts in the flattened (R * L) tokens.

    Attributes:
        input_ids: (R, L) int64, the tokens in depth-first order, padded with 0.
        position_ids: (R, L) int64, the position of each token in its text, from 0.
        path_index: (R, P) int64, the indices of the ancestors of each row's first token.
        tree_mask: (R, L, P + L) bool, True where a token attends to one of the P ancestors or of the L tokens of its
            row. Padding attends to itself, since a softmax over nothing is nan.
        read_index: (M,) int64, the distinct indices of the tokens whose states are the texts' embeddings.
        text_index: (N,) int64, the position of each text's token in `read_index`.
    """

    input_ids: np.ndarray
    position_ids: np.ndarray
    path_index: np.ndarray
    tree_mask: np.ndarray
    read_index: np.ndarray
    text_index: np.ndarray


def pool_position(ids: Sequence[int], eos_token_id: int) -> int:
    """Find the token whose state is the embedding of a text.

    Args:
        ids: The token ids of a text.
        eos_token_id: As in the model's text config. CLIP reads the first token with this id. For the old value 2, it
            reads the first token with the largest id.

    Raises:
        ValueError: If the text has no such token.

    Example:
        >>> pool_position([0, 5, 7, 9], eos_token_id=9)
        3
    """
    return ids.index(max(ids) if eos_token_id == LEGACY_EOS else eos_token_id)


def shared_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """Count the tokens that two texts begin with alike.

    Examples:
        >>> shared_prefix([5, 7, 9], [5, 7, 8, 9])
        2
    """
    for i, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return i
    return min(len(first), len(second))


def pack_texts(texts: Sequence[Sequence[int]], eos_token_id: int, max_length: int) -> TextTree:
    """Pack texts into one trie; equal texts share one path.

    Args:
        texts: The token ids of N texts, with special tokens. At least one text, and none empty.
        eos_token_id: As in the model's text config; see `pool_position`.
        max_length: The most tokens of a text and of a row: the size of the model's position table.

    Raises:
        ValueError: If a text has more than `max_length` tokens, or lacks the token at which it is read.

    Example:
        Two texts share the tokens 1 and 5, so that six nodes hold eight tokens. Both texts are read at their 9.

        >>> tree = pack_texts([[1, 5, 7, 9], [1, 5, 8, 9]], eos_token_id=9, max_length=6)
        >>> tree.input_ids
        array([[1, 5, 7, 9, 8, 9]])
        >>> tree.position_ids
        array([[0, 1, 2, 3, 2, 3]])
        >>> tree.tree_mask[0].astype(int)  # Token 8 attends to 1, 5 and itself, not to the other text's 7.
        array([[1, 0, 0, 0, 0, 0],
               [1, 1, 0, 0, 0, 0],
               [1, 1, 1, 0, 0, 0],
               [1, 1, 1, 1, 0, 0],
               [1, 1, 0, 0, 1, 0],
               [1, 1, 0, 0, 1, 1]])
        >>> tree.read_index[tree.text_index]
        array([3, 5])
    """
    longest = max(map(len, texts))
    if longest > max_length:
        raise ValueError(f"A text has {longest} tokens; the model reads {max_length}. Truncate it first.")
    order = sorted(range(len(texts)), key=lambda i: list(texts[i]))
    tokens, depths, parents, paths = _build_trie([texts[i] for i in order])
    length = _row_length(len(tokens), max_length)
    shape = (-(-len(tokens) // length), length)
    input_ids, position_ids = np.zeros((2, *shape), dtype=np.int64)
    input_ids.flat[: len(tokens)], position_ids.flat[: len(tokens)] = tokens, depths
    path_index, mask = _attend_to_ancestors(depths, parents, shape)
    pooled = np.zeros(len(texts), dtype=np.int64)
    for i, path in zip(order, paths, strict=True):
        pooled[i] = path[pool_position(texts[i], eos_token_id)]
    read_index, text_index = np.unique(pooled, return_inverse=True)
    return TextTree(input_ids, position_ids, path_index, mask, read_index, text_index)


def _attend_to_ancestors(
    depths: np.ndarray, parents: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Compute `path_index` and `tree_mask` of a trie whose nodes stand in rows of `shape` (R, L)."""
    nodes, (rows, length) = len(depths), shape
    first = np.arange(rows) * length
    width = int(depths[first].max())
    path_index = np.zeros((rows, width), dtype=np.int64)
    mask = np.zeros((rows * length, width + length), dtype=bool)
    padding = np.arange(nodes, rows * length)
    mask[padding, width + padding % length] = True
    # All nodes climb to the root at once: `ancestor` starts at the node itself.
    node, row = np.arange(nodes), np.arange(nodes) // length
    ancestor = node
    while len(node):
        before = ancestor < first[row]
        mask[node, np.where(before, depths[ancestor], width + ancestor - first[row])] = True
        path_index[row[before], depths[ancestor[before]]] = ancestor[before]
        ancestor = parents[ancestor]
        node, row, ancestor = (part[ancestor >= 0] for part in (node, row, ancestor))
    return path_index, mask.reshape(*shape, -1)


def _build_trie(texts: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[list[int]]]:
    """Build the trie of sorted texts.

    Returns:
        The token, the depth and the parent (-1 for a root) of each node, and the path of nodes of each text.
    """
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
    """Find the row length with the least padding."""
    limit = min(nodes, max_length)
    return min(range(-(-limit // 2), limit + 1), key=lambda length: (-(-nodes // length) * length, -length))
