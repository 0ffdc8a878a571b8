"""How often a caption scores above its own hard negatives for its image. No second image is needed."""

from collections.abc import Sequence

import numpy as np

from ..finite import require_finite


def negatives_accuracy(scores: np.ndarray, concept_ids: np.ndarray, concepts: Sequence[str]) -> dict[str, float]:
    """The share of negatives that score below their caption, in percent. A tie is wrong.

    Args:
        scores: Scores of an image with its caption (column 0) and its K negatives, (N, 1 + K).
        concept_ids: The number of each negative's concept in `concepts`, (N, K); below 0 for a missing negative.
        concepts: The names of the concepts.

    Returns:
        "accuracy" over all negatives, and "accuracy_<concept>" for each concept that occurs. Empty without negatives.

    Raises:
        ValueError: If the scores do not have one column more than the concept ids, or one of a caption or a negative
            is not finite.

    Examples:
        >>> negatives_accuracy(np.array([[0.5, 0.4, 0.5]]), np.array([[0, 1]]), ["object", "color"])
        {'accuracy': 50.0, 'accuracy_object': 100.0, 'accuracy_color': 0.0}
    """
    if scores.ndim != 2 or concept_ids.shape != (len(scores), scores.shape[1] - 1):
        raise ValueError(
            f"Scores have shape {scores.shape} and concept ids {concept_ids.shape}; expected (N, 1 + K) and (N, K)."
        )
    present = concept_ids >= 0
    require_finite(np.concatenate([scores[:, 0], scores[:, 1:][present]]), "scores")
    right = scores[:, :1] > scores[:, 1:]
    result = {"accuracy": 100 * float(right[present].mean())} if present.any() else {}
    for i, concept in enumerate(concepts):
        if (concept_ids == i).any():
            result[f"accuracy_{concept}"] = 100 * float(right[concept_ids == i].mean())
    return result
