"""Anybody's file of captions and negatives: TSV, CSV, JSON (SugarCrepe's too), JSONL, Parquet or a dataset folder."""

import ast
from collections import Counter
from pathlib import Path
from typing import Any

from ..json_files import read_json, read_json_lines
from ..user_errors import naming
from .files import CAPTION_COLUMNS, NEGATIVES_COLUMNS, as_objects, find_column, open_dataset
from .skip_reasons import EMPTY


def _read_rows(file: Path) -> dict[str, list[Any]]:
    """Columns of a file or dataset folder, by its ending."""
    import pandas as pd

    if file.is_dir():
        dataset = open_dataset(str(file), "train")
        return {name: dataset[name][:] for name in dataset.column_names}
    ending = file.suffix.lower()
    if ending in (".tsv", ".csv"):
        with naming(file):
            table = pd.read_csv(file, sep="\t" if ending == ".tsv" else ",", keep_default_na=False)
    elif ending == ".json":
        table = pd.DataFrame(as_objects(read_json(file, object), file))
    elif ending in (".jsonl", ".ndjson"):
        table = pd.DataFrame(read_json_lines(file, dict[str, Any]))
    elif ending == ".parquet":
        with naming(file):
            table = pd.read_parquet(file)
    else:
        raise ValueError(f"{file} ends in {ending!r}; known are .tsv, .csv, .json, .jsonl, .parquet and folders.")
    return {str(name): table[name].tolist() for name in table.columns}


def _as_texts(value: Any) -> list[str]:
    """A cell's negatives: a list, a string, or a string that spells a Python or JSON list as NegCLIP's TSV has it."""
    if isinstance(value, str):
        if value.startswith("[") and value.endswith("]"):
            try:
                value = ast.literal_eval(value)
            except (SyntaxError, ValueError):
                return [value]
        else:
            return [value]
    if value is None or isinstance(value, float):
        return []
    return [str(text) for text in value]


def read_caption_negatives(
    file: str | Path, caption_column: str | None = None, negatives_column: str | None = None
) -> tuple[list[str], list[list[str]], Counter[str]]:
    """Read captions and the negatives of each.

    Args:
        file: .tsv, .csv, .json, .jsonl, .parquet, or a folder that `datasets` opens.
        caption_column: Its name; None takes the first of `CAPTION_COLUMNS` that is there.
        negatives_column: A negative or a list of them in each row; None takes one of `NEGATIVES_COLUMNS`.

    Returns:
        N captions, N lists of negatives, and what was skipped by reason. Empty negatives are kept: they are a defect
        to be counted.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another format, broken, or lacks a column; the message says which it has.
    """
    file = Path(file)
    if not file.exists():
        raise FileNotFoundError(f"There is no {file}.")
    table = _read_rows(file)
    columns = list(table)
    caption_name = find_column(caption_column, CAPTION_COLUMNS, columns, file, "--caption_column")
    negatives_name = find_column(negatives_column, NEGATIVES_COLUMNS, columns, file, "--negatives_column")
    captions, negatives, skipped = [], [], Counter[str]()
    for caption, texts in zip(table[caption_name], table[negatives_name], strict=True):
        if not isinstance(caption, str) or not caption.strip():
            skipped[EMPTY] += 1
            continue
        captions.append(caption)
        negatives.append(_as_texts(texts))
    return captions, negatives, +skipped
