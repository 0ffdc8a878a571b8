"""Photos with captions from what a user names: a COCO folder, Karpathy's split file, a table, a folder, a Hub id."""

from collections import Counter
from collections.abc import Collection

from datasets import Dataset

from .captioned_images import load_captioned_images
from .coco import is_coco_folder, load_coco
from .files import refuse_config
from .karpathy import karpathy_file, load_karpathy


def load_photos(
    source: str,
    split: str | None = None,
    image_column: str | None = None,
    caption_column: str | None = None,
    num_proc: int | None = None,
    challenge: Collection[int] | None = None,
    config: str | None = None,
    keep_pairs: bool = False,
) -> tuple[Dataset, Counter[str]]:
    """Read photos with their captions.

    Args:
        source: A COCO folder, a split file of Karpathy's, or what `captioned_images.load_captioned_images` reads.
        split: Its split. None is the only split of a COCO folder, else "train".
        image_column: As `load_captioned_images` takes it; only tables have columns.
        caption_column: The same.
        num_proc: Processes that check the images.
        challenge: For training: COCO ids to leave out, as `load_captioned_images` explains. None leaves nothing out.
        config: The configuration of a data set that has several.
        keep_pairs: As `load_captioned_images` takes it.

    Returns:
        Rows with `columns.ROW_FEATURES`, also with `pair_id` if pairs are kept and there are some; and how often each
        reason led to a skip.

    Raises:
        FileNotFoundError: If a file or a split is not there.
        ValueError: If the data cannot be used.
    """
    if is_coco_folder(source):
        refuse_config(source, config)
        return load_coco(source, split, num_proc, challenge)
    file = karpathy_file(source)
    if file is not None:
        refuse_config(source, config)
        return load_karpathy(file, split, num_proc, challenge)
    columns = (image_column, caption_column)
    return load_captioned_images(source, split or "train", *columns, num_proc, challenge, config, keep_pairs)


def is_table(source: str) -> bool:
    """Whether photos come as rows of a data set, and from neither a COCO folder nor one of Karpathy's files."""
    return not is_coco_folder(source) and karpathy_file(source) is None
