"""Image folders whose metadata.csv is read as any other CSV file."""

from collections.abc import Iterator
from itertools import islice

import pyarrow as pa
from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder

from .csv_files import csv_rows, text_features


ROWS_AT_ONCE = 10_000


class MetadataAsWritten(ImageFolder):
    """`ImageFolder` for which "NA" in a metadata.csv is a word, "007" keeps its zeros, and any separator will do."""

    def _read_metadata(self, metadata_file: str, metadata_ext: str = "") -> Iterator[pa.Table]:
        if metadata_ext != ".csv":
            yield from super()._read_metadata(metadata_file, metadata_ext=metadata_ext)
            return
        rows = csv_rows(metadata_file)
        names = next(rows)
        schema = text_features(names).arrow_schema
        while some := list(islice(rows, ROWS_AT_ONCE)):
            yield pa.table([pa.array(column, pa.string()) for column in zip(*some, strict=True)], schema=schema)
