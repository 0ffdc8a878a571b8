"""Image-text retrieval: what hard negatives may cost."""

from typing import Any

import numpy as np
from datasets import Dataset

from ..columns import CAPTION, IMAGE, IMAGE_ID
from .encoding import encode_images, encode_texts


def retrieval_outcomes(scores: np.ndarray, owner: np.ndarray, ks: tuple[int, ...] = (1, 5)) -> dict[str, np.ndarray]:
    """Which queries find a match among their k best; a tie counts against the match.

    Args:
        scores: (I, T) scores of I images and T captions.
        owner: (T,) the image that each caption describes.
        ks: Cut-offs.

    Returns:
        "image_to_text_R@k": (I,) and "text_to_image_R@k": (T,), 1.0 for a hit, else 0.0.

    Example:
        >>> retrieval_outcomes(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]), ks=(1,))
        {'image_to_text_R@1': array([1., 0.]), 'text_to_image_R@1': array([1., 1.])}
    """
    belongs = owner[None] == np.arange(len(scores))[:, None]  # (I, T)
    best = np.where(belongs, scores, -np.inf).max(axis=1, keepdims=True)
    image_rank = ((scores >= best) & ~belongs).sum(axis=1)
    own = scores[owner, np.arange(len(owner))]
    text_rank = ((scores >= own[None]) & ~belongs).sum(axis=0)
    outcomes = {f"image_to_text_R@{k}": (image_rank < k).astype(float) for k in ks}
    return outcomes | {f"text_to_image_R@{k}": (text_rank < k).astype(float) for k in ks}


def score_retrieval(model: Any, processor: Any, rows: Dataset) -> dict[str, np.ndarray]:
    """Retrieval among the images and captions of `rows` (`columns.ROW_FEATURES`); rows of one image share it."""
    ids = rows[IMAGE_ID][:]
    first_rows = {image_id: i for i, image_id in reversed(list(enumerate(ids)))}
    place = {image_id: i for i, image_id in enumerate(sorted(first_rows))}
    images = encode_images(model, processor, rows.select([first_rows[image_id] for image_id in place])[IMAGE])
    texts = encode_texts(model, processor, rows[CAPTION])
    return retrieval_outcomes((images @ texts.T).numpy(), np.array([place[image_id] for image_id in ids]))
