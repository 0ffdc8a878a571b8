"""The wrong-image control of an evaluation during training: the texts of a row beside the image of another photo.

The other photo is one of the batch of all processes, so the control costs dot products only. A row whose batch shows
no other photo has no wrong image. The control leaves it out, in the score of the right image, too.
"""

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor

from ..evaluation.wrong_image import BY_LOOKING, WRONG_IMAGE, wrong_items
from ..model.embeddings import Embeddings
from .gather import NO_ROW
from .pair_scores import pair_scores


NO_IMAGE = -1


def wrong_rows(image_id: Tensor) -> Tensor:
    """Choose a row of another photo for each row, whatever the order of the rows.

    Args:
        image_id: (N,) int64; rows with `NO_ROW` are none.

    Returns:
        The numbers of the rows, (N,); -1 for a row that is none, and for all rows if they show one photo.

    Examples:
        >>> wrong_rows(torch.tensor([7, 7, NO_ROW, 8])).tolist()
        [3, 3, -1, 0]
    """
    rows = (image_id != NO_ROW).nonzero().flatten().cpu()
    wrong = torch.full((len(image_id),), NO_IMAGE)
    found = torch.from_numpy(wrong_items(image_id.cpu()[rows].numpy(), repeats=1)) if len(rows) else rows[:, None]
    if found.shape[1]:
        wrong[rows] = rows[found[:, 0]]
    return wrong.to(image_id.device)


def count_choices(batch: Embeddings, scores: Tensor, accelerator: Accelerator) -> Tensor:
    """Count the negatives of this process that score below their caption beside the right and the wrong image.

    All processes must call this at once. Rows that accelerate repeats to fill the last batch are neither counted nor
    taken as wrong images, and so are rows with the image id `NO_ROW`.

    Args:
        batch: The batch of this process.
        scores: Its `pair_scores`, (B, 1 + K).
        accelerator: The trainer's.

    Returns:
        (3,) int64 on the CPU: the negatives of rows that have a wrong image; of these, the ones that score below
        their caption beside the right image, and beside the wrong image.
    """
    pad, size = accelerator.pad_across_processes, len(batch.image_id)
    image_id = pad(batch.image_id, dim=0, pad_index=NO_ROW)
    gathered = accelerator.gather_for_metrics((pad(batch.image.detach(), dim=0), image_id))
    # Gathering drops repeated rows at the end, so this process may have fewer rows there.
    start = accelerator.process_index * len(image_id)
    own = wrong_rows(gathered[1])[start : start + size]
    own = F.pad(own, (0, size - len(own)), value=NO_IMAGE)
    beside_wrong = pair_scores(batch._replace(image=gathered[0][own.clamp(min=0)]))
    counted = batch.mask & (own != NO_IMAGE)[:, None]
    below = [(one[:, :1] > one[:, 1:]) & counted for one in (scores, beside_wrong)]
    return torch.stack([one.sum() for one in (counted, *below)]).cpu()


def control_accuracy(counts: Tensor) -> dict[str, float]:
    """The accuracy beside wrong images in percent, and what the right ones add to it in points.

    Args:
        counts: Sums of `count_choices`, (3,).

    Returns:
        "accuracy_wrong_image" and "accuracy_by_looking"; empty if no negative has a wrong image.

    Examples:
        >>> control_accuracy(torch.tensor([4, 3, 2]))
        {'accuracy_wrong_image': 50.0, 'accuracy_by_looking': 25.0}
    """
    number, right, wrong = counts.tolist()
    if not number:
        return {}
    shares = {WRONG_IMAGE: wrong / number, BY_LOOKING: (right - wrong) / number}
    return {f"accuracy{ending}": 100 * share for ending, share in shares.items()}
