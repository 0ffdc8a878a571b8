"""The wrong-image control: how often a model chooses the true text beside an image of another item.

Such a choice can only come from reading, because the image says nothing about the texts. What the right image adds to
it is what the model sees. The control costs no encoding: its scores are dot products of embeddings that are there.

    one image, several texts    each item gets the images of other photos    "_wrong_image" and "_by_looking"
    one text, several images    each item gets the texts of other photos     "_wrong_text" and "_by_reading"
    two images, two texts       no control is needed: each text is as often right as wrong, and each image, too, so
                                a model that looks at one side only scores no better than chance
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .choice_scores import LOWER_IS_BETTER, choice_outcomes
from .outcomes import Outcome


REPEATS = 16
"""How many other photos each item is tried with."""
SEED = 0
WRONG_IMAGE, BY_LOOKING = "_wrong_image", "_by_looking"
WRONG_TEXT, BY_READING = "_wrong_text", "_by_reading"
CONTROLS = (WRONG_IMAGE, WRONG_TEXT)
"""Endings of the names of scores that are neither good nor bad when they are high."""
GAINS = (BY_LOOKING, BY_READING)
"""Endings of the names of differences between the right and the wrong image or text, in points."""


def markdown_label(name: str) -> str:
    """The name of a score in a Markdown table.

    Examples:
        >>> markdown_label("image_to_text_wrong_image"), markdown_label("brittleness")
        ('image-to-text, wrong image', 'brittleness ↓')
    """
    for ending in (*CONTROLS, *GAINS):
        if name.endswith(ending):
            return f"{markdown_label(name.removesuffix(ending))}, {ending[1:].replace('_', ' ')}"
    return name.replace("_", "-") + (" ↓" if name in LOWER_IS_BETTER else "")


def wrong_items(photos: np.ndarray, repeats: int = REPEATS) -> np.ndarray:
    """Choose items of other photos for each item.

    The photos stand in a circle, in an order that a fixed seed gives. In each repetition every item gets the first
    item of the photo that is a number of steps ahead. So each photo serves all items of one other photo.

    Args:
        photos: The number of the photo of each item, (N,).
        repeats: How many other photos each item gets. With fewer other photos, it gets each of them once.

    Returns:
        Numbers of items, (N, R) with R = min(repeats, photos - 1). Those of a row show different photos.

    Examples:
        >>> sorted(wrong_items(np.array([0, 0, 1, 2]))[0].tolist())
        [2, 3]
    """
    _, first, number = np.unique(photos, return_index=True, return_inverse=True)
    random = np.random.default_rng(SEED)
    order = random.permutation(len(first))
    place = np.argsort(order)
    steps = 1 + random.permutation(len(first) - 1)[:repeats]
    return first[order[(place[number][:, None] + steps) % len(first)]]


def control_outcomes(
    outcomes: Mapping[str, Outcome], wrong_scores: np.ndarray, belongs: np.ndarray, present: np.ndarray
) -> dict[str, Outcome]:
    """Score choices beside images (or texts) of other items, and what the right ones add.

    Args:
        outcomes: Of the right images and texts, by score name.
        wrong_scores: Scores of R wrong images with each item's texts, (N, R, m). For one text and n images: scores
            of R wrong texts with each item's images, (N, R, n).
        belongs: (1, m) for one image, or (n, 1) for one text.
        present: Which texts each item has, (N, m) bool.

    Returns:
        For "image_to_text" and "original" the scores "..._wrong_image", with the same chance, and "..._by_looking",
        the difference item by item. For "text_to_image" the scores "..._wrong_text" and "..._by_reading".
    """
    is_one_text = len(belongs) > 1
    wrong_ending, gain_ending = (WRONG_TEXT, BY_READING) if is_one_text else (WRONG_IMAGE, BY_LOOKING)
    repeats = wrong_scores.shape[1]
    names = [name for name in ("image_to_text", "original", "text_to_image") if name in outcomes]
    means = dict.fromkeys(names, np.zeros(len(wrong_scores)))
    for i in range(repeats):
        scores = wrong_scores[:, i, :, None] if is_one_text else wrong_scores[:, i, None]
        wrong = choice_outcomes(scores, belongs, present=present)
        means = {name: mean + wrong[name] / repeats for name, mean in means.items()}
    controls = {}
    for name, mean in means.items():
        right = outcomes[name]
        controls[name + wrong_ending] = replace(right, values=mean)
        controls[name + gain_ending] = replace(right, values=right.values - mean, chance=0.0)
    return controls
