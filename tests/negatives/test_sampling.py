import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hf_hardneg.negatives.sampling import CERTAIN, draw_systematically


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
