"""`hf-hardneg negatives --engine ray`: the same callables on a Ray cluster, Parquet in, Parquet out, streaming.

For sets that no machine holds. Rows need their other captions beside them (`other_captions`, a list), since no process
sees a whole image's rows; without that column only the caption itself speaks against a negative.
"""

import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..columns import CAPTION, CATEGORIES, IMAGE_ID, NEGATIVE_FEATURES, NEGATIVE_SOURCES, OTHER_CAPTIONS
from ..lexicon.index import load_index
from .add_negatives import BATCH, AddHardNegatives, count_slots
from .slot_model import SlotModel


if TYPE_CHECKING:
    import pyarrow as pa


def _rows(table: "pa.Table") -> dict[str, list]:
    """The columns that negatives are made from; lists that are not there are empty."""
    columns = {name: table[name].to_pylist() for name in NEGATIVE_SOURCES if name in table.column_names}
    for name in (OTHER_CAPTIONS, CATEGORIES):
        columns.setdefault(name, [[]] * table.num_rows)
    return columns


class CountSlots:
    """Turn a table of captions into one row that holds its pickled slot model."""

    def __init__(self, concepts: tuple[str, ...]) -> None:
        self.concepts = concepts

    def __call__(self, table: "pa.Table") -> "pa.Table":
        """Take an Arrow table, return one with the column `model`."""
        import pyarrow as pa

        return pa.table({"model": [pickle.dumps(count_slots(_rows(table), load_index(self.concepts)))]})


class AddColumns:
    """`AddHardNegatives` from Arrow table to Arrow table."""

    def __init__(self, add: AddHardNegatives) -> None:
        self.add = add

    def __call__(self, table: "pa.Table") -> "pa.Table":
        """Take an Arrow table, return it with the columns of `columns.NEGATIVE_FEATURES`."""
        import pyarrow as pa

        made = self.add(_rows(table))
        for field in NEGATIVE_FEATURES.arrow_schema:
            table = table.append_column(field, pa.array(made[field.name], type=field.type))
        return table


def make_negatives_on_ray(
    source: str, folder: str | Path, add: AddHardNegatives, known_model: str | None = None, num_workers: int = 2
) -> dict[str, Any]:
    """Fit by a distributed count of the same n-grams, then draw; both passes stream.

    Args:
        source: A Parquet file or folder with the columns caption and image_id, and if possible other_captions and
            categories.
        folder: Gets data/*.parquet and slot_model/.
        add: The settings; its model is replaced by the one that is fitted here.
        known_model: Folder of a slot model of further captions.
        num_workers: Tasks at a time.

    Returns:
        Counts of captions and negatives.

    Raises:
        ImportError: If Ray is not installed; the message holds the install command.
        ValueError: If a column is missing.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError("--engine ray needs Ray. Install it: pip install 'hf-hardneg[ray]'") from error
    index = load_index(add.concepts)
    rows = ray.data.read_parquet(source)
    missing = {CAPTION, IMAGE_ID} - set(rows.schema().names)
    if missing:
        raise ValueError(f"{source} has the columns {rows.schema().names} and lacks {sorted(missing)}.")
    tasks: dict[str, Any] = {"batch_format": "pyarrow", "batch_size": BATCH, "concurrency": num_workers}
    model = SlotModel.empty(index) if known_model is None else SlotModel.load(known_model, index)
    counted = rows.map_batches(CountSlots(add.concepts), **tasks)
    model = model.add(pickle.loads(row["model"]) for row in counted.iter_rows())  # all made by CountSlots above
    folder = Path(folder)
    made = rows.map_batches(AddColumns(replace(add, model=model)), **tasks)
    made.write_parquet(str(folder / "data"))
    model.save(folder / "slot_model", index)
    counts: Counter[str] = Counter()
    written: Any = ray.data.read_parquet(str(folder / "data"), columns=["negatives"])
    for table in written.iter_batches(batch_format="pyarrow"):
        counts["captions"] += table.num_rows
        counts["negatives"] += sum(len(negatives) for negatives in table["negatives"].to_pylist())
    return dict(counts)
