"""Draw negatives: give each candidate a rate, then draw systematically within each caption. Pure.

Everything is numpy over a whole batch, one class of words at a time. So a caption costs microseconds.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..lexicon.index import LexiconIndex
from .exchanges import Exchange
from .filters import Verdicts, find_rejections
from .slot_model import SlotModel, SlotTable, balanced_rates


# Expected negatives of a caption's slots per negative that is wanted. Filters reject many.
SPARE = 1.3
BITS = 32
ONE = 2**BITS  # rates are integers, this stands for 1: sums are exact in any order
REPLACE, EXCHANGE = "replace", "exchange"


class Candidates(NamedTuple):
    """N possible negatives as columns.

    Attributes:
        row: (N,) caption of the batch.
        slot: (N,) slot whose words change.
        other: (N,) second slot of an exchange, or -1.
        form: (N,) new form of `slot`.
        rate: (N,) rate of being drawn, an integer; `ONE` stands for 1.
        ratio: (N,) p(negative) / p(caption) by the slot model.
    """

    row: np.ndarray
    slot: np.ndarray
    other: np.ndarray
    form: np.ndarray
    rate: np.ndarray
    ratio: np.ndarray


class DrawSettings(NamedTuple):
    """What a user decides about the draw.

    Attributes:
        concept_weights: (C,) relative frequencies of the concepts.
        num_negatives: K.
        temperature: See `balanced_rates`.
    """

    concept_weights: np.ndarray
    num_negatives: int
    temperature: float


class Picks(NamedTuple):
    """Drawn negatives as parallel lists, in the order of their rows.

    Attributes:
        row: Caption of the batch.
        edits: For each negative its changes (start, end, new), in words.
        operator: "replace" or "exchange".
        concept: Name of the concept.
        ratio: p(negative) / p(caption) by the slot model.
    """

    row: list[int]
    edits: list[list[tuple[int, int, str]]]
    operator: list[str]
    concept: list[str]
    ratio: list[float]


def find_verdicts(slots: SlotTable, risks: Sequence[np.ndarray], index: LexiconIndex) -> dict[int, Verdicts]:
    """Apply `find_rejections` to the slots of each class.

    Args:
        slots: The slots of a batch of B captions.
        risks: For each of `filters.REASONS`, (B, W) uint8: bit sets over the forms of all classes.
        index: The vocabulary.
    """
    order = np.argsort(slots.of_class, kind="stable")
    classes, starts = np.unique(slots.of_class[order], return_index=True)
    verdicts = {}
    for c, members in zip(classes.tolist(), np.split(order, starts)[1:], strict=True):
        rows = slots.row[members]
        of_class = [of_reason[rows, index.byte_spans[c]] for of_reason in risks]
        verdicts[c] = find_rejections(index.classes[c], members, slots.form[members], of_class)
    return verdicts


def _shares(
    slots: SlotTable, exchanges: Sequence[Exchange], open_mass: np.ndarray, weights: np.ndarray, wanted: float
) -> tuple[np.ndarray, np.ndarray]:
    """Share out the wanted negatives of a caption among its slots and exchanges.

    Args:
        slots: N slots.
        exchanges: E exchanges.
        open_mass: (N,) probability of all forms that may be put into each slot.
        weights: (C,) weight of each class, that of its concept.
        wanted: Negatives per caption.

    Returns:
        (N,) and (E,): expected negatives of each slot and exchange, proportional to weight and open mass.
    """
    of_slots = weights[slots.of_class] * (open_mass + 0.001)
    of_exchanges = np.array([weights[slots.of_class[exchange.first]] for exchange in exchanges])
    rows = np.array([slots.row[exchange.first] for exchange in exchanges], dtype=np.int64)
    total = np.bincount(slots.row, of_slots, minlength=1 + slots.row.max(initial=0))
    total += np.bincount(rows, of_exchanges, minlength=len(total))
    total = np.maximum(total, 1e-300)
    return wanted * of_slots / total[slots.row], wanted * of_exchanges / total[rows]


def find_candidates(
    slots: SlotTable,
    exchanges: Sequence[Exchange],
    verdicts: dict[int, Verdicts],
    model: SlotModel,
    index: LexiconIndex,
    settings: DrawSettings,
) -> Candidates:
    """Find all candidates that are not known to be true, each with its rate of being drawn.

    Args:
        slots: N slots of B captions.
        exchanges: Pairs of slots that can change places.
        verdicts: From `find_verdicts`.
        model: Scores the slots.
        index: The vocabulary.
        settings: Concept weights, K and temperature.

    Returns:
        Replacements, then exchanges. The rates of a caption sum to K at most.
    """
    contexts = model.look_up(slots)
    p = {c: model.probabilities(c, contexts[of_c.slots], slots.form[of_c.slots]) for c, of_c in verdicts.items()}
    open_mass = np.zeros(len(slots.row))
    for c, (members, is_open, _) in verdicts.items():
        tied = np.flatnonzero(slots.ties[members])
        if len(tied) and len(model.counts.key):
            of_ties = members[tied]
            is_open[tied] &= model.forms_beside_ties(c, contexts[of_ties], slots.form[of_ties], slots.ties[of_ties])
        open_mass[members] = (p[c] * is_open).sum(-1)
    names = list(index.lexicon.concepts)
    weights = np.array([settings.concept_weights[names.index(of_class.concept)] for of_class in index.classes])
    share, exchange_share = _shares(slots, exchanges, open_mass, weights, SPARE * settings.num_negatives)
    parts: list[tuple[np.ndarray, ...]] = []
    for c, (members, is_open, _) in verdicts.items():
        present = slots.form[members]
        rate, ratio = balanced_rates(p[c], present, index.classes[c], share[members], settings.temperature)
        rate = (rate * model.pass_ratio(c)[present] * is_open * ONE).astype(np.int64)
        drawn = np.flatnonzero(rate > 0)
        at, form = np.divmod(drawn, rate.shape[1])
        parts.append((members[at], form, rate.ravel()[drawn], ratio.ravel()[drawn]))
    replaced = sum(len(part[0]) for part in parts)
    swaps = list(_exchange_candidates(slots, exchanges, verdicts, p, exchange_share, settings.temperature))
    parts += [tuple(np.array([value]) for value in swap[1:]) for swap in swaps]
    if not parts:
        return Candidates(*np.zeros((6, 0), dtype=np.int64))
    slot, form, rate, ratio = (np.concatenate(column) for column in zip(*parts, strict=True))
    other = np.full(len(slot), -1)
    other[replaced:] = [swap[0] for swap in swaps]
    row = slots.row[slot]
    # The rates of a caption that sum to more than K are scaled down to K.
    factor = np.minimum(1, settings.num_negatives * ONE / np.maximum(np.bincount(row, rate), 1))
    return Candidates(row, slot, other, form, (rate * factor[row]).astype(np.int64), ratio)


def _exchange_candidates(
    slots: SlotTable,
    exchanges: Sequence[Exchange],
    verdicts: dict[int, Verdicts],
    p: dict[int, np.ndarray],
    share: np.ndarray,
    temperature: float,
) -> Iterator[tuple[int, int, int, int, float]]:
    """Yield (second slot, first slot, new form of the first, rate, ratio) of each exchange.

    The ratio is p(w2 at 1) p(w1 at 2) / (p(w1 at 1) p(w2 at 2)) to the power 1 / temperature. The rate is
    min(1, ratio) times the share.
    """
    for exchange, most in zip(exchanges, share.tolist(), strict=True):
        first, second = exchange
        of_class = slots.of_class[first]
        at_first, at_second = (p[of_class][np.searchsorted(verdicts[of_class].slots, slot)] for slot in exchange)
        form1, form2 = slots.form[first], slots.form[second]
        before = at_first[form1] * at_second[form2]
        ratio = float(at_first[form2] * at_second[form1] / before) ** (1 / temperature) if before > 0 else 0.0
        rate = int(min(1.0, ratio) * min(1.0, most) * ONE)
        if rate:
            yield second, first, int(form2), rate, ratio


def draw_systematically(row: np.ndarray, rate: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Draw candidates by systematic sampling, each with exactly its rate.

    The rates of a caption are laid end to end on a line. Points stand on that line at `start`, `start` + 1, `start` +
    2 and so on. A candidate is drawn if a point falls into its part (Madow 1949,
    https://doi.org/10.1214/aoms/1177729988).

    Args:
        row: (N,) caption of each candidate, sorted.
        rate: (N,) integers up to ONE, which stands for 1.
        starts: (B,) integers from 0 to ONE - 1, one per caption. Uniform starts make the rates exact.

    Returns:
        Indices of the drawn candidates. Their number in a caption is the sum of its rates, rounded up or down.

    Examples:
        >>> draw_systematically(np.array([0, 0, 0]), np.array([ONE, ONE // 2, ONE // 2]), np.array([ONE // 4]))
        array([0, 1])
    """
    if not len(row):
        return np.empty(0, np.int64)
    ends = np.cumsum(rate)
    new = np.append(True, row[1:] != row[:-1])
    firsts = np.flatnonzero(new)
    base = (ends - rate)[firsts][np.cumsum(new) - 1]
    high = ends - base - starts[row]
    return np.flatnonzero((high + ONE - 1) >> BITS > (high - rate + ONE - 1) >> BITS)


def to_picks(candidates: Candidates, chosen: np.ndarray, slots: SlotTable, index: LexiconIndex) -> Picks:
    """Turn the chosen candidates into words."""
    picked = Candidates(*(column[chosen] for column in candidates))
    first, other = picked.slot, picked.other
    classes = [index.classes[c] for c in slots.of_class[first].tolist()]
    columns = (slots.start[first], slots.end[first], picked.form)
    edits = [
        [(start, end, of_class.forms[form])]
        for of_class, start, end, form in zip(classes, *(column.tolist() for column in columns), strict=True)
    ]
    operators = [REPLACE] * len(edits)
    for i in np.flatnonzero(other >= 0).tolist():
        operators[i] = EXCHANGE
        old = classes[i].forms[slots.form[first[i]]]
        edits[i].append((int(slots.start[other[i]]), int(slots.end[other[i]]), old))
    concepts = [of_class.concept for of_class in classes]
    return Picks(picked.row.tolist(), edits, operators, concepts, picked.ratio.astype(np.float32).tolist())
