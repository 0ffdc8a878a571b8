"""Which pairs are held out together: all of one image, and all with the same caption. Pure.

A reader is never scored on an image, or on a caption, that it was trained on. The fold of an image is decided by its
id, so that every process assigns it alike.
"""

import hashlib
from collections.abc import Hashable, Sequence

import numpy as np


FOLDS = 5


def hash_fold(key: Hashable) -> int:
    """The fold of an image, or of a caption of no known image, from 0 to `FOLDS` - 1.

    Examples:
        >>> hash_fold(139) == hash_fold("139"), 0 <= hash_fold("a red car") < FOLDS
        (True, True)
    """
    digest = hashlib.blake2b(str(key).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") % FOLDS


def normalize(text: str) -> str:
    """A text by which equal captions are found: case and spaces do not count."""
    return " ".join(text.lower().split())


def group_captions(captions: Sequence[str], image_ids: Sequence[Hashable] | None) -> np.ndarray:
    """Number the groups that must not be torn apart: captions of one image, and equal captions.

    Args:
        captions: N texts.
        image_ids: N ids, or None if they are not known.

    Returns:
        (N,) int: the first row of each row's group. If equal captions chain more than half of the rows together, as in
        sets with few different captions, only those of one image are one group.

    Examples:
        >>> group_captions(["a", "b", "b", "c", "d", "e"], [1, 1, 2, 3, 4, 5]).tolist()
        [0, 0, 0, 3, 4, 5]
    """
    texts = [normalize(caption) for caption in captions]
    if image_ids is None:
        return _join(texts)
    joined = _join([("image", id_) for id_ in image_ids], [("text", text) for text in texts])
    is_chained = len(joined) and 2 * np.bincount(joined).max() > len(joined)
    return _join(list(image_ids)) if is_chained else joined


def _join(*keys: Sequence[Hashable]) -> np.ndarray:
    """The first row of each component of rows that share a key of any of the sequences."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = len(keys[0])
    numbers: dict[Hashable, int] = {}
    nodes = [numbers.setdefault(key, len(numbers)) for of_kind in keys for key in of_kind]
    rows = np.tile(np.arange(size), len(keys))
    shape = (size + len(numbers),) * 2
    graph = coo_array((np.ones(len(nodes), np.int8), (rows, size + np.array(nodes, dtype=np.int64))), shape=shape)
    labels = connected_components(graph, directed=False)[1][:size]
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return first[inverse]


def assign_folds(captions: Sequence[str], image_ids: Sequence[Hashable] | None) -> tuple[np.ndarray, np.ndarray]:
    """The fold and the group of each caption.

    Args:
        captions: N texts.
        image_ids: N ids, or None if they are not known.

    Returns:
        (N,) int folds and (N,) int groups. The fold of a group is that of its smallest key, so that it does not depend
        on the order of the rows.
    """
    groups = group_captions(captions, image_ids)
    keys = [normalize(text) for text in captions] if image_ids is None else [str(id_) for id_ in image_ids]
    smallest: dict[int, str] = {}
    for group, key in zip(groups.tolist(), keys, strict=True):
        if group not in smallest or key < smallest[group]:
            smallest[group] = key
    of_group = {group: hash_fold(key) for group, key in smallest.items()}
    return np.array([of_group[group] for group in groups.tolist()], dtype=np.int64), groups
