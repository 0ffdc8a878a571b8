import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_hardneg.negatives.sampling import CERTAIN, draw_systematically, shares_of_captions


@given(st.lists(st.lists(st.integers(1, 8), max_size=6), min_size=1, max_size=5), st.integers(0, 7))
def test_every_candidate_is_drawn_exactly_as_often_as_its_rate_says(eighths, shift):
    row = np.repeat(np.arange(len(eighths)), [len(of_row) for of_row in eighths])
    rate = np.array([n * CERTAIN // 8 for of_row in eighths for n in of_row], dtype=np.int64)
    drawn = np.zeros(len(rate))
    for begin in range(8):
        begins = (begin + shift * np.arange(len(eighths))) % 8 * (CERTAIN // 8)
        chosen = draw_systematically(row, rate, begins)
        drawn[chosen] += 1
        per_row = np.bincount(row[chosen], minlength=len(eighths))
        exact = [sum(of_row) / 8 for of_row in eighths]
        assert all(abs(n - x) < 1 for n, x in zip(per_row, exact, strict=True))
    assert (drawn == rate * 8 // CERTAIN).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=5), min_size=1, max_size=4), st.integers(1, 3))
def test_shares_of_a_caption_are_those_of_slots_in_all_orders_and_sum_to_k_at_most(captions, k):
    row = np.repeat(np.arange(len(captions)), [len(totals) for totals in captions])
    total = k * np.concatenate(captions)
    mixed = np.random.default_rng(0).permutation(len(row))
    shares = np.empty(len(row))
    shares[mixed] = shares_of_captions(row[mixed], total[mixed], k)
    expected = []
    for totals in captions:
        for slot in range(len(totals)):
            of_orders = [
                math.prod(1 - totals[other] for other in order[: order.index(slot)])
                for order in itertools.permutations(range(len(totals)))
            ]
            expected.append(np.mean(of_orders))
    assert shares == pytest.approx(np.array(expected))
    assert (np.bincount(row, shares * total) <= k + 1e-9).all()
