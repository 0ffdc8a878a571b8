"""An editor without weights: recolor, rescale, or replace by another photo's cut-out. Needs OpenCV only."""

from collections.abc import Sequence

import numpy as np

from ...data.coco_photos import CocoPhoto
from .recolor import GARMENT, PART, TARGETS, WHOLE, color_weights, find_colored, recolor
from .replace import MIN_CHROMA, CutoutLibrary, mean_color, replace_thing
from .rescale import rescale
from .task import Edit, EditTask


NOT_A_WORD = "the classical editor needs one word of the vocabulary, such as a color"
UNPAINTABLE = "the classical editor has no such color"
NOT_SHOWN = "the new color does not show"
GRAY_PHOTO = "the photo is gray: one thing in color would stick out"
MIN_SHOWN = 0.5  # of the recolored pixels that must look as the new word says


class ClassicalEditor:
    """Edit photos of one COCO folder: call it with an `EditTask`.

    Args:
        photos: The folder's photos, from which cut-outs are taken.
    """

    def __init__(self, photos: Sequence[CocoPhoto]) -> None:
        self.library = CutoutLibrary(photos)

    def __call__(self, task: EditTask) -> list[Edit] | str:
        """One edit, or why it cannot be made; a prompt can only be the proposal's new word."""
        if task.prompt is not None and task.prompt.lower().strip() != task.proposal.new:
            return NOT_A_WORD
        if task.proposal.concept == "color":
            edit = _change_color(task)
        else:
            edit = rescale(task) if task.proposal.concept == "size" else replace_thing(task, self.library)
        return edit if isinstance(edit, str) else [edit]


def find_old_color(task: EditTask) -> np.ndarray | str:
    """Where the thing, its part or a garment has the color that the caption names: weights (H, W), or why nowhere."""
    proposal = task.proposal
    shares = GARMENT if proposal.garment else PART if proposal.is_part else WHOLE
    # What a person holds lies over the clothes, but its outline is drawn around hands and sleeves, too.
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
    shown = color_weights(pixels, proposal.new)
    share = 0.0 if shown is None else float((shown[inside] > 0.5).mean())
    if share < MIN_SHOWN:
        return NOT_SHOWN
    return Edit(pixels, np.asarray(weights > 0.02), {"recolored": int(inside.sum()), "shown": round(share, 3)})
