"""CSV and TSV files with every cell as it is written: "NA" is a word, and "007" keeps its zeros."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import fsspec
from datasets import Features, Value


SEPARATORS = (",", "\t", ";", "|")
LONGEST_CELL = 2**31 - 1  # the csv module stops at 128 kB unless it is told otherwise
TSV = (".tsv", ".tab")


def open_text(file: str | Path) -> TextIO:
    """Open a file of this machine or of the Hub (hf://), UTF-8 with or without a byte order mark."""
    if "://" in str(file):
        return fsspec.open(str(file), "rt", encoding="utf-8-sig", newline="").open()
    return Path(file).open(encoding="utf-8-sig", newline="")


def find_separator(file: str | Path) -> str:
    """The separator that the header has most often; a comma, or the tab of a .tsv file, if it has none."""
    with open_text(file) as lines:
        header = next((line for line in lines if line.strip()), "")
    usual = "\t" if str(file).lower().endswith(TSV) else ","
    return max((usual, *SEPARATORS), key=header.count)


def _name_columns(header: Sequence[str], file: str | Path) -> list[str]:
    """The names in the header; a column without a name, as pandas writes its index, is called after its place."""
    names = [name.strip() or f"column_{i}" for i, name in enumerate(header)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{file} has several columns of one name ({', '.join(twice)}); rename them.")
    return names


def csv_rows(file: str | Path, name: str | Path | None = None) -> Iterator[list[str]]:
    """The names of the columns, then the cells of each row, as they are written.

    Rows that are blank are left out. Quoted cells may hold line breaks.

    Args:
        file: On this machine or on the Hub (hf://).
        name: What errors call it; None for the file.

    Raises:
        ValueError: If a row has more or fewer cells than the header, or a quote is not closed. Also if two columns
            have one name, or the text is not UTF-8. The message names the file and, where there is one, the line.
    """
    csv.field_size_limit(LONGEST_CELL)
    name = name or file
    try:
        separator = find_separator(file)
        with open_text(file) as lines:
            reader = csv.reader(lines, delimiter=separator, strict=True)
            names = _name_columns(next(filter(None, reader), []), name)
            yield names
            for cells in filter(None, reader):
                if len(cells) != len(names):
                    raise ValueError(_wrong_number(name, reader.line_num, len(names), len(cells), separator))
                yield cells
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8 text ({error}); save it as UTF-8.") from error
    except csv.Error as error:
        raise ValueError(f"{name} is not a valid CSV file ({error}); check its quotes.") from error


def _wrong_number(file: str | Path, line: int, expected: int, found: int, separator: str) -> str:
    advice = f"Put cells that hold {separator!r} in quotes" if found > expected else f"Add the missing {separator!r}"
    return (
        f"{file} has {expected} columns in its header and {found} cells in the row that ends in line {line}. "
        f"{advice}; the first line is taken for the names of the columns."
    )


def csv_settings(file: str | Path) -> dict[str, Any]:
    """How the "csv" builder of `datasets` reads a CSV or TSV file as it is written.

    The separator is a comma, a tab, a semicolon or a bar, whichever the header has most often. All columns are
    strings.

    Raises:
        ValueError: If the header cannot be read.
    """
    names = next(csv_rows(file))
    return {
        "sep": find_separator(file),
        "names": names,
        "header": 0,
        "index_col": False,
        "na_filter": False,
        "encoding": "utf-8-sig",
        "features": text_features(names),
    }


def text_features(names: Sequence[str]) -> Features:
    """Features of a table whose columns are all strings."""
    return Features({name: Value("string") for name in names})


def count_csv_rows(file: str | Path, name: str | Path | None = None) -> int:
    """The number of rows below the header; reads the whole file. The arguments are those of `csv_rows`.

    Raises:
        ValueError: If there is none, or as `csv_rows`.
    """
    rows = csv_rows(file, name)
    names = next(rows)
    number = sum(1 for _ in rows)
    if not number:
        raise ValueError(
            f"{name or file} holds no row below its header, {names}. "
            "Save it as CSV, with the names of the columns in the first line."
        )
    return number
