"""Inpainted pairs: two images and two captions that differ in one concept."""

from typing import Any

from datasets import Dataset

from ..data.lazy_images import row_images
from ..model.encoding import Encoder
from .choice_scores import choice_chance
from .outcomes import Outcome
from .tasks import PAIR, ChoiceTask


CHANCE = {name: 100 * value for name, value in choice_chance(PAIR).items()}
"""Chance in percent: the expected scores of a model that scores at random."""


def pairs_task(name: str, pairs: Dataset) -> ChoiceTask:
    """Build a task from inpainted pairs, grouped by concept.

    Args:
        name: The name of the task.
        pairs: One row for each pair, with InpaintCOCO's columns (`columns.PAIR_FEATURES`); the mask is not needed.
    """
    task = ChoiceTask(name, PAIR)
    images = zip(row_images(pairs, "coco_image"), row_images(pairs, "inpaint_image"), strict=True)
    texts = zip(pairs["coco_caption"], pairs["inpaint_caption"], strict=True)
    for i, (concept, pair, captions) in enumerate(zip(pairs["concept"], images, texts, strict=True)):
        task.add(concept, str(i), pair, [caption and caption.strip() for caption in captions])
    return task


def score_pairs(model: Any, processor: Any, pairs: Dataset) -> dict[str, Outcome]:
    """Score a model on pairs.

    Args:
        model: A dual encoder, on its device.
        processor: Its processor.
        pairs: As in `pairs_task`.

    Returns:
        Outcomes by score name: image_to_text, text_to_image, text, image and group.

    Examples:
        >>> from hf_hardneg.model import START_MODEL, load_model
        >>> from hf_hardneg.scenes import scene_pairs
        >>> outcomes = score_pairs(*load_model(str(START_MODEL)), scene_pairs("test", 10))  # doctest: +SKIP
        >>> outcomes["group"].values.shape  # 10 pairs of each of four concepts  # doctest: +SKIP
        (40,)
    """
    return pairs_task("pairs", pairs).run(Encoder(model, processor)).scores
