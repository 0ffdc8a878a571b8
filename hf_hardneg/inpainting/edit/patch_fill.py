"""Fill a hole with patches of its surroundings.

1. Build an image pyramid down to a level where the hole is a few pixels thick.
2. Find the nearest source patch of each target patch that touches the hole.
3. Let the patches that overlap a pixel vote for its color; go to the next finer level.

After Wexler, Shechtman, Irani, *Space-Time Completion of Video*, 2007, and Barnes et al., *PatchMatch*, 2009.
"""

import numpy as np

from ..opencv import cv2


RADIUS = 3  # patches of 7 x 7 pixels
MAX_SOURCES = 6000  # source patches at the coarsest level, where each is compared with each target
CANNOT_FILL = "the hole's surroundings are too small to fill it from"

_OFFSETS = [(dy, dx) for dy in range(-RADIUS, RADIUS + 1) for dx in range(-RADIUS, RADIUS + 1)]


class _Level:
    """One pyramid level: an image with a hole, the target patches that touch it, and the source patches."""

    def __init__(self, image: np.ndarray, hole: np.ndarray, usable: np.ndarray) -> None:
        self.image = image.astype(np.float32)
        self.hole = hole
        side = 2 * RADIUS + 1
        border = np.zeros(hole.shape, bool)
        border[RADIUS:-RADIUS, RADIUS:-RADIUS] = True
        whole = cv2.erode((usable & ~hole).astype(np.uint8), np.ones((side, side), np.uint8)) > 0
        self.is_source = whole & border
        near = cv2.dilate(hole.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
        self.targets = np.argwhere(near & border)
        self.target_index = np.full(hole.shape, -1)  # of the target centered on a pixel; -1 where there is none
        self.target_index[tuple(self.targets.T)] = np.arange(len(self.targets))

    def patches(self, centers: np.ndarray) -> np.ndarray:
        """Return the patches, (N, 147), around N centers, (N, 2) of row and column."""
        side = 2 * RADIUS + 1
        windows = np.lib.stride_tricks.sliding_window_view(self.image, (side, side), axis=(0, 1))
        return windows[centers[:, 0] - RADIUS, centers[:, 1] - RADIUS].reshape(len(centers), -1)

    def vote(self, sources: np.ndarray, distances: np.ndarray) -> None:
        """Fill each pixel of the hole with the weighted mean of the patches over it. Close matches weigh more."""
        scale = np.percentile(distances, 60) + 1e-3
        weights = np.exp(-distances / scale).astype(np.float32) + 1e-6
        total = np.zeros((*self.hole.shape, 1), np.float32)
        colors = np.zeros_like(self.image)
        for dy, dx in _OFFSETS:
            rows, columns = self.targets[:, 0] + dy, self.targets[:, 1] + dx
            total[rows, columns, 0] += weights
            colors[rows, columns] += weights[:, None] * self.image[sources[:, 0] + dy, sources[:, 1] + dx]
        filled = self.hole & (total[..., 0] > 0)
        self.image[filled] = colors[filled] / total[filled]

    def match_all(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the best source of each target and its distance, by comparing all with all."""
        candidates = np.argwhere(self.is_source)
        if len(candidates) > MAX_SOURCES:
            candidates = candidates[np.sort(rng.choice(len(candidates), MAX_SOURCES, replace=False))]
        source, target = self.patches(candidates), self.patches(self.targets)
        squares = (source**2).sum(1)

        def nearest(part: np.ndarray) -> np.ndarray:
            products = (2 * part) @ source.T  # (N, S), so large that each further array of its size would be felt
            return np.subtract(squares, products, out=products).argmin(1)

        best = np.concatenate([nearest(part) for part in np.array_split(target, len(target) // 2000 + 1)])
        chosen = candidates[best]
        return chosen, ((self.patches(chosen) - target) ** 2).mean(1)

    def improve(self, sources: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Improve the sources once: propagate from the neighbors, then search at random around each source."""
        target = self.patches(self.targets)
        best, distances = sources.copy(), ((self.patches(sources) - target) ** 2).mean(1)
        height, width = self.hole.shape
        steps = [(0, 1), (0, -1), (1, 0), (-1, 0), (0, 4), (0, -4), (4, 0), (-4, 0)]
        for step in [*steps, max(height, width) // 4, 12, 3]:
            if isinstance(step, tuple):
                beside = self.targets + step
                beside = np.clip(beside, 0, (height - 1, width - 1))
                neighbor = self.target_index[tuple(beside.T)]
                candidate = np.where(neighbor[:, None] >= 0, best[neighbor] - step, best)
            else:
                candidate = best + rng.integers(-step, step + 1, best.shape)
            candidate = np.clip(candidate, RADIUS, (height - 1 - RADIUS, width - 1 - RADIUS))
            allowed = np.flatnonzero(self.is_source[tuple(candidate.T)])
            distance = ((self.patches(candidate[allowed]) - target[allowed]) ** 2).mean(1)
            better = distance < distances[allowed]
            best[allowed[better]], distances[allowed[better]] = candidate[allowed[better]], distance[better]
        return best, distances


def _pyramid(image: np.ndarray, hole: np.ndarray, usable: np.ndarray) -> list[_Level]:
    """Return the levels from coarse, where the hole is a few pixels thick, to fine."""
    levels = [_Level(image, hole, usable)]
    while min(hole.shape) >= 64 and cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3).max() > 3:
        size = (hole.shape[1] // 2, hole.shape[0] // 2)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        hole = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        usable = cv2.resize(usable.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.99
        levels.append(_Level(image, hole, usable))
    return levels[::-1]


def _carry_over(coarse: _Level, sources: np.ndarray, fine: _Level) -> np.ndarray:
    """Scale the sources of the coarse level up. Each that is not usable moves to the nearest usable pixel."""
    height, width = coarse.hole.shape
    parent = np.clip(fine.targets // 2, RADIUS, (height - 1 - RADIUS, width - 1 - RADIUS))
    index = coarse.target_index[tuple(parent.T)]
    known = np.argwhere(coarse.target_index >= 0)
    for i in np.flatnonzero(index < 0):
        index[i] = coarse.target_index[tuple(known[((known - parent[i]) ** 2).sum(1).argmin()])]
    doubled = sources[index] * 2 + fine.targets - coarse.targets[index] * 2
    limit = (fine.hole.shape[0] - 1 - RADIUS, fine.hole.shape[1] - 1 - RADIUS)
    doubled = np.clip(doubled, RADIUS, limit)
    _, nearest = cv2.distanceTransformWithLabels(
        (~fine.is_source).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    position = np.zeros((nearest.max() + 1, 2), int)
    usable = np.argwhere(fine.is_source)
    position[nearest[tuple(usable.T)]] = usable
    return position[nearest[tuple(doubled.T)]]


def fill_hole(image: np.ndarray, hole: np.ndarray, usable: np.ndarray, rng: np.random.Generator) -> np.ndarray | str:
    """Fill a hole from the photo around it.

    Args:
        image: (H, W, 3) uint8, RGB.
        hole: (H, W) bool with at least one True pixel.
        usable: (H, W) bool, the pixels that may be copied. Other objects must be False, or they would appear twice.
        rng: Drives the random search.

    Returns:
        The filled image, (H, W, 3) uint8, changed only in the hole, or the reason why it cannot be filled.

    Reference:
        Barnes et al. 2009, PatchMatch, https://doi.org/10.1145/1531326.1531330
    """
    rows, columns = np.nonzero(hole)
    margin = 32 + int(max(np.ptp(rows), np.ptp(columns)) * 0.6)
    top, left = max(0, rows.min() - margin), max(0, columns.min() - margin)
    part = np.s_[top : rows.max() + margin + 1, left : columns.max() + margin + 1]
    # Padding lets patches reach the pixels at the photo's edge.
    frame = ((RADIUS, RADIUS), (RADIUS, RADIUS))
    padded = np.pad(image[part], (*frame, (0, 0)), mode="reflect")
    padded_hole = np.pad(hole[part], frame, mode="reflect")
    levels = _pyramid(padded, padded_hole, np.pad(usable[part], frame, mode="reflect"))
    if any(level.is_source.sum() < 60 or not len(level.targets) for level in levels):
        return CANNOT_FILL
    first = levels[0]
    guess = cv2.inpaint(first.image.round().astype(np.uint8), first.hole.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    first.image[first.hole] = guess[first.hole]
    for _ in range(8):
        sources, distances = first.match_all(rng)
        first.vote(sources, distances)
    for coarse, fine in zip(levels, levels[1:], strict=False):
        sources = _carry_over(coarse, sources, fine)
        fine.vote(sources, np.ones(len(sources), np.float32))
        for _ in range(3):
            sources, distances = fine.improve(sources, rng)
            fine.vote(sources, distances)
    filled = image.copy()
    inner = levels[-1].image[RADIUS:-RADIUS, RADIUS:-RADIUS].round().clip(0, 255).astype(np.uint8)
    filled[part][hole[part]] = inner[hole[part]]
    return filled
