"""Which rows are trained on and which are held out."""

from datasets import Dataset

from ..columns import IMAGE_ID


def split_by_image(rows: Dataset, held_out: int) -> tuple[Dataset, Dataset]:
    """Hold out the rows of `held_out` images, at most a tenth of them, evenly spread over the sorted image ids.

    Returns:
        (training rows, held-out rows); no image is in both.

    Raises:
        ValueError: If there are fewer than two images.
    """
    ids = sorted(set(rows[IMAGE_ID][:]))
    if len(ids) < 2:
        raise ValueError(f"There is {len(ids)} usable image; training and held-out rows need at least 2.")
    number = max(1, min(held_out, len(ids) // 10))
    held = {ids[i * len(ids) // number] for i in range(number)}
    of_rows = rows[IMAGE_ID][:]
    train = [i for i, image_id in enumerate(of_rows) if image_id not in held]
    return rows.select(train), rows.select([i for i, image_id in enumerate(of_rows) if image_id in held])
