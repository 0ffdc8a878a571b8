"""Is a caption the odd one of the set that it forms with its negatives? The reader sees the set and no labels. Pure.

Each negative changes the caption, so the caption is often nearest to all others: the medoid by word edit distance.
"""

from collections.abc import Sequence

import numpy as np

from ..lexicon.words import split_words


def edit_distance(first: Sequence[str], second: Sequence[str]) -> int:
    """The number of words to insert, delete or replace that makes one list of words the other.

    Examples:
        >>> edit_distance("a red car".split(), "a blue car here".split())
        2
    """
    start = 0
    while start < min(len(first), len(second)) and first[start] == second[start]:
        start += 1
    first, second = first[start:], second[start:]
    while first and second and first[-1] == second[-1]:
        first, second = first[:-1], second[:-1]
    distances = list(range(len(second) + 1))
    for i, one in enumerate(first, 1):
        diagonal, distances[0] = distances[0], i
        for j, other in enumerate(second, 1):
            diagonal, distances[j] = (
                distances[j],
                min(distances[j] + 1, distances[j - 1] + 1, diagonal + (one != other)),
            )
    return distances[-1]


def told_as_medoid(caption: str, negatives: Sequence[str]) -> float:
    """The chance that a reader who picks the medoid of the set picks the caption; texts that tie share it.

    Examples:
        >>> told_as_medoid("a red car", ["a blue car", "a red bus"])
        1.0
        >>> told_as_medoid("a red car", ["a blue car", "a black car"])
        0.3333333333333333
    """
    texts = [split_words(text) for text in (caption, *negatives)]
    sums = [0] * len(texts)
    for i, one in enumerate(texts):
        for j in range(i):
            distance = edit_distance(one, texts[j])
            sums[i] += distance
            sums[j] += distance
    nearest = min(sums)
    return (sums[0] == nearest) / sums.count(nearest)


def odd_one_shares(captions: Sequence[str], negatives: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
    """How often the caption is told from its set, for captions with at least two different negatives.

    Args:
        captions: N captions.
        negatives: N lists of negatives; one that comes twice counts once.

    Returns:
        (M,) shares from 0 to 1, and (M,) what guessing gives: 1 / (1 + the number of negatives).
    """
    told, chance = [], []
    for caption, of_caption in zip(captions, negatives, strict=True):
        different = list(dict.fromkeys(of_caption))
        if len(different) > 1:
            told.append(told_as_medoid(caption, different))
            chance.append(1 / (1 + len(different)))
    return np.array(told), np.array(chance)
