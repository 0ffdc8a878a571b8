"""Score choices: does a model choose the texts and images that belong together? Pure numpy.

Every benchmark of choices has the same form. An item has n images and m texts, and `belongs` says which text is true
of which image:

    one image, one true and K false texts     belongs (1, 1 + K) = [[1, 0, ..., 0]]  SugarCrepe, ARO, VL-CheckList
    two images, two texts                     belongs (2, 2) = identity              Winoground, InpaintCOCO, ColorSwap
    one text, one true and K false images     belongs (1 + K, 1) = [[1], [0], ...]   SVO-Probes
    one image, two true texts, one false one  belongs (1, 3) = [[1, 1, 0]]           SugarCrepe++, hard positives
"""

from math import comb

import numpy as np

from ..finite import require_finite


LOWER_IS_BETTER = frozenset({"brittleness"})
"""The scores that are low for a good model."""


def _check_shapes(scores: np.ndarray, belongs: np.ndarray, text_scores: np.ndarray | None) -> None:
    if scores.ndim != 3 or belongs.ndim != 2 or scores.shape[1:] != belongs.shape or not len(scores):
        raise ValueError(
            f"Scores have shape {scores.shape} and belongs {belongs.shape}; expected (N, n, m) and (n, m): one or "
            "more items of n images and m texts."
        )
    expected = (len(scores), belongs.shape[1], belongs.shape[1])
    if text_scores is not None and text_scores.shape != expected:
        raise ValueError(f"Text scores have shape {text_scores.shape}; expected (N, m, m) = {expected}.")


def _check_present(present: np.ndarray, scores: np.ndarray, belongs: np.ndarray) -> None:
    expected = (len(scores), belongs.shape[1])
    if present.shape != expected or not present[:, belongs.any(axis=0)].all():
        raise ValueError(
            f"present has shape {present.shape}; expected (N, m) = {expected}, False only for texts that are true "
            "of no image."
        )


def _right_choices(scores: np.ndarray, belongs: np.ndarray) -> np.ndarray | None:
    """Whether all true columns of a row score above all false ones, (N, rows), for rows that have both; None without.

    Args:
        scores: (N, n, m); -inf for an absent false text.
        belongs: (n, m).
    """
    rows = [i for i, row in enumerate(belongs) if row.any() and not row.all()]
    if not rows:
        return None
    columns = [scores[:, i, belongs[i]].min(axis=1) > scores[:, i, ~belongs[i]].max(axis=1) for i in rows]
    return np.stack(columns, axis=1)


