"""Slots as columns, each with the hashed words of its caption: what a slot model reads. Pure.

A slot's features are the words of its caption without its own, the two words on each side with their places, and three
pairs of them. A word is a number of 32 bits, so that no dictionary has to be kept.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..ragged import Ragged
from .slots import Analysis


FOLDS = 5  # a caption is scored by a model of the images in the other folds
# The neighbors of a slot as (side, distance) and the pairs of them that are features, too.
_NEIGHBORS = ((-1, 2), (-1, 1), (1, 1), (1, 2))
_PAIRS = ((0, 1), (2, 3), (1, 2))
# The neighbors that hold the words to which a slot can be tied: before it, after it, and both after it.
_TIED_TO = ((1,), (2,), (2, 3))
_FACTORS = np.array([0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D], dtype=np.uint32)


class SlotTable(NamedTuple):
    """N slots of a batch as columns.

    Attributes:
        row: (N,) caption of the batch.
        of_class: (N,) class of the forms that fit.
        form: (N,) present form, an index of the class.
        start: (N,) first word.
        end: (N,) word after the last one.
        ties: (N,) bits of `slots.TIES`.
        rest: N bit sets, see `slots.Slot`.
        tied_to: (N, 3) uint32, the words to which each bit of `ties` refers.
        image: (N,) uint32, a number of the image, see `hash_images`. The rest of a division by `FOLDS` is
            the image's fold.
        features: N bags of hashed words, uint32.
    """

    row: np.ndarray
    of_class: np.ndarray
    form: np.ndarray
    start: np.ndarray
    end: np.ndarray
    ties: np.ndarray
    rest: list[bytes]
    tied_to: np.ndarray
    image: np.ndarray
    features: Ragged

    def fold(self) -> np.ndarray:
        """(N,): the folds of the images, 0 to `FOLDS` - 1."""
        return folds_of(self.image)


def folds_of(images: np.ndarray) -> np.ndarray:
    """(N,): the folds of N images, 0 to `FOLDS` - 1."""
    return images.astype(np.int64) % FOLDS


@lru_cache(maxsize=2**18)
def hash_word(word: str) -> int:
    """Hash a word to 32 bits, alike in every process. "a" and "an" are one word."""
    return zlib.crc32(("a" if word == "an" else word).encode("utf-8", "surrogatepass"))


def _mix(*words: np.ndarray, place: int) -> np.ndarray:
    """Hash words and their place in the caption."""
    mixed = np.full_like(words[0], place + 1) * _FACTORS[0]
    for word in words:
        mixed = (mixed ^ word) * _FACTORS[1]
        mixed ^= mixed >> np.uint32(15)
        mixed *= _FACTORS[2]
    return mixed


def hash_images(
    image_ids: Sequence[Any] | None, captions: Sequence[str], other_captions: Sequence[Sequence[str] | None]
) -> np.ndarray:
    """(B,) uint32: a number for the image of each caption, alike in every process.

    Args:
        image_ids: B ids, of any type that prints alike everywhere. None: an image is known by its captions.
        captions: B captions.
        other_captions: Those of the same images.
    """

    @lru_cache(maxsize=2**16)
    def digest(text: str) -> int:
        return zlib.crc32(text.encode("utf-8", "surrogatepass"))

    if image_ids is not None:
        return np.fromiter((digest(f"{image_id}") for image_id in image_ids), np.uint32, len(captions))
    pairs = zip(captions, other_captions, strict=True)
    lowest = (min([digest(caption), *map(digest, others or ())]) for caption, others in pairs)
    return np.fromiter(lowest, np.uint32, len(captions))


def tabulate_slots(analyses: Sequence[Analysis], images: np.ndarray) -> SlotTable:
    """The slots of B captions as columns, in caption order.

    Args:
        analyses: Of the captions.
        images: (B,) from `hash_images`.
    """
    flat: list[int] = []
    for i, (_, slots, _) in enumerate(analyses):
        for slot in slots:
            flat += (i, slot.of_class, slot.reading.form, slot.start, slot.end, slot.ties)
    table = np.array(flat, np.int64).reshape(-1, 6)
    row, of_class, form, start, end, ties = table.T.copy()
    outside = [slot.rest for _, slots, _ in analyses for slot in slots]
    captions = Ragged.of([[*map(hash_word, words)] if slots else [] for words, slots, _ in analyses], np.uint32)
    neighbors = _neighbors(captions, row, start, end)
    tied = [_mix(*(neighbors[i] for i in places), place=9 + len(places)) for places in _TIED_TO]
    features = _features(captions, neighbors, row, start, end)
    return SlotTable(row, of_class, form, start, end, ties, outside, np.stack(tied, 1), images[row], features)


def _neighbors(captions: Ragged, row: np.ndarray, start: np.ndarray, end: np.ndarray) -> list[np.ndarray]:
    """For each of `_NEIGHBORS`, (N,): the word there, that of "" beyond the caption's edge."""
    found = []
    for side, distance in _NEIGHBORS:
        place = captions.starts[row] + (start - distance if side < 0 else end + distance - 1)
        inside = (place >= captions.starts[row]) & (place < captions.starts[row + 1])
        words = np.full(len(row), hash_word(""), np.uint32)
        words[inside] = captions.values[place[inside]]
        found.append(words)
    return found


def _features(
    captions: Ragged, neighbors: Sequence[np.ndarray], row: np.ndarray, start: np.ndarray, end: np.ndarray
) -> Ragged:
    rest = captions.take(row)
    owner = rest.rows
    place = np.arange(len(owner)) - rest.starts[owner]
    outside = (place < start[owner]) | (place >= end[owner])
    placed = [_mix(word, place=i) for i, word in enumerate(neighbors)]
    placed += [_mix(neighbors[i], neighbors[j], place=4 + k) for k, (i, j) in enumerate(_PAIRS)]
    words = np.concatenate([np.stack(placed, 1).ravel(), rest.values[outside]])
    owners = np.concatenate([np.repeat(np.arange(len(row)), len(placed)), owner[outside]])
    order = np.argsort(owners, kind="stable")
    return Ragged.of_lengths(words[order], np.bincount(owners, minlength=len(row)))


def bags_of_images(
    words: Iterable[Sequence[str]], other_captions: Sequence[Sequence[str] | None], split: Mapping[str, Sequence[str]]
) -> Ragged:
    """The hashed words of all captions of each caption's image.

    Args:
        words: The words of B captions.
        other_captions: The other captions of their images.
        split: The words of the other captions.
    """
    hashed = {text: frozenset(map(hash_word, of_text)) for text, of_text in split.items()}
    pairs = zip(words, other_captions, strict=True)
    bags = (frozenset(map(hash_word, own)).union(*map(hashed.__getitem__, others or ())) for own, others in pairs)
    return Ragged.of([sorted(bag) for bag in bags], np.uint32)
