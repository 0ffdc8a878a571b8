"""The slot model: how likely each word of a class is in a slot, from n-gram counts of the user's own captions.

Input are the slots of captions: words that another form of the same class could replace. The words l2, l1 before a
slot and r1, r2 after it are its neighbors. Five count tables hold how often each form was seen beside l1, l2 l1, r1,
r1 r2, and l1 r1. Output is p(form | neighbors), with Witten-Bell smoothing (Witten and Bell 1991,
https://doi.org/10.1109/18.87000): a table with few counts backs off to a table with fewer neighbors. A caption is
scored without its own counts.

`balanced_rates` turns p into rates of replacement that are symmetric: word w becomes w' as often as w' becomes w. This
makes negatives harder to tell by two words on each side of the slot. The rest of the caption still gives many of them
away.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..json_files import read_json
from ..lexicon.index import LexiconIndex, SwapClass
from .slot_model_arrays import read_arrays
from .slots import TIES, Analysis


# The five count tables: the indices of the neighbors (l2, l1, r1, r2) that each of them holds.
TABLES = ((1,), (0, 1), (2,), (2, 3), (1, 2))
TIED_TABLES = (0, 2, 3)  # the table that holds the words of each of `TIES`
# Weight of each table's back-off in Witten-Bell smoothing; measured by benchmarks/negatives_quality.py.
STRENGTHS = (1.0, 1.0, 2.0, 2.0, 4.0)
PRIOR = 0.2  # added to the count of each form where only the class is known
GRAIN = 2.0**40  # probabilities are multiples of 1 / GRAIN: sums are exact in any order
_ARRAYS = ("key", "place", "often")  # the names of `Counts` in slot_model.npz
_MAX_SUMMANDS = 64  # models that are added up at once
_MIX = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)


class SlotTable(NamedTuple):
    """N slots of a batch as columns.

    Attributes:
        row: (N,) caption of the batch.
        of_class: (N,) class of the forms that fit.
        form: (N,) present form, an index of the class.
        neighbors: (N, 4) uint64, hashes of the words l2, l1, r1, r2.
        start: (N,) first word.
        end: (N,) word after the last one.
        ties: (N,) bits of `TIES`.
    """

    row: np.ndarray
    of_class: np.ndarray
    form: np.ndarray
    neighbors: np.ndarray
    start: np.ndarray
    end: np.ndarray
    ties: np.ndarray


@lru_cache(maxsize=2**18)
def _hash_word(word: str) -> int:
    """Hash a word to 64 bits, alike in every process. "a" and "an" are one word."""
    word = "a" if word == "an" else word
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def tabulate_slots(analyses: Sequence[Analysis]) -> SlotTable:
    """The slots of B captions as columns, in caption order."""
    edge = _hash_word("")
    flat: list[int] = []
    for row, (words, slots, _) in enumerate(analyses):
        if not slots:
            continue
        hashes = [edge, edge, *map(_hash_word, words), edge, edge]
        for start, end, reading, of_class, ties in slots:
            flat += (row, of_class, reading.form, start, end, ties)
            flat += (hashes[start], hashes[start + 1], hashes[end + 2], hashes[end + 3])
    table = np.fromiter(flat, np.uint64, len(flat)).reshape(-1, 10)
    row, of_class, form, start, end, ties = table[:, :6].astype(np.int64).T.copy()
    return SlotTable(row, of_class, form, table[:, 6:], start, end, ties)


def _context_keys(slots: SlotTable) -> np.ndarray:
    """The keys (N, 5) of the slots' contexts in the five tables."""
    keys = np.empty((len(slots.row), len(TABLES)), dtype=np.uint64)
    for t, offsets in enumerate(TABLES):
        key = (slots.of_class.astype(np.uint64) * np.uint64(len(TABLES)) + np.uint64(t) + np.uint64(1)) * _MIX[0]
        for offset in offsets:
            key = (key ^ slots.neighbors[:, offset]) * _MIX[1]
            key ^= key >> np.uint64(29)
            key *= _MIX[2]
        keys[:, t] = key
    return keys


class Counts(NamedTuple):
    """How often a context was seen around a form: M sorted, distinct (key, form) and their counts, each (M,)."""

    key: np.ndarray
    form: np.ndarray
    occurrences: np.ndarray


def add_counts(parts: Iterable[Counts]) -> Counts:
    """Add counts up; the order of the parts does not matter."""
    key, form, count = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.lexsort((form, key))
    key, form, count = key[order], form[order], count[order]
    first = np.ones(len(key), dtype=bool)
    first[1:] = (key[1:] != key[:-1]) | (form[1:] != form[:-1])
    starts = np.flatnonzero(first)
    total = np.add.reduceat(count, starts) if len(starts) else count
    return Counts(key[starts], form[starts], total)


def count_contexts(slots: SlotTable) -> Counts:
    """Count the contexts of a batch of slots."""
    key = _context_keys(slots).ravel()
    form = np.repeat(slots.form, len(TABLES)).astype(np.int32)
    return add_counts([Counts(key, form, np.ones(len(key), dtype=np.int32))])


