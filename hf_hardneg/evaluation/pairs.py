"""Inpainted pairs: which of two captions that differ in one concept belongs to which of two images."""

from typing import Any

from datasets import Dataset

from ..data.lazy_images import row_images
from ..model.encoding import Encoder
from .choice_scores import choice_chance
from .tasks import PAIR, ChoiceTask, Outcome


CHANCE = {name: 100 * value for name, value in choice_chance(PAIR).items()}
"""Expected scores, in percent, of a model that scores at random."""


def pairs_task(name: str, pairs: Dataset) -> ChoiceTask:
    """The task of pairs with InpaintCOCO's columns (`columns.PAIR_FEATURES`), grouped by concept."""
    task = ChoiceTask(name, PAIR)
    images = zip(row_images(pairs, "coco_image"), row_images(pairs, "inpaint_image"), strict=True)
    texts = zip(pairs["coco_caption"], pairs["inpaint_caption"], strict=True)
    for i, (concept, two, captions) in enumerate(zip(pairs["concept"], images, texts, strict=True)):
        task.add(concept, str(i), two, [caption and caption.strip() for caption in captions])
    return task


def score_pairs(model: Any, processor: Any, pairs: Dataset) -> dict[str, Outcome]:
    """Let a model choose on every pair; `pairs` has the columns of `columns.PAIR_FEATURES`."""
    return pairs_task("pairs", pairs).run(Encoder(model, processor)).scores
