"""CSV and TSV files with every cell as it is written: "NA" is a word, and "007" keeps its zeros."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from datasets import Features, Value


SEPARATORS = (",", "\t", ";")
LONGEST_CELL = 2**31 - 1  # the csv module stops at 128 kB unless it is told otherwise


def _read_rows(file: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the number of its last line; quoted cells may hold line breaks."""
    csv.field_size_limit(LONGEST_CELL)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, delimiter=separator, strict=True)
        for cells in reader:
            if cells:
                yield reader.line_num, cells


def _find_separator(file: Path) -> str:
    """The separator that the header has most often; a comma, or the tab of a .tsv file, if it has none."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        header = next((line for line in lines if line.strip()), "")
    usual = "\t" if file.suffix.lower() == ".tsv" else ","
    return max((usual, *SEPARATORS), key=header.count)


def _name_columns(header: Sequence[str], file: Path) -> list[str]:
    """The names in the header; a column without a name, as pandas writes its index, is called after its place."""
    names = [name.strip() or f"column_{i}" for i, name in enumerate(header)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{file} has several columns of one name ({', '.join(twice)}); rename them.")
    return names


def csv_settings(file: Path) -> tuple[dict[str, Any], int]:
    """Check a CSV or TSV file, and find how to read it.

    The separator is a comma, a tab or a semicolon, whichever the header has most often. All columns are strings.

    Returns:
        The settings for the "csv" builder of `datasets`, and the number of rows that it must find.

    Raises:
        ValueError: If a row has more or fewer cells than the header, or a quote is not closed. Also if two columns
            have one name, or the text is not UTF-8. The message names the file and, where there is one, the line.
    """
    try:
        separator = _find_separator(file)
        rows = _read_rows(file, separator)
        _, header = next(rows, (0, []))
        names = _name_columns(header, file)
        number = 0
        for line, cells in rows:
            if len(cells) != len(names):
                raise ValueError(
                    f"{file} has {len(names)} columns in its header and {len(cells)} cells in the row that ends in "
                    f"line {line}. Put cells that hold {separator!r} in quotes."
                )
            number += 1
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not UTF-8 text ({error}); save it as UTF-8.") from error
    except csv.Error as error:
        raise ValueError(f"{file} is not a valid CSV file ({error}); check its quotes.") from error
    if not number:
        raise ValueError(f"{file} holds no row below its header, {names}.")
    settings = {
        "sep": separator,
        "names": names,
        "header": 0,
        "index_col": False,
        "na_filter": False,
        "encoding": "utf-8-sig",
        "features": Features({name: Value("string") for name in names}),
    }
    return settings, number
