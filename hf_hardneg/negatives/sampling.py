"""Which of a batch's possible negatives are drawn: a rate for each, and one systematic draw per caption. Pure.

All is numpy over the whole batch, one class of words at a time: this is what makes a caption cost microseconds.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..lexicon.index import LexiconIndex
from .exchanges import Exchange
from .filters import Verdicts, find_rejections
from .slot_model import SlotModel, SlotTable, balanced_rates


# Negatives that the slots of a caption should give for each one that is wanted: many are turned down.
SPARE = 1.3
BITS = 32
ONE = 2**BITS  # rates are integers out of this, so that a draw does not depend on the order of sums
REPLACE, EXCHANGE = "replace", "exchange"


class Candidates(NamedTuple):
    """Possible negatives as columns; `other` is the second slot of an exchange or -1, `rate` is out of ONE."""

    row: np.ndarray
    slot: np.ndarray
    other: np.ndarray
    place: np.ndarray
    rate: np.ndarray
    ratio: np.ndarray


class Picks(NamedTuple):
    """Drawn negatives as parallel lists in the order of their rows.

    `edits` holds the words (start, end, new) that change, `ratio` is p(negative) / p(caption) under the model.
    """

    row: list[int]
    edits: list[list[tuple[int, int, str]]]
    operator: list[str]
    concept: list[str]
    ratio: list[float]


def find_verdicts(slots: SlotTable, risks: Sequence[np.ndarray], index: LexiconIndex) -> dict[int, Verdicts]:
    """`find_rejections` of the slots of each class; `risks` are the rows' bits (B, W) for each reason."""
    order = np.argsort(slots.of_class, kind="stable")
    classes, starts = np.unique(slots.of_class[order], return_index=True)
    verdicts = {}
    for c, mine in zip(classes.tolist(), np.split(order, starts)[1:], strict=True):
        rows = slots.row[mine]
        of_class = [of_reason[rows, index.byte_spans[c]] for of_reason in risks]
        verdicts[c] = find_rejections(index.classes[c], mine, slots.place[mine], of_class)
    return verdicts


def _shares(
    slots: SlotTable, exchanges: Sequence[Exchange], room: np.ndarray, weights: np.ndarray, wanted: float
) -> tuple[np.ndarray, np.ndarray]:
    """How many negatives each slot and each exchange should give, `wanted` a row, by concept weight and what is open.

    `room` is the p of all forms that could be put into each slot: where it is small, hardly anything can be drawn.
    """
    of_slots = weights[slots.of_class] * (room + 0.001)
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
    concept_weights: np.ndarray,
    num_negatives: int,
    temperature: float,
) -> Candidates:
    """Every replacement and exchange that is not known to be true, with the rate at which it is to be drawn.

    Args:
        slots: N slots of B rows.
        exchanges: Slots of the batch that can change places.
        verdicts: From `find_verdicts`.
        model: Scores the slots.
        index: The vocabulary of all of these.
        concept_weights: (C,) relative frequencies of the concepts.
        num_negatives: K; the rates of a row add up to this at most.
        temperature: See `balanced_rates`.
    """
    found = model.look_up(slots)
    p = {c: model.probabilities(c, found[of_c.slots], slots.place[of_c.slots]) for c, of_c in verdicts.items()}
    room = np.zeros(len(slots.row))
    for c, (mine, is_open, _) in verdicts.items():
        tied = np.flatnonzero(slots.ties[mine])
        if len(tied) and len(model.counts.key):
            which = mine[tied]
            is_open[tied] &= model.keep_company(c, found[which], slots.place[which], slots.ties[which])
        room[mine] = (p[c] * is_open).sum(-1)
    names = list(index.lexicon.concepts)
    of_classes = np.array([concept_weights[names.index(of_class.concept)] for of_class in index.classes])
    share, exchange_share = _shares(slots, exchanges, room, of_classes, SPARE * num_negatives)
    parts: list[tuple[np.ndarray, ...]] = []
    for c, (mine, is_open, _) in verdicts.items():
        here = slots.place[mine]
        rate, ratio = balanced_rates(p[c], here, index.classes[c], share[mine], temperature)
        rate = (rate * model.pass_ratio(c)[here] * is_open * ONE).astype(np.int64)
        drawn = np.flatnonzero(rate > 0)
        at, place = np.divmod(drawn, rate.shape[1])
        parts.append((mine[at], place, rate.ravel()[drawn], ratio.ravel()[drawn]))
    replaced = sum(len(part[0]) for part in parts)
    swaps = list(_exchange_candidates(slots, exchanges, verdicts, p, exchange_share, temperature))
    parts += [tuple(np.array([value]) for value in swap[1:]) for swap in swaps]
    if not parts:
        return Candidates(*np.zeros((6, 0), dtype=np.int64))
    slot, place, rate, ratio = (np.concatenate(column) for column in zip(*parts, strict=True))
    other = np.full(len(slot), -1)
    other[replaced:] = [swap[0] for swap in swaps]
    row = slots.row[slot]
    # Rows that add up to more than is wanted are cut down to that.
    factor = np.minimum(1, num_negatives * ONE / np.maximum(np.bincount(row, rate), 1))
    return Candidates(row, slot, other, place, (rate * factor[row]).astype(np.int64), ratio)


