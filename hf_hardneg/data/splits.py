"""Which rows are trained on and which are held out."""

from datasets import Dataset

from ..columns import IMAGE_ID, PAIR_ID


def split_by_image(rows: Dataset, held_out: int) -> tuple[Dataset, Dataset]:
    """Hold out the rows of `held_out` images, at most a tenth of them, evenly spread over the sorted image ids.

    Twins are held out with the other one.

    Returns:
        (training rows, held-out rows); no image is in both.

    Raises:
        ValueError: If there are fewer than two images.
    """
    of_rows = _join_twins(rows)
    ids = sorted(set(of_rows))
    if len(ids) < 2:
        raise ValueError(f"There is {len(ids)} usable image; training and held-out rows need at least 2.")
    number = max(1, min(held_out, len(ids) // 10))
    held = {ids[i * len(ids) // number] for i in range(number)}
    train = [i for i, image_id in enumerate(of_rows) if image_id not in held]
    return rows.select(train), rows.select([i for i, image_id in enumerate(of_rows) if image_id in held])


def _join_twins(rows: Dataset) -> list[int]:
    """The image id of each row; images that pairs connect have one."""
    ids = rows[IMAGE_ID][:]
    if PAIR_ID not in rows.column_names:
        return ids
    joined: dict[int, int] = {}

    def first_of(image_id: int) -> int:
        while image_id in joined:
            image_id = joined[image_id]
        return image_id

    of_pair: dict[int, int] = {}
    for image_id, pair_id in zip(ids, rows[PAIR_ID], strict=True):
        if pair_id is not None:
            one, other = sorted(map(first_of, (image_id, of_pair.setdefault(pair_id, image_id))))
            if one != other:
                joined[other] = one
    return list(map(first_of, ids))
