"""Own negatives as a task: a caption against each of its hard negatives, beside the right and the wrong image."""

from datasets import Dataset

from ..columns import CAPTION, IMAGE, NEGATIVE_CONCEPTS, NEGATIVES
from ..data.lazy_images import row_images
from .tasks import ONE_TRUE_TEXT, ChoiceTask


def negatives_task(name: str, rows: Dataset) -> ChoiceTask:
    """Build a task from rows with negatives, one item for each negative, grouped by concept.

    Args:
        name: The name of the task.
        rows: With the columns image, caption, negatives and negative_concepts, as `AddHardNegatives` leaves them.

    Returns:
        The task. Its scores are image_to_text, and the same beside images of other rows (`wrong_image`).

    Examples:
        >>> from hf_hardneg.scenes import scene_rows
        >>> from hf_hardneg import AddHardNegatives
        >>> rows = scene_rows("test", 10).map(AddHardNegatives(num_negatives=2), batched=True)
        >>> len(negatives_task("negatives", rows)) == sum(map(len, rows["negatives"]))
        True
    """
    task = ChoiceTask(name, ONE_TRUE_TEXT)
    columns = (rows[column] for column in (CAPTION, NEGATIVES, NEGATIVE_CONCEPTS))
    for i, (image, caption, negatives, concepts) in enumerate(zip(row_images(rows, IMAGE), *columns, strict=True)):
        for k, (negative, concept) in enumerate(zip(negatives, concepts, strict=True)):
            task.add(concept, f"{i}.{k}", [image], [caption, negative])
    return task