def _exchange_candidates(
    slots: SlotTable,
    exchanges: Sequence[Exchange],
    verdicts: dict[int, Verdicts],
    p: dict[int, np.ndarray],
    share: np.ndarray,
    temperature: float,
) -> Iterator[tuple[int, int, int, int, float]]:
    """Yield the second slot, the first, and form, rate and ratio of the first.

    The rate is min(1, ratio) share, the ratio p(w2 at 1) p(w1 at 2) / (p(w1 at 1) p(w2 at 2)).
    """
    for exchange, most in zip(exchanges, share.tolist(), strict=True):
        first, second = exchange
        of_class = slots.of_class[first]
        at_first, at_second = (p[of_class][np.searchsorted(verdicts[of_class].slots, slot)] for slot in exchange)
        here, there = slots.place[first], slots.place[second]
        now = at_first[here] * at_second[there]
        odds = float(at_first[there] * at_second[here] / now) ** (1 / temperature) if now > 0 else 0.0
        rate = int(min(1.0, odds) * min(1.0, most) * ONE)
        if rate:
            yield second, first, int(there), rate, odds


def draw_systematically(row: np.ndarray, rate: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Draw candidates with exactly their rates: one step of a row's ladder at `begin`, the next one a whole ONE on.

    Args:
        row: (N,) sorted.
        rate: (N,) integers, at most ONE each.
        begins: (B,) integers from 0 to ONE - 1, one for each row; uniform ones make the rates exact.

    Returns:
        Which candidates are drawn; of each row the sum of its rates, rounded up or down.

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
    high = ends - base - begins[row]
    return np.flatnonzero((high + ONE - 1) >> BITS > (high - rate + ONE - 1) >> BITS)


def to_picks(candidates: Candidates, chosen: np.ndarray, slots: SlotTable, index: LexiconIndex) -> Picks:
    """The chosen candidates in words."""
    picked = Candidates(*(column[chosen] for column in candidates))
    first, other = picked.slot, picked.other
    classes = [index.classes[c] for c in slots.of_class[first].tolist()]
    columns = (slots.start[first], slots.end[first], picked.place)
    edits = [
        [(start, end, of_class.forms[place])]
        for of_class, start, end, place in zip(classes, *(column.tolist() for column in columns), strict=True)
    ]
    operators = [REPLACE] * len(edits)
    for i in np.flatnonzero(other >= 0).tolist():
        operators[i] = EXCHANGE
        old = classes[i].forms[slots.place[first[i]]]
        edits[i].append((int(slots.start[other[i]]), int(slots.end[other[i]]), old))
    concepts = [of_class.concept for of_class in classes]
    return Picks(picked.row.tolist(), edits, operators, concepts, picked.ratio.astype(np.float32).tolist())