def choice_outcomes(
    scores: np.ndarray,
    belongs: np.ndarray,
    text_scores: np.ndarray | None = None,
    present: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Turn the scores of each item into right and wrong choices. A tie is wrong.

    Args:
        scores: How well each of n images fits each of m texts, (N, n, m).
        belongs: Which texts are true of which images, (n, m) bool, the same for all items.
        text_scores: How similar the texts are to each other, (N, m, m), for the score "text_to_text".
        present: Which texts each item has, (N, m) bool; scores of an absent text are not looked at. All by default.

    Returns:
        Those of the following scores that fit `belongs`, each (N,) in [0, 1]:
        image_to_text: The share of the images for which every true text scores above every false one.
        text_to_image: The share of the texts for which every true image scores above every false one.
        text, image, group: With several images and texts, 1.0 if every image gets its text, every text its image, or
            both, else 0.0 (Winoground, Thrush et al. 2022, https://arxiv.org/abs/2204.03162).
        original: With several true texts of one image, 1.0 if the first of them scores above every false text.
        brittleness: 1.0 if some but not all of those true texts score above every false text. Both are from Kamath et
            al. 2024, The Hard Positive Truth about Vision-Language Compositionality, section 4.1
            (https://arxiv.org/abs/2409.17958); its augmented accuracy is image_to_text.
        text_to_text: 1.0 if any two true texts are more similar than any true and false one (the text-only task of
            SugarCrepe++, Dumpala et al. 2024, https://arxiv.org/abs/2406.11171).

    Raises:
        ValueError: If the shapes disagree, there is no item, a true text is absent, or a score is not finite.

    Examples:
        >>> scores = np.array([[[2.0, 1.0], [0.0, 1.0]]])  # text 1 fits both images equally well
        >>> {name: float(values[0]) for name, values in choice_outcomes(scores, np.eye(2, dtype=bool)).items()}
        {'image_to_text': 1.0, 'text_to_image': 0.5, 'text': 1.0, 'image': 0.0, 'group': 0.0}
    """
    _check_shapes(scores, belongs, text_scores)
    if present is None:
        present = np.ones((len(scores), belongs.shape[1]), dtype=bool)
    _check_present(present, scores, belongs)
    require_finite(scores[np.broadcast_to(present[:, None], scores.shape)], "scores")
    if text_scores is not None:
        require_finite(text_scores[present[:, :, None] & present[:, None]], "text scores")
    scores = np.where(present[:, None], scores, -np.inf)
    by_image, by_text = _right_choices(scores, belongs), _right_choices(scores.transpose(0, 2, 1), belongs.T)
    outcomes = {}
    if by_image is not None:
        outcomes["image_to_text"] = by_image.mean(axis=1)
    if by_text is not None:
        outcomes["text_to_image"] = by_text.mean(axis=1)
    if by_image is not None and by_text is not None:
        outcomes["text"] = by_image.all(axis=1).astype(float)
        outcomes["image"] = by_text.all(axis=1).astype(float)
        outcomes["group"] = outcomes["text"] * outcomes["image"]
    if len(belongs) == 1 and belongs.sum() > 1 and not belongs.all():
        true, false = scores[:, 0, belongs[0]], scores[:, 0, ~belongs[0]]
        above = true > false.max(axis=1, keepdims=True)  # (N, true texts)
        outcomes["original"] = above[:, 0].astype(float)
        outcomes["brittleness"] = (above.any(axis=1) & ~above.all(axis=1)).astype(float)
        if text_scores is not None:
            outcomes["text_to_text"] = _true_texts_closest(text_scores, belongs[0], present)
    return outcomes


def _true_texts_closest(text_scores: np.ndarray, true: np.ndarray, present: np.ndarray) -> np.ndarray:
    """1.0 for each item (N,) whose true texts are all more similar to each other than to any false text."""
    pairs = np.triu(np.ones((true.sum(), true.sum()), dtype=bool), 1)
    among = text_scores[:, true][:, :, true][:, pairs].min(axis=1)
    across = np.where(present[:, None, ~true], text_scores[:, true][:, :, ~true], -np.inf)
    return (among > across.max(axis=(1, 2))).astype(float)


def _chance_of_rows(belongs: np.ndarray) -> list[float]:
    counts = [(int(row.sum()), int((~row).sum())) for row in belongs if row.any() and not row.all()]
    return [1 / comb(true + false, true) for true, false in counts]


def choice_chance(belongs: np.ndarray) -> dict[str, float]:
    """Chance: the expected outcomes of scores that are independent draws from one continuous distribution.

    Of p true and q false texts, all true ones come first with probability 1 / C(p + q, p).

    Args:
        belongs: (n, m) as for `choice_outcomes`, of an item that lacks no text.

    Returns:
        One value in [0, 1] for each outcome. "group" is only given for two images and two texts, and "text_to_text"
        only for two true texts and a false one.

    Examples:
        >>> {name: round(value, 3) for name, value in choice_chance(np.eye(2, dtype=bool)).items()}
        {'image_to_text': 0.5, 'text_to_image': 0.5, 'text': 0.25, 'image': 0.25, 'group': 0.167}
    """
    by_image, by_text = _chance_of_rows(belongs), _chance_of_rows(belongs.T)
    chance = {}
    if by_image:
        chance["image_to_text"] = float(np.mean(by_image))
    if by_text:
        chance["text_to_image"] = float(np.mean(by_text))
    if by_image and by_text:
        chance |= {"text": float(np.prod(by_image)), "image": float(np.prod(by_text))}
        if belongs.shape == (2, 2):
            chance["group"] = 1 / 6  # in 4 of the 24 orders of four scores both true ones are on top
    if len(belongs) == 1 and belongs.sum() > 1 and not belongs.all():
        true, false = int(belongs.sum()), int((~belongs).sum())
        chance["original"] = 1 / (1 + false)
        # An item is brittle unless all true texts are above the false ones, or none is, because a false one is best.
        chance["brittleness"] = 1 - 1 / comb(true + false, true) - false / (true + false)
        if (true, false) == (2, 1):
            chance["text_to_text"] = 1 / 3
    return chance
