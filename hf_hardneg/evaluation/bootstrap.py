"""Bootstrap intervals of means over items, drawn by image, over seeds and items, and of differences between models."""

import numpy as np


RESAMPLES = 2000
LEVEL = 0.95
_BLOCK = 2**22  # cluster counts at a time, 32 MB


def resampled_means(
    values: np.ndarray, groups: np.ndarray, clusters: np.ndarray, seed: int = 0, stream: int = 0
) -> np.ndarray:
    """Means of each group in bootstrap samples: seeds are drawn first, then whole clusters, the same for all groups.

    Args:
        values: (S, N) of S training seeds on the same N items.
        groups: (N,) int, from 0 to G - 1.
        clusters: (N,) int, equal for items that belong together, such as those of one image.
        seed: Seeds the draws of clusters: equal clusters and seeds give equal draws, so that models can be compared.
        stream: Tells apart the draws of training seeds of models that are compared.

    Returns:
        (RESAMPLES, G); nan where a sample has no item of a group.

    Raises:
        ValueError: If there are no values or the shapes disagree.
    """
    if values.ndim != 2 or not values.size or values.shape[1:] != groups.shape or groups.shape != clusters.shape:
        raise ValueError(
            f"Values {values.shape}, groups {groups.shape} and clusters {clusters.shape} have no interval; expected "
            "(S, N), (N,) and (N,), not empty."
        )
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
    """The interval of bootstrap means (R,) that leaves out as many on both sides; samples of nan are left out."""
    low, high = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def p_value(differences: np.ndarray) -> float:
    """Two-sided bootstrap p-value of "there is no difference", from resampled differences (R,).

    Twice the smaller share of samples at or beyond 0, one sample added so that it is never 0 (Davison and Hinkley,
    Bootstrap Methods and Their Application, 1997, section 4.2).

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
    """Percentile bootstrap interval of the mean of `values`, drawing whole groups and not single rows.

    Args:
        values: (N,).
        groups: (N,), equal for rows that belong together, such as a caption's negatives.
        seed: Seeds the resampling.
        level: Coverage.

    Returns:
        (low, high), in the unit of the values.
    """
    means = resampled_means(np.asarray(values, float)[None], np.zeros(len(values), np.int64), groups, seed)
    return percentiles(means[:, 0], level)