@dataclass(eq=False)
class SlotModel:
    """How likely each form of a class is in a slot, from counts of captions: p(form | neighbors).

    It also counts how often each replacement passes the truth filter. `fit_slot_model` makes one, `save` and `load`
    keep it in a folder, and `add` adds the counts of other captions. All counts are integers; V is the number of forms
    of a class.

    Attributes:
        counts: Contexts with the forms seen in them.
        totals: For each class, (V,): how often each form was seen.
        tried: For each class, (V, V): how often form j was tried in a slot of form i.
        passed: For each class, (V, V): how often form j then passed the truth filter.

    Reference:
        Witten and Bell 1991, The zero-frequency problem, https://doi.org/10.1109/18.87000

    Examples:
        >>> from hf_hardneg.lexicon.index import load_index
        >>> from hf_hardneg.negatives.add_negatives import fit_slot_model
        >>> rows = {"caption": ["a red car", "a blue car"], "other_captions": [[], []], "categories": [[], []]}
        >>> model = fit_slot_model([rows], concepts=("color",))
        >>> totals = dict(zip(load_index(("color",)).classes[0].forms, model.totals[0].tolist(), strict=True))
        >>> totals["red"], totals["blue"], totals["green"]
        (1, 1, 0)
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
        """A model without counts: all forms of a class are equally likely."""
        none = Counts(np.empty(0, np.uint64), np.empty(0, np.int32), np.empty(0, np.int32))
        sizes = [len(of_class.forms) for of_class in index.classes]
        blank = [[np.zeros((n, n), dtype=np.int64) for n in sizes] for _ in range(2)]
        return cls(none, [np.zeros(n, dtype=np.int64) for n in sizes], *blank)

    def add(self, others: Iterable["SlotModel"]) -> "SlotModel":
        """Add up the counts of this model and others; the order does not matter."""
        models = [self]
        for model in others:
            models.append(model)
            # Many small models are cheaper to add at once than one by one to a large model.
            if len(models) > _MAX_SUMMANDS:
                models = [_sum(models)]
        return _sum(models)

    def look_up(self, slots: SlotTable) -> np.ndarray:
        """Find the contexts of N slots: (N, 5) indices of the model's keys, -1 for contexts that were never seen."""
        keys, _ = self._index
        wanted = _context_keys(slots)
        if not len(keys):
            return np.full(wanted.shape, -1)
        nearest = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[nearest] == wanted, nearest, -1)

    def _dense_counts(self, contexts: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Counts (U, V) of the distinct contexts from `look_up`, and for each slot the index of its contexts (5, N).

        Most slots share their contexts, such as an "a" before them.
        """
        _, starts = self._index
        distinct, of_slot = np.unique(contexts.T, return_inverse=True)
        dense = np.zeros((len(distinct), size))
        known = np.flatnonzero(distinct >= 0)
        begin = starts[distinct[known]]
        lengths = starts[distinct[known] + 1] - begin
        rows = np.repeat(known, lengths)
        flat = np.arange(len(rows)) + np.repeat(begin - np.cumsum(lengths) + lengths, lengths)
        dense[rows, self.counts.form[flat]] = self.counts.occurrences[flat]
        return dense, of_slot.reshape(contexts.T.shape)

    def probabilities(self, class_id: int, contexts: np.ndarray, form: np.ndarray) -> np.ndarray:
        """p(form | context) of N slots of one class, each without its own caption.

        Args:
            class_id: The class.
            contexts: (N, 5) from `look_up`.
            form: (N,) the present form; one count of it is left out.

        Returns:
            (N, V), rows sum to 1. Witten-Bell back-off from both neighbors (l1 r1) to the product of the left chain
            (l2 l1, l1) and the right chain (r1 r2, r1), divided by the frequencies of the class. Forms that no caption
            uses get 0. If the class was never seen, all forms are alike.
        """
        totals = self.totals[class_id]
        prior = np.where(totals > 0, totals + PRIOR, 0.0) if totals.any() else np.ones(len(totals))
        priors = prior - np.diag(totals > 0)  # row i is for slots of form i
        priors /= priors.sum(-1, keepdims=True)
        prior = priors[form]
        dense, of_slot = self._dense_counts(contexts, len(totals))
        counts, rows = dense[of_slot], np.arange(len(form))
        present = counts[:, rows, form]
        counts[:, rows, form] -= present > 0
        total = dense.sum(-1)[of_slot] - (present > 0)
        distinct = (dense > 0).sum(-1)[of_slot] - (present == 1)
        left1, left2, right1, right2, both = zip(counts, total, distinct, STRENGTHS, strict=True)
        left = _back_off(_back_off(prior, *left1), *left2)
        right = _back_off(_back_off(prior, *right1), *right2)
        product = np.divide(left * right, prior, out=np.zeros_like(prior), where=prior > 0)
        product /= np.maximum(product.sum(-1, keepdims=True), 1e-300)
        return _back_off(product, *both)

    def forms_beside_ties(self, class_id: int, contexts: np.ndarray, form: np.ndarray, ties: np.ndarray) -> np.ndarray:
        """Forms that captions have beside the words to which a slot is tied, such as "purse" after "coin".

        The slot's own caption counts, too. It does not show which of two words was there first.

        Args:
            class_id: The class.
            contexts: (N, 5) from `look_up`.
            form: (N,) the present form. If no caption has it there, no form fits.
            ties: (N,) bits of `TIES`.

        Returns:
            (N, V) bool.
        """
        fits = np.ones((len(form), len(self.totals[class_id])), dtype=bool)
        for tie, table in zip(TIES, TIED_TABLES, strict=True):
            tied = np.flatnonzero(ties & tie)
            if len(tied):
                dense, of_slot = self._dense_counts(contexts[tied, table, None], fits.shape[1])
                seen = (dense > 0)[of_slot[0]]
                fits[tied] &= seen & seen[np.arange(len(tied)), form[tied]][:, None]
        return fits

    def pass_ratio(self, class_id: int) -> np.ndarray:
        """(V, V): min(1, r(j -> i) / r(i -> j)), where r(i -> j) is the share of slots of form i in which j passes.

        Other captions of an image hold a common word more often than a rare one. Without this factor, rare words would
        be put in more often than taken out.
        """
        rate = (self.passed[class_id] + 1) / (self.tried[class_id] + 1)
        return np.minimum(1.0, rate.T / rate)

    def save(self, folder: str | Path, index: LexiconIndex) -> None:
        """Write `slot_model.npz` (the counts) and `slot_model.json` (the forms of each class, which `load` compares).

        Raises:
            OSError: If the folder cannot be written.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = dict(zip(_ARRAYS, self.counts, strict=True))
        for name in ("totals", "tried", "passed"):
            arrays[name] = np.concatenate([array.ravel() for array in getattr(self, name)])
        np.savez_compressed(folder / "slot_model.npz", **arrays)
        (folder / "slot_model.json").write_text(json.dumps(_describe(index), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path, index: LexiconIndex) -> "SlotModel":
        """Read a model that `save` wrote.

        Args:
            folder: Holds slot_model.npz and slot_model.json.
            index: The vocabulary that the model was fitted with.

        Raises:
            ValueError: If the folder holds no model, or one of another vocabulary.
        """
        folder = Path(folder)
        sizes = [len(of_class.forms) for of_class in index.classes]
        try:
            described = read_json(folder / "slot_model.json", list[list[str]])
            if described != _describe(index):
                raise ValueError("it was fitted with another vocabulary")
            arrays = read_arrays(folder / "slot_model.npz", sizes)
        except (OSError, ValueError) as error:
            raise ValueError(f"{folder} holds no slot model that can be used ({error}); fit it anew.") from error
        split = [np.split(arrays["totals"], np.cumsum(sizes)[:-1])]
        for name in ("tried", "passed"):
            parts = np.split(arrays[name], np.cumsum(np.square(sizes))[:-1])
            split.append([part.reshape(n, n) for part, n in zip(parts, sizes, strict=True)])
        return cls(Counts(*(arrays[name] for name in _ARRAYS)), *split)


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
    """Witten-Bell back-off (1991): (n + s T back) / (sum n + s T), where T forms were seen; `back` if none was."""
    weight = strength * distinct
    total = total + weight
    nothing = total == 0
    weight[nothing] = total[nothing] = 1
    return (counts + weight[:, None] * back) / total[:, None]


def balanced_rates(
    p: np.ndarray, form: np.ndarray, of_class: SwapClass, share: np.ndarray, temperature: float
) -> tuple[np.ndarray, np.ndarray]:
    """Rates at which each form replaces the present one, symmetric between the two forms.

    Z(w) is the sum of p over the forms that can replace w. The flow F(w, w') = min(share p p' / max(Z, Z'), p, p') is
    the same in both directions, and F / p(w) is the rate of w -> w'. So p(w) rate(w -> w') = p(w') rate(w' -> w).

    Args:
        p: (N, V) from `SlotModel.probabilities`.
        form: (N,) the present form.
        of_class: Says which form can replace which.
        share: (N,) upper limit of a slot's expected replacements.
        temperature: Above 1, p is flattened first. This gives more replacements. They are easier to tell.

    Returns:
        (N, V) rates from 0 to 1, whose rows sum to `share` at most, and (N, V) ratios p' / p, 0 if unknown.
    """
    rows = np.arange(len(form))
    if temperature != 1:
        p = p ** (1 / temperature)
        p = p / np.maximum(p.sum(-1, keepdims=True), 1e-300)
    p = np.round(p * GRAIN) / GRAIN
    mass = p @ of_class.opposed
    p_present, mass_present = p[rows, form][:, None], mass[rows, form][:, None]
    ratio = np.divide(p, p_present, out=np.zeros_like(p), where=p_present > 0)
    most = np.maximum(mass, mass_present)
    rate = np.divide(share[:, None] * p, most, out=np.zeros_like(p), where=most > 0)
    return np.minimum(np.minimum(rate, 1), ratio) * of_class.opposed[form], ratio
