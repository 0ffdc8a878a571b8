"""How often an image's caption scores above its own hard negatives: the only task that needs no second image."""

from collections.abc import Sequence

import numpy as np


def negatives_accuracy(scores: np.ndarray, concept_ids: np.ndarray, concepts: Sequence[str]) -> dict[str, float]:
    """Share of negatives that score below their caption, in percent; a tie is wrong.

    Args:
        scores: (N, 1 + K), column 0 the caption, then its negatives.
        concept_ids: (N, K), the place in `concepts` of each negative, below 0 where there is none.
        concepts: Names of the concepts.

    Returns:
        "accuracy" over all negatives and "accuracy_<concept>" for each concept that occurs; empty without negatives.

    Examples:
        >>> negatives_accuracy(np.array([[0.5, 0.4, 0.5]]), np.array([[0, 1]]), ["object", "color"])
        {'accuracy': 50.0, 'accuracy_object': 100.0, 'accuracy_color': 0.0}
    """
    if scores.shape[1] != concept_ids.shape[1] + 1:
        raise ValueError(f"Scores {scores.shape} need one column more than concept ids {concept_ids.shape}.")
    right = scores[:, :1] > scores[:, 1:]
    present = concept_ids >= 0
    result = {"accuracy": 100 * float(right[present].mean())} if present.any() else {}
    for i, concept in enumerate(concepts):
        if (concept_ids == i).any():
            result[f"accuracy_{concept}"] = 100 * float(right[concept_ids == i].mean())
    return result
