"""Bootstrap intervals of means over items, and over seeds and items."""

import numpy as np


RESAMPLES = 2000


def bootstrap_interval(*parts: np.ndarray, seed: int = 0, level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean, or of the unweighted mean of several parts' means.

    Args:
        *parts: One array per part, such as a concept: (N,) one value per item, or (S, N) of S training seeds on the
            same items. Seeds are drawn first, the same for all parts, and items within each part, so that both
            sources of chance widen the interval.
        seed: Seeds the resampling.
        level: Coverage.

    Returns:
        (low, high), in the unit of the values.

    Raises:
        ValueError: If a part has no values or the parts differ in the number of seeds.
    """
    tables = [np.atleast_2d(part) for part in parts]
    shapes = [table.shape for table in tables]
    if not tables or any(table.size == 0 or table.ndim != 2 for table in tables) or len({s for s, _ in shapes}) > 1:
        raise ValueError(f"Values of shapes {shapes} have no interval; expected (N,) or (S, N) with one S, not empty.")
    rng = np.random.default_rng(seed)
    seeds = shapes[0][0]
    means = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        rows = rng.integers(seeds, size=seeds)
        draws = (table[rows].mean(axis=0)[rng.integers(table.shape[1], size=table.shape[1])] for table in tables)
        means[i] = np.mean([draw.mean() for draw in draws])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def grouped_interval(
    values: np.ndarray, groups: np.ndarray, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `values`, drawing whole groups and not single rows.

    Args:
        values: (N,).
        groups: (N,), equal for rows that belong together, such as a caption's negatives.
        seed: Seeds the resampling.
        level: Coverage.

    Returns:
        (low, high), in the unit of the values.
    """
    _, index = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(index, values), np.bincount(index)
    even = np.full(len(sums), 1 / len(sums))
    rng = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        drawn = rng.multinomial(len(sums), even)
        means[i] = (drawn @ sums) / (drawn @ sizes)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
