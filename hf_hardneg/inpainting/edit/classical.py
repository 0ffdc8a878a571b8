"""The classical editor: recolor, rescale, or replace by a cutout of another photo. It needs OpenCV and no weights."""

from collections.abc import Sequence

import numpy as np

from ...data.coco_photos import CocoPhoto
from .recolor import GARMENT, PART, TARGETS, WHOLE, color_weights, find_colored, recolor
from .replace import MIN_CHROMA, CutoutLibrary, mean_color, replace_object
from .rescale import rescale_object
from .task import Edit, EditTask


NOT_A_WORD = "the classical editor needs one word of the vocabulary, such as a color"
UNPAINTABLE = "the classical editor has no such color"
NOT_SHOWN = "the new color does not show"
GRAY_PHOTO = "the photo is gray: one thing in color would stick out"
MIN_SHOWN = 0.5  # share of the recolored pixels that must look like the new color


class ClassicalEditor:
    """Edit the photos of one COCO folder: call it with an `EditTask`.

    Args:
        photos: All photos of the folder. Replacements are cut out of them.

    Example:
        >>> editor = ClassicalEditor(read_coco_photos("coco")[0])  # doctest: +SKIP
        >>> editor(task)  # doctest: +SKIP
        [Edit(pixels=array(...), changed=array(...), details={'recolored': 5120, 'shown': 0.97})]
    """

    def __init__(self, photos: Sequence[CocoPhoto]) -> None:
        self.library = CutoutLibrary(photos)

    def __call__(self, task: EditTask) -> list[Edit] | str:
        """Return one edit, or the reason why there is none.

        This editor cannot follow free text: `task.prompt` must be None or the proposal's new word.
        """
        if task.prompt is not None and task.prompt.lower().strip() != task.proposal.new:
            return NOT_A_WORD
        if task.proposal.concept == "color":
            edit = _change_color(task)
        elif task.proposal.concept == "size":
            edit = rescale_object(task)
        else:
            edit = replace_object(task, self.library)
        return edit if isinstance(edit, str) else [edit]


def find_old_color(task: EditTask) -> np.ndarray | str:
    """Find where the object, its part or a garment has the color that the caption names.

    Returns:
        Weights (H, W), 0 to 1, or the reason why there are none.
    """
    proposal = task.proposal
    shares = GARMENT if proposal.garment else PART if proposal.is_part else WHOLE
    # What a person holds hides the clothes, but its outline often includes hands and sleeves, too.
    mask = task.mask if proposal.garment else task.mask & ~task.others
    return find_colored(task.photo, mask, proposal.old, shares)


def _change_color(task: EditTask) -> Edit | str:
    proposal = task.proposal
    if proposal.new not in TARGETS:
        return UNPAINTABLE
    if mean_color(task.photo)[3] < MIN_CHROMA:
        return GRAY_PHOTO
    weights = find_old_color(task)
    if isinstance(weights, str):
        return weights
    pixels = recolor(task.photo, weights, proposal.new)
    inside = weights > 0.5
    new_weights = color_weights(pixels, proposal.new)
    share = 0.0 if new_weights is None else float((new_weights[inside] > 0.5).mean())
    if share < MIN_SHOWN:
        return NOT_SHOWN
    return Edit(pixels, np.asarray(weights > 0.02), {"recolored": int(inside.sum()), "shown": round(share, 3)})
