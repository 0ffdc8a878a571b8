"""Percentile bootstrap intervals of means, also over training seeds, and of differences between two models.

Items that show the same photo depend on each other. So whole clusters of items are drawn, not single items: the
cluster bootstrap (Davison and Hinkley, Bootstrap Methods and Their Application, 1997, section 3.8). The percentile
interval leaves out equal shares of the resampled means at both ends (Efron and Tibshirani, An Introduction to the
Bootstrap, 1993, chapter 13).
"""

import numpy as np

from ..finite import require_finite


RESAMPLES = 2000
LEVEL = 0.95
_BLOCK = 2**22  # how many cluster counts are held at a time, 32 MB


def resampled_means(
    values: np.ndarray, groups: np.ndarray, clusters: np.ndarray, seed: int = 0, stream: int = 0
) -> np.ndarray:
    """Compute the mean of each group in bootstrap samples.

    A sample draws training seeds and, independently of them, whole clusters. It is the same sample for all groups.

    Args:
        values: (S, N), of S training seeds on the same N items.
        groups: (N,) int, the group of each item, from 0 to G - 1.
        clusters: (N,) int, equal for items that depend on each other, such as those of one photo.
        seed: Seed of the draws of clusters. Two models with equal clusters and seed get equal draws, so that the
            difference of their means is a paired one.
        stream: Number of the draws of training seeds; models that are compared need different ones.

    Returns:
        The means, (RESAMPLES, G); nan where a sample has no item of a group.

    Raises:
        ValueError: If there are no values, the shapes disagree, or a value is not finite.

    Examples:
        >>> values, group, clusters = np.array([[0.0, 1.0, 1.0, 1.0]]), np.zeros(4, dtype=int), np.arange(4)
        >>> means = resampled_means(values, group, clusters)
        >>> means.shape, percentiles(means[:, 0])
        ((2000, 1), (0.25, 1.0))
    """
    if values.ndim != 2 or not values.size or values.shape[1:] != groups.shape or groups.shape != clusters.shape:
        raise ValueError(
            f"Values have shape {values.shape}, groups {groups.shape} and clusters {clusters.shape}; expected (S, N), "
            "(N,) and (N,), not empty."
        )
    require_finite(values, "values")
    _, cluster = np.unique(clusters, return_inverse=True)
    n_clusters, n_groups, n_seeds = int(cluster.max()) + 1, int(groups.max()) + 1, len(values)
    cell, size = cluster * n_groups + groups, n_clusters * n_groups
    sizes = np.bincount(cell, minlength=size).reshape(n_clusters, n_groups)
    sums = np.stack([np.bincount(cell, row, minlength=size) for row in values]).reshape(n_seeds, n_clusters, n_groups)
    rng, seed_rng = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1, stream])
    drawn_seeds = seed_rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=RESAMPLES) / n_seeds  # (R, S)
    means = np.empty((RESAMPLES, n_groups))
    step = max(1, _BLOCK // n_clusters)
    for start in range(0, RESAMPLES, step):
        part = slice(start, min(start + step, RESAMPLES))
        rows = part.stop - start
        draws = rng.integers(n_clusters, size=(rows, n_clusters)) + n_clusters * np.arange(rows)[:, None]
        drawn = np.bincount(draws.ravel(), minlength=rows * n_clusters).reshape(rows, n_clusters).astype(np.float64)
        totals = np.einsum("rs,srg->rg", drawn_seeds[part], drawn @ sums)
        with np.errstate(invalid="ignore"):
            means[part] = totals / (drawn @ sizes)
    return means


def percentiles(means: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """The percentile interval of resampled means.

    Args:
        means: (R,); nan is ignored.
        level: The share of the means in the interval, such as 0.95. Equal shares are left out at both ends.

    Returns:
        (low, high), in the unit of the means.
    """
    low, high = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def p_value(differences: np.ndarray) -> float:
    """Two-sided bootstrap p-value of the hypothesis that there is no difference.

    It is twice the smaller of two shares of samples: those at or below 0 and those at or above 0. One sample is added
    to each count, so that the value is never 0 (Davison and Hinkley, Bootstrap Methods and Their Application, 1997,
    section 4.2).

    Args:
        differences: Resampled differences, (R,); nan is ignored.

    Examples:
        >>> p_value(np.array([0.2] * 99))
        0.02
    """
    known = differences[~np.isnan(differences)]
    smaller = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2 * (1 + smaller) / (1 + len(known)))


def grouped_interval(
    values: np.ndarray, groups: np.ndarray, seed: int = 0, level: float = LEVEL
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean that draws whole groups of rows, not single rows.

    Args:
        values: (N,).
        groups: (N,), equal for rows that depend on each other, such as the negatives of one caption.
        seed: Seed of the draws.
        level: Coverage of the interval, between 0 and 1.

    Returns:
        (low, high), in the unit of the values.

    Examples:
        >>> grouped_interval(np.array([1.0, 1.0, 0.0, 0.0]), np.array([0, 0, 1, 1]))  # two groups, one all right
        (0.0, 1.0)
    """
    means = resampled_means(np.asarray(values, float)[None], np.zeros(len(values), np.int64), groups, seed)
    return percentiles(means[:, 0], level)
