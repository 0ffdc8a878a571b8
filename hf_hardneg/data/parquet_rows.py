"""Write rows with photos as a Parquet file: a few rows at a time, so that memory does not grow with their number."""

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Features
from pyarrow import parquet


ROWS = 20  # rows per row group: about 25 MB of photos. A reader of one row must read its whole group


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]], features: Features, group: int = ROWS) -> int:
    """Write rows as a Parquet file that `datasets` reads with the given features.

    Args:
        file: The .parquet file to write.
        rows: The rows.
        features: Their columns and types.
        group: Rows per row group. Only so many are in memory at a time.

    Returns:
        The number of rows.
    """
    rows, number = iter(rows), 0
    schema = features.arrow_schema
    # PNG bytes are compressed already, and a dictionary of equal values would cost memory.
    with parquet.ParquetWriter(file, schema, compression="none", use_dictionary=False) as writer:
        while batch := list(islice(rows, group)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            number += len(batch)
    return number
