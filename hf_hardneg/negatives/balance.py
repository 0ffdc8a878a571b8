"""Rates at which words replace each other, so that nobody who knows p can tell which of two was there first. Pure.

A slot has the forms w with the probabilities p(w). The flow F(w, w') is how often a caption with w gets the negative
with w'. Where F(w, w') = F(w', w), each of the two is the caption equally often. `balanced_rates` makes flows that are
symmetric for each pair of forms and as large as they can be.
"""

from typing import NamedTuple

import numpy as np


GRAIN = 2.0**40  # numbers are multiples of 1 / GRAIN: sums are exact in any order
SCALING_STEPS = 8  # after these, the rates of nearly all slots sum to their limit


class Rates(NamedTuple):
    """What may replace the present forms of N slots.

    Attributes:
        rate: (N, V) rates from 0 to 1: the negatives with each form per caption.
        ratio: (N, V): p(form) / p(present form), 0 where that is not known.
    """

    rate: np.ndarray
    ratio: np.ndarray


def balanced_rates(
    p: np.ndarray, form: np.ndarray, opposed: np.ndarray, limit: np.ndarray, temperature: float
) -> Rates:
    """Rates with flows that are symmetric: p(w) rate(w -> w') = p(w') rate(w' -> w).

    The flow of w and w' is min(limit a(w) a(w') p(w) p(w'), p(w), p(w')). The factors a make the flows of each form
    sum to its own probability if that can be, as Sinkhorn and Knopp scale matrices.

    Args:
        p: (N, V) probabilities of the forms.
        form: (N,) the present forms.
        opposed: (V, V), 1 where two forms can replace each other, else 0. Symmetric.
        limit: (N,) above 0, the most that the rates of a slot may sum to.
        temperature: At 1, flows are symmetric under p. Above 1, they are symmetric under p^(1 / temperature), which is
            flatter: more captions get a negative, and readers who know p can tell more of them.

    Reference:
        Sinkhorn and Knopp 1967, https://doi.org/10.2140/pjm.1967.21.343
    """
    if temperature != 1:
        p = p ** (1 / temperature)
        p = p / np.maximum(p.sum(-1, keepdims=True), 1e-300)
    p = _rounded(p)
    rows = np.arange(len(form))
    factor, shrink = _scale(p, opposed)
    present = p[rows, form][:, None]
    ratio = np.divide(p, present, out=np.zeros_like(p), where=present > 0)
    own = (limit * factor[rows, form])[:, None] * np.minimum(shrink, shrink[rows, form][:, None])
    rate = np.minimum(np.minimum(own * factor * p, 1), ratio) * opposed[form]
    return Rates(rate, ratio)


def _rounded(numbers: np.ndarray) -> np.ndarray:
    return np.round(numbers * GRAIN) / GRAIN


def _scale(p: np.ndarray, opposed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The factors a, (N, V), and what each form's flows must be shrunk by to sum to its probability at most."""
    factor = np.ones_like(p)
    for _ in range(SCALING_STEPS):
        reached = _rounded(factor * p) @ opposed
        factor = np.sqrt(factor / np.maximum(reached, 1e-6))
    reached = factor * (_rounded(factor * p) @ opposed)
    return factor, 1 / np.maximum(reached, 1)
