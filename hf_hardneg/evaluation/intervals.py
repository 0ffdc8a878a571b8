"""Bootstrap intervals of means over items, and over seeds and items."""

import numpy as np


RESAMPLES = 2000


def bootstrap_interval(values: np.ndarray, seed: int = 0, level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean.

    Args:
        values: (N,) one value per item, or (S, N) of S training seeds on the same items: then seeds are drawn first
            and items within, so that both sources of chance widen the interval.
        seed: Seeds the resampling.
        level: Coverage.

    Returns:
        (low, high), in the unit of the values.

    Raises:
        ValueError: If there are no values.
    """
    table = np.atleast_2d(values)
    if table.size == 0 or table.ndim != 2:
        raise ValueError(f"Values of shape {values.shape} have no interval; expected (N,) or (S, N), not empty.")
    rng = np.random.default_rng(seed)
    seeds, items = table.shape
    means = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        rows, columns = rng.integers(seeds, size=seeds), rng.integers(items, size=items)
        means[i] = table[rows].mean(axis=0)[columns].mean()
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
