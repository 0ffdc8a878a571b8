"""Anybody's file of captions and negatives: TSV, CSV, JSON (SugarCrepe's too), JSONL, Parquet or a dataset folder."""

from collections import Counter
from pathlib import Path

from .caption_cells import read_cells
from .files import CAPTION_COLUMNS, NEGATIVES_COLUMNS, find_column, open_dataset
from .skip_reasons import EMPTY


def read_caption_negatives(
    source: str | Path,
    caption_column: str | None = None,
    negatives_column: str | None = None,
    split: str = "train",
    config: str | None = None,
) -> tuple[list[str], list[list[str]], Counter[str]]:
    """Read captions and the negatives of each.

    Args:
        source: What `files.open_dataset` opens.
        caption_column: Its name; None takes the first of `CAPTION_COLUMNS` that is there.
        negatives_column: A negative or a list of them in each row; None takes one of `NEGATIVES_COLUMNS`.
        split: Of a folder or Hub id.
        config: The name of the configuration, where a folder or a Hub id has several.

    Returns:
        N captions, N lists of negatives, and what was skipped by reason. A row with several captions gives as many
        pairs. Empty negatives are kept: they are a defect to be counted. A null means that there is no negative.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another format, broken, or lacks a column; the message says which it has.
    """
    dataset = open_dataset(str(source), split, config)
    caption_name = find_column(caption_column, CAPTION_COLUMNS, dataset.column_names, source, "--caption_column")
    negatives_name = find_column(
        negatives_column, NEGATIVES_COLUMNS, dataset.column_names, source, "--negatives_column"
    )
    captions, negatives, skipped = [], [], Counter[str]()
    texts = read_cells(dataset[caption_name], caption_name, source)
    cells = ([] if cell is None else cell for cell in dataset[negatives_name])
    for of_row, changed in zip(texts, read_cells(cells, negatives_name, source), strict=True):
        for caption in of_row:
            if not caption.strip():
                skipped[EMPTY] += 1
                continue
            captions.append(caption)
            negatives.append(changed)
    return captions, negatives, +skipped
