"""Inpainted pairs: which of two captions that differ in one concept belongs to which of two images."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from datasets import Dataset

from .encoding import encode_images, encode_texts


Outcomes = dict[str, dict[str, np.ndarray]]
"""concept -> score name -> (N,) share of an item's choices that were right, in [0, 1]."""

CHANCE = {"image_to_text": 50.0, "text_to_image": 50.0, "group": 100 / 6}
"""Expected scores, in percent, of a model that scores at random."""


def choice_outcomes(scores: np.ndarray) -> dict[str, np.ndarray]:
    """Turn the four scores of each pair into right and wrong choices; a tie is wrong.

    Args:
        scores: (N, 2, 2), `scores[n, i, j]` is how well image i of pair n fits caption j; i = j belong together.

    Returns:
        image_to_text: (N,) share of the two images for which the own caption scores higher.
        text_to_image: (N,) share of the two captions for which the own image scores higher.
        group: (N,) 1.0 where all four choices are right, else 0.0 (Winoground, Thrush et al. 2022).

    Raises:
        ValueError: If the scores are not (N, 2, 2).

    Example:
        >>> choice_outcomes(np.array([[[2.0, 1.0], [0.0, 1.0]]]))  # caption 1 fits both images equally well
        {'image_to_text': array([1.]), 'text_to_image': array([0.5]), 'group': array([0.])}
    """
    if scores.ndim != 3 or scores.shape[1:] != (2, 2):
        raise ValueError(f"Pair scores have shape {scores.shape}, expected (N, 2, 2).")
    own, other = scores[:, (0, 1), (0, 1)], scores[:, (0, 1), (1, 0)]  # (N, 2): image i with caption i, with the other
    by_image, by_caption = own > other, own > other[:, ::-1]
    return {
        "image_to_text": by_image.mean(axis=1),
        "text_to_image": by_caption.mean(axis=1),
        "group": (by_image & by_caption).all(axis=1).astype(float),
    }


def score_pairs(model: Any, processor: Any, pairs: Dataset) -> Outcomes:
    """Let a model choose on every pair; `pairs` has the columns of `columns.PAIR_FEATURES`."""
    images = [encode_images(model, processor, pairs[name]) for name in ("coco_image", "inpaint_image")]
    texts = [encode_texts(model, processor, pairs[name]) for name in ("coco_caption", "inpaint_caption")]
    scores = np.stack([np.stack([(i * t).sum(-1).numpy() for t in texts], axis=-1) for i in images], axis=1)
    outcomes = choice_outcomes(scores)
    concepts = np.array(pairs["concept"][:])
    return {
        concept: {name: values[concepts == concept] for name, values in outcomes.items()}
        for concept in dict.fromkeys(concepts.tolist())
    }


def summarize_pairs(outcomes: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict[str, float]]:
    """Mean scores in percent per concept, and their unweighted mean over concepts as "macro"."""
    means = {c: {name: 100 * float(v.mean()) for name, v in scores.items()} for c, scores in outcomes.items()}
    names = next(iter(means.values()))
    means["macro"] = {name: float(np.mean([scores[name] for scores in means.values()])) for name in names}
    return means
