"""Choose which negatives to make: an inclusion probability for each candidate, then systematic sampling. Pure.

Input are the slots of a batch of captions, the exchanges between them, and the forms that the truth filter allows.
Output are the drawn negatives with the words that change.

1. Each replacement gets a rate whose flow is symmetric between the two words under the slot model (`balance`).
2. A caption has K negatives at most, so its slots share them. What a slot gets depends on the other slots alone, so
   that it is the same for a caption and its negative: flows stay symmetric. These are the inclusion probabilities.
3. Systematic sampling draws the candidates of each caption, each with exactly its inclusion probability.

All steps are numpy over the whole batch, one class of words at a time. So a caption costs microseconds.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..lexicon.index import LexiconIndex
from .balance import balanced_rates
from .exchanges import Exchange
from .slot_features import SlotTable
from .slot_model import SlotModel
from .truth_filter import FilterResult


_NODES = 12  # of a Gauss-Legendre quadrature, which is exact for up to 24 slots in a caption
# Inclusion probabilities are integers with 32 binary digits after the point: their sums are exact in any order.
FRACTION_BITS = 32
CERTAIN = 2**FRACTION_BITS  # an inclusion probability of 1
REPLACE, EXCHANGE = "replace", "exchange"


class SlotChoices(NamedTuple):
    """What can change in a batch of captions.

    Attributes:
        slots: N slots of B captions.
        exchanges: Pairs of slots that can change places; slots are numbered through the batch.
        filtered: What the truth filter allows in the slots of each class, by the class's index.
    """

    slots: SlotTable
    exchanges: Sequence[Exchange]
    filtered: dict[int, FilterResult]


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


class Candidates(NamedTuple):
    """N possible negatives as columns.

    Attributes:
        row: (N,) caption of the batch.
        slot: (N,) slot whose words change.
        other: (N,) second slot of an exchange, or -1.
        form: (N,) new form of `slot`.
        inclusion: (N,) inclusion probability, an integer; `CERTAIN` is 1.
        ratio: (N,) p(negative) / p(caption) by the slot model.
    """

    row: np.ndarray
    slot: np.ndarray
    other: np.ndarray
    form: np.ndarray
    inclusion: np.ndarray
    ratio: np.ndarray

    def _likely(self) -> "Candidates":
        """Those whose inclusion probability is not 0."""
        return Candidates(*(column[self.inclusion > 0] for column in self))


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


def _limits(choices: SlotChoices, index: LexiconIndex, settings: DrawSettings) -> tuple[np.ndarray, np.ndarray]:
    """(N,) and (E,): the most negatives of each slot and exchange. They depend on no word that can change.

    A concept's share is its weight over the largest weight of the caption's concepts.
    """
    slots = choices.slots
    names = list(index.lexicon.concepts)
    weights = np.array([settings.concept_weights[names.index(of_class.concept)] for of_class in index.classes])
    weight = weights[slots.of_class]
    largest = np.zeros(1 + slots.row.max(initial=0))
    np.maximum.at(largest, slots.row, weight)
    limit = settings.num_negatives * weight / np.maximum(largest[slots.row], 1e-300)
    firsts = [exchange.first for exchange in choices.exchanges]
    return limit, limit[firsts]


def _fitting_forms(choices: SlotChoices, model: SlotModel) -> dict[int, np.ndarray]:
    """For each class, (N, V) bool: the forms that fit, also beside the words a slot is tied to."""
    fitting = {}
    for c, result in choices.filtered.items():
        fitting[c] = result.fits
        if len(model.examples.beside):
            columns = (choices.slots.form, choices.slots.ties, choices.slots.tied_to)
            beside = model.tied_forms.fits(c, result.fits.shape[1], *(column[result.slots] for column in columns))
            fitting[c] = result.fits & beside
    return fitting


def find_candidates(choices: SlotChoices, model: SlotModel, index: LexiconIndex, settings: DrawSettings) -> Candidates:
    """Find all candidates that are not known to be true, each with its inclusion probability.

    Args:
        choices: The slots of B captions and what can change in them.
        model: Scores the slots.
        index: The vocabulary.
        settings: Concept weights, K and temperature.

    Returns:
        Replacements, then exchanges. The inclusion probabilities of a caption sum to K at most.
    """
    slots = choices.slots
    fold = slots.fold()
    limit, exchange_limit = _limits(choices, index, settings)
    fitting = _fitting_forms(choices, model)
    rows, total = slots.row, np.zeros(len(slots.row))
    p, parts = {}, []
    for c, result in choices.filtered.items():
        of_c = result.slots
        p[c] = model.probabilities(c, slots.features.take(of_c), fold[of_c])
        present, opposed = slots.form[of_c], index.classes[c].opposed
        rates = balanced_rates(p[c] * fitting[c], present, opposed, limit[of_c], settings.temperature)
        total[of_c] = rates.rate.sum(-1)
        at, form = np.nonzero(rates.rate)
        parts.append((of_c[at], of_c[at], np.full(len(at), -1), form, rates.rate[at, form], rates.ratio[at, form]))
    exchanged = list(_exchange_candidates(choices, p, exchange_limit, settings.temperature))
    if exchanged:
        first, second, form, rate, ratio = map(np.array, zip(*exchanged, strict=True))
        parts.append((len(total) + np.arange(len(first)), first, second, form, rate, ratio))
        rows, total = np.append(rows, slots.row[first]), np.append(total, rate)
    if not parts:
        return Candidates(*np.zeros((6, 0), dtype=np.int64))
    source, slot, other, form, rate, ratio = (np.concatenate(column) for column in zip(*parts, strict=True))
    inclusion = rate * shares_of_captions(rows, total, settings.num_negatives)[source]
    return Candidates(slots.row[slot], slot, other, form, (inclusion * CERTAIN).astype(np.int64), ratio)._likely()


def shares_of_captions(row: np.ndarray, total: np.ndarray, num_negatives: int) -> np.ndarray:
    """What share of its negatives each slot gets, so that its caption has K at most.

    Each slot comes at a random time u. It gets its negatives unless an earlier slot of the caption has had them. So
    its share is the integral over u from 0 to 1 of the product of 1 - u total / K over the other slots.

    Args:
        row: (N,) caption of each slot.
        total: (N,) negatives of each slot if it were alone, 0 to K.
        num_negatives: K.

    Returns:
        (N,) shares from 0 to 1. The totals of a caption, each times its share, sum to K at most.

    Examples:
        >>> shares_of_captions(np.array([0, 0, 1]), np.array([1.0, 0.5, 1.0]), 1)
        array([0.75, 0.5 , 1.  ])
    """
    order = np.argsort(row, kind="stable")
    is_first = np.diff(row[order], prepend=-1) != 0
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    left = 1 - np.outer(total[order] / num_negatives, (nodes + 1) / 2)
    of_captions = np.multiply.reduceat(left, np.flatnonzero(is_first))
    shares = np.empty(len(order))
    shares[order] = (of_captions[np.cumsum(is_first) - 1] / left) @ (weights / 2)
    return shares


def _exchange_candidates(
    choices: SlotChoices, p: dict[int, np.ndarray], limit: np.ndarray, temperature: float
) -> Iterator[tuple[int, int, int, float, float]]:
    """Yield (first slot, second slot, new form of the first, rate, ratio) of each exchange.

    The ratio is p(w2 at 1) p(w1 at 2) / (p(w1 at 1) p(w2 at 2)) to the power 1 / temperature. The rate is
    min(1, ratio) times the limit, which is 1 at most.
    """
    slots, filtered = choices.slots, choices.filtered
    for (first, second), most in zip(choices.exchanges, limit.tolist(), strict=True):
        c = slots.of_class[first]
        at_first, at_second = (p[c][np.searchsorted(filtered[c].slots, slot)] for slot in (first, second))
        form1, form2 = slots.form[first], slots.form[second]
        before = at_first[form1] * at_second[form2]
        ratio = float(at_first[form2] * at_second[form1] / before) ** (1 / temperature) if before > 0 else 0.0
        rate = min(1.0, ratio) * min(1.0, most)
        if rate > 0:
            yield first, second, int(form2), rate, ratio


def draw_systematically(row: np.ndarray, inclusion: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Draw candidates by systematic sampling, each with exactly its inclusion probability.

    The probabilities of a caption are laid end to end on a line. Points stand on that line at the random start, one
    further on, two further on and so forth. A candidate is drawn if a point falls into its part of the line. Source:
    Madow 1949, https://doi.org/10.1214/aoms/1177729988.

    Args:
        row: (N,) caption of each candidate, sorted.
        inclusion: (N,) integers up to `CERTAIN`, which is a probability of 1.
        starts: (B,) integers from 0 to `CERTAIN` - 1, the random start of each caption. They must be uniform.

    Returns:
        Indices of the drawn candidates. Their number in a caption is the sum of its probabilities, rounded up or
        down.

    Examples:
        >>> inclusion = np.array([CERTAIN, CERTAIN // 2, CERTAIN // 2])
        >>> draw_systematically(np.array([0, 0, 0]), inclusion, np.array([CERTAIN // 4]))
        array([0, 1])
    """
    if not len(row):
        return np.empty(0, np.int64)
    ends = np.cumsum(inclusion)
    is_first = np.append(True, row[1:] != row[:-1])
    firsts = np.flatnonzero(is_first)
    base = (ends - inclusion)[firsts][np.cumsum(is_first) - 1]
    high = ends - base - starts[row]
    low = high - inclusion
    return np.flatnonzero((high + CERTAIN - 1) >> FRACTION_BITS > (low + CERTAIN - 1) >> FRACTION_BITS)


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
