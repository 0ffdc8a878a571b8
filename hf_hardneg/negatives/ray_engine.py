"""Make negatives on a Ray cluster, for sets that no single machine holds: `hf-hardneg negatives --engine ray`.

Input and output are Parquet files that are streamed. The negatives are those of one process. Each row must hold the
other captions of its image in `other_captions`, a list, because no process sees all rows of an image. Without that
column, the truth filter reads only the caption itself.
"""

import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..columns import CAPTION, CATEGORIES, IMAGE_ID, NEGATIVE_FEATURES, NEGATIVE_SOURCES, OTHER_CAPTIONS
from ..lexicon.index import load_index
from .add_negatives import BATCH, AddHardNegatives, count_slots
from .build_options import BuildOptions
from .slot_model import SlotModel


if TYPE_CHECKING:
    import pyarrow as pa


def _rows(table: "pa.Table") -> dict[str, list]:
    """Read the columns that negatives are made from; a list column that is missing gives empty lists."""
    columns = {name: table[name].to_pylist() for name in NEGATIVE_SOURCES if name in table.column_names}
    for name in (OTHER_CAPTIONS, CATEGORIES):
        columns.setdefault(name, [[]] * table.num_rows)
    return columns


class CountSlots:
    """Turn a table of captions into a table of one row that holds its pickled slot model."""

    def __init__(self, concepts: tuple[str, ...]) -> None:
        self.concepts = concepts

    def __call__(self, table: "pa.Table") -> "pa.Table":
        """Take an Arrow table; return one with the column `model`."""
        import pyarrow as pa

        return pa.table({"model": [pickle.dumps(count_slots(_rows(table), load_index(self.concepts)))]})


class AddColumns:
    """Apply `AddHardNegatives` to Arrow tables."""

    def __init__(self, add: AddHardNegatives) -> None:
        self.add = add

    def __call__(self, table: "pa.Table") -> "pa.Table":
        """Take an Arrow table; return it with the columns of `columns.NEGATIVE_FEATURES`."""
        import pyarrow as pa

        made = self.add(_rows(table))
        for field in NEGATIVE_FEATURES.arrow_schema:
            table = table.append_column(field, pa.array(made[field.name], type=field.type))
        return table


def make_negatives_on_ray(
    source: str, folder: str | Path, add: AddHardNegatives, options: BuildOptions | None = None
) -> dict[str, int]:
    """Fit the slot model and draw negatives on a Ray cluster. Both passes over the captions are streamed.

    Args:
        source: A Parquet file or folder with the columns caption and image_id, and if possible other_captions and
            categories.
        folder: Gets data/*.parquet and slot_model/.
        add: The settings of the draw. Its model is replaced by the one that is fitted here.
        options: `known_model` and `num_proc` (tasks at a time, 2 if None) are used. There is no audit and no card.

    Returns:
        The numbers of "captions" and "negatives".

    Raises:
        ImportError: If Ray is not installed; the message holds the install command.
        ValueError: If a column is missing or the options name a language model.
    """
    options = options or BuildOptions()
    if options.language_model:
        raise ValueError("--language_model runs in one process with an accelerator: leave out --engine ray.")
    try:
        import ray
    except ImportError as error:
        raise ImportError("--engine ray needs Ray. Install it: pip install 'hf-hardneg[ray]'") from error
    index = load_index(add.concepts)
    rows = ray.data.read_parquet(source)
    missing = {CAPTION, IMAGE_ID} - set(rows.schema().names)
    if missing:
        raise ValueError(f"{source} has the columns {rows.schema().names} and lacks {sorted(missing)}.")
    tasks: dict[str, Any] = {"batch_format": "pyarrow", "batch_size": BATCH, "concurrency": options.num_proc or 2}
    known = options.known_model
    model = SlotModel.empty(index) if known is None else SlotModel.load(known, index)
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
