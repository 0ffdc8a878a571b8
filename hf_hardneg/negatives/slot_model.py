"""How likely is each word of a class to fill a slot? N-gram counts of the user's own captions, each without itself.

A negative cannot be told from its caption by reading if the word that stood there and the word put in are exchanged
as often one way as the other. `SlotModel` gives the p(word | words around) that this needs; `balanced_rates` turns it
into rates of replacement that are symmetric by construction.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..lexicon.index import LexiconIndex, SwapClass
from .slots import TIES, Analysis


# Contexts of a slot by distance: which of (l2, l1, r1, r2) each of the five tables looks at.
TABLES = ((1,), (0, 1), (2,), (2, 3), (1, 2))
TIED_TABLES = (0, 2, 3)  # which of them hold the words of each of `TIES`
STRENGTHS = (
    1.0,
    1.0,
    2.0,
    2.0,
    4.0,
)  # Witten-Bell's weight of the back-off; measured, see benchmarks/negatives_quality
PRIOR = 0.2  # added to each form's count where nothing but the class is known
GRAIN = 2.0**40  # probabilities are multiples of 1/GRAIN, so that sums do not depend on their order
_TOGETHER = 64  # models that are held before they are added up
_MIX = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)


class SlotTable(NamedTuple):
    """N slots of a batch as columns: row, class, form, the hashes (N, 4) of the words around, word span, ties."""

    row: np.ndarray
    of_class: np.ndarray
    place: np.ndarray
    around: np.ndarray
    start: np.ndarray
    end: np.ndarray
    ties: np.ndarray


@lru_cache(maxsize=2**18)
def _hash_word(word: str) -> int:
    """A number of 64 bits that is the same in every process; "a" and "an" are one word."""
    word = "a" if word == "an" else word
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def tabulate_slots(analyses: Sequence[Analysis]) -> SlotTable:
    """The slots of all captions as columns, in caption order."""
    edge = _hash_word("")
    flat: list[int] = []
    for row, (words, slots, _) in enumerate(analyses):
        if not slots:
            continue
        hashes = [edge, edge, *map(_hash_word, words), edge, edge]
        for start, end, reading, of_class, ties in slots:
            flat += (row, of_class, reading.place, start, end, ties)
            flat += (hashes[start], hashes[start + 1], hashes[end + 2], hashes[end + 3])
    table = np.fromiter(flat, np.uint64, len(flat)).reshape(-1, 10)
    row, of_class, place, start, end, ties = table[:, :6].astype(np.int64).T.copy()
    return SlotTable(row, of_class, place, table[:, 6:], start, end, ties)


def _context_keys(slots: SlotTable) -> np.ndarray:
    """The keys (N, 5) under which the tables hold the contexts of the slots."""
    keys = np.empty((len(slots.row), len(TABLES)), dtype=np.uint64)
    for t, places in enumerate(TABLES):
        key = (slots.of_class.astype(np.uint64) * np.uint64(len(TABLES)) + np.uint64(t) + np.uint64(1)) * _MIX[0]
        for place in places:
            key = (key ^ slots.around[:, place]) * _MIX[1]
            key ^= key >> np.uint64(29)
            key *= _MIX[2]
        keys[:, t] = key
    return keys


class Counts(NamedTuple):
    """Parallel arrays: how `often` a context (`key`) was seen around form `place`; sorted, none twice."""

    key: np.ndarray
    place: np.ndarray
    often: np.ndarray


def add_counts(parts: Iterable[Counts]) -> Counts:
    """Add counts up; the order of the parts does not matter."""
    key, place, count = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.lexsort((place, key))
    key, place, count = key[order], place[order], count[order]
    first = np.ones(len(key), dtype=bool)
    first[1:] = (key[1:] != key[:-1]) | (place[1:] != place[:-1])
    starts = np.flatnonzero(first)
    total = np.add.reduceat(count, starts) if len(starts) else count
    return Counts(key[starts], place[starts], total)


def count_contexts(slots: SlotTable) -> Counts:
    """Count the contexts of a batch of slots."""
    key = _context_keys(slots).ravel()
    place = np.repeat(slots.place, len(TABLES)).astype(np.int32)
    return add_counts([Counts(key, place, np.ones(len(key), dtype=np.int32))])


@dataclass(eq=False)
class SlotModel:
    """p(form | context) of each class, and how often each replacement passes the truth filter.

    Attributes:
        counts: Contexts with the forms seen in them.
        totals: For each class how often each of its V forms was seen.
        tried: For each class, (V, V): how often form i stood where form j could be asked for.
        passed: For each class, (V, V): how often form j was then not known to be true of the image.
    """

    counts: Counts
    totals: list[np.ndarray]
    tried: list[np.ndarray]
    passed: list[np.ndarray]
    _index: tuple[np.ndarray, np.ndarray] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        keys, starts = np.unique(self.counts.key, return_index=True)
        self._index = keys, np.append(starts, len(self.counts.key))

    @classmethod
    def empty(cls, index: LexiconIndex) -> "SlotModel":
        """A model that has seen nothing: every form of a class is as likely."""
        none = Counts(np.empty(0, np.uint64), np.empty(0, np.int32), np.empty(0, np.int32))
        sizes = [len(of_class.forms) for of_class in index.classes]
        blank = [[np.zeros((n, n), dtype=np.int64) for n in sizes] for _ in range(2)]
        return cls(none, [np.zeros(n, dtype=np.int64) for n in sizes], *blank)

    def add(self, others: Iterable["SlotModel"]) -> "SlotModel":
        """The model of the captions of this one and all others; the order does not matter."""
        models = [self]
        for model in others:
            models.append(model)
            # Adding many small models at once is cheaper than growing a large one by each of them.
            if len(models) > _TOGETHER:
                models = [_sum(models)]
        return _sum(models)

    def look_up(self, slots: SlotTable) -> np.ndarray:
        """Where the contexts (N, 5) of the slots stand in the model; -1 for those never seen."""
        keys, _ = self._index
        wanted = _context_keys(slots)
        if not len(keys):
            return np.full(wanted.shape, -1)
        found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[found] == wanted, found, -1)

    def _dense_counts(self, found: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Counts (U, V) of the distinct contexts that `look_up` found, and which of them each slot has (5, N).

        Most slots share their contexts, such as an "a" before.
        """
        _, starts = self._index
        contexts, which = np.unique(found.T, return_inverse=True)
        dense = np.zeros((len(contexts), size))
        known = np.flatnonzero(contexts >= 0)
        begin = starts[contexts[known]]
        lengths = starts[contexts[known] + 1] - begin
        rows = np.repeat(known, lengths)
        flat = np.arange(len(rows)) + np.repeat(begin - np.cumsum(lengths) + lengths, lengths)
        dense[rows, self.counts.place[flat]] = self.counts.often[flat]
        return dense, which.reshape(found.T.shape)

    def probabilities(self, class_id: int, found: np.ndarray, place: np.ndarray) -> np.ndarray:
        """p(form | context) of N slots of one class, each without the caption it stands in.

        Args:
            class_id: The class.
            found: (N, 5) from `look_up`.
            place: (N,) the form that stands there; it is left out of the counts once.

        Returns:
            (N, V), rows adding up to 1: Witten-Bell back-off from both neighbors (l1 r1) to the product of the left
            chain (l2 l1, l1) and the right chain (r1 r2, r1) over the class's own frequencies. Forms that no caption
            uses get 0; where the class was never seen, all are alike.
        """
        totals = self.totals[class_id]
        prior = np.where(totals > 0, totals + PRIOR, 0.0) if totals.any() else np.ones(len(totals))
        priors = prior - np.diag(totals > 0)  # row i: form i stands there
        priors /= priors.sum(-1, keepdims=True)
        prior = priors[place]
        dense, which = self._dense_counts(found, len(totals))
        counts, rows = dense[which], np.arange(len(place))
        mine = counts[:, rows, place]
        counts[:, rows, place] -= mine > 0
        total = dense.sum(-1)[which] - (mine > 0)
        distinct = (dense > 0).sum(-1)[which] - (mine == 1)
        left1, left2, right1, right2, both = zip(counts, total, distinct, STRENGTHS, strict=True)
        left = _back_off(_back_off(prior, *left1), *left2)
        right = _back_off(_back_off(prior, *right1), *right2)
        product = np.divide(left * right, prior, out=np.zeros_like(prior), where=prior > 0)
        product /= np.maximum(product.sum(-1, keepdims=True), 1e-300)
        return _back_off(product, *both)

    def keep_company(self, class_id: int, found: np.ndarray, place: np.ndarray, ties: np.ndarray) -> np.ndarray:
        """Forms (N, V) that any caption has with the words that a slot is tied to; none if not form `place`, too.

        The slot's own caption counts, too: this is a property of words, and does not tell which one was there first.
        """
        fits = np.ones((len(place), len(self.totals[class_id])), dtype=bool)
        for tie, table in zip(TIES, TIED_TABLES, strict=True):
            tied = np.flatnonzero(ties & tie)
            if len(tied):
                dense, which = self._dense_counts(found[tied, table, None], fits.shape[1])
                seen = (dense > 0)[which[0]]
                fits[tied] &= seen & seen[np.arange(len(tied)), place[tied]][:, None]
        return fits

    def pass_ratio(self, class_id: int) -> np.ndarray:
        """(V, V): min(1, r(j -> i) / r(i -> j)), r the rate at which form j passes the truth filter where i stands.

        A common word is found in an image's other captions more often than a rare one; without this, rare words would
        be put in more often than taken out.
        """
        rate = (self.passed[class_id] + 1) / (self.tried[class_id] + 1)
        return np.minimum(1.0, rate.T / rate)

    def save(self, folder: str | Path, index: LexiconIndex) -> None:
        """Write `slot_model.npz` and `slot_model.json` (the forms of each class, which have to fit at loading)."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = dict(zip(Counts._fields, self.counts, strict=True))
        for name in ("totals", "tried", "passed"):
            arrays[name] = np.concatenate([array.ravel() for array in getattr(self, name)])
        np.savez_compressed(folder / "slot_model.npz", **arrays)
        (folder / "slot_model.json").write_text(json.dumps(_describe(index), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path, index: LexiconIndex) -> "SlotModel":
        """Read what `save` wrote.

        Raises:
            ValueError: If the folder holds no model, or one of another vocabulary.
        """
        folder = Path(folder)
        try:
            described = json.loads((folder / "slot_model.json").read_text(encoding="utf-8"))
            arrays = dict(np.load(folder / "slot_model.npz"))
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(f"{folder} holds no readable slot model ({error}); fit one first.") from error
        if described != _describe(index):
            raise ValueError(f"The slot model in {folder} was fitted with another vocabulary; fit it anew.")
        sizes = [len(of_class.forms) for of_class in index.classes]
        split = [np.split(arrays["totals"], np.cumsum(sizes)[:-1])]
        for name in ("tried", "passed"):
            parts = np.split(arrays[name], np.cumsum(np.square(sizes))[:-1])
            split.append([part.reshape(n, n) for part, n in zip(parts, sizes, strict=True)])
        return cls(Counts(*(arrays[name] for name in Counts._fields)), *split)


def _sum(models: Sequence[SlotModel]) -> SlotModel:
    sums = [
        [sum(arrays) for arrays in zip(*(getattr(model, name) for model in models), strict=True)]
        for name in ("totals", "tried", "passed")
    ]
    return SlotModel(add_counts([model.counts for model in models]), *sums)


def _describe(index: LexiconIndex) -> list[list[str]]:
    return [[of_class.concept, *of_class.forms] for of_class in index.classes]


def _back_off(
    back: np.ndarray, counts: np.ndarray, total: np.ndarray, distinct: np.ndarray, strength: float
) -> np.ndarray:
    """Witten and Bell (1991): (n + s T back) / (sum n + s T), T the forms seen; `back` where nothing was."""
    weight = strength * distinct
    total = total + weight
    nothing = total == 0
    weight[nothing] = total[nothing] = 1
    return (counts + weight[:, None] * back) / total[:, None]


def balanced_rates(
    p: np.ndarray, place: np.ndarray, of_class: SwapClass, share: np.ndarray, temperature: float
) -> tuple[np.ndarray, np.ndarray]:
    """Rates at which each form replaces the one that stands in a slot, symmetric between the two.

    With Z(w) = sum of p over the forms that can replace w, the flow F(w, w') = min(share p p' / max(Z, Z'), p, p') is
    the same in both directions, and F / p(w) is the rate of w -> w'. So p(w) rate(w -> w') = p(w') rate(w' -> w):
    nothing in the text tells which of the two came first.

    Args:
        p: (N, V) from `SlotModel.probabilities`.
        place: (N,) the form that stands there.
        of_class: Whom may replace whom.
        share: (N,) how many replacements the slot should give, at most.
        temperature: Above 1, p is flattened first: more replacements, more guessable ones.

    Returns:
        (N, V) rates from 0 to 1, rows adding up to `share` at most, and (N, V) the ratios p' / p (0 where unknown).
    """
    rows = np.arange(len(place))
    if temperature != 1:
        p = p ** (1 / temperature)
        p = p / np.maximum(p.sum(-1, keepdims=True), 1e-300)
    p = np.round(p * GRAIN) / GRAIN
    mass = p @ of_class.opposed
    here, mine = p[rows, place][:, None], mass[rows, place][:, None]
    ratio = np.divide(p, here, out=np.zeros_like(p), where=here > 0)
    most = np.maximum(mass, mine)
    rate = np.divide(share[:, None] * p, most, out=np.zeros_like(p), where=most > 0)
    return np.minimum(np.minimum(rate, 1), ratio) * of_class.opposed[place], ratio
