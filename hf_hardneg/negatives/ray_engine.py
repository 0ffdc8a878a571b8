"""Make negatives on a Ray cluster, for sets that no single machine holds: `hf-hardneg negatives --engine ray`.

Input and output are Parquet files that are streamed. The negatives are those of one process. Each row must hold the
other captions of its image in `other_captions`, a list, because no process sees all rows of an image. Without that
column, the truth filter reads only the caption itself.
"""

import logging
import pickle
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..columns import CAPTION, CATEGORIES, IMAGE_ID, NEGATIVE_FEATURES, NEGATIVE_SOURCES, OTHER_CAPTIONS
from ..lexicon.index import load_index
from .add_negatives import BATCH, AddHardNegatives, count_slots
from .build_options import BuildOptions
from .counted_captions import digest_captions, load_counted, save_counted, without_counted
from .dataset_folder import check_output
from .slot_examples import SlotExamples
from .slot_model import SlotModel


if TYPE_CHECKING:
    import pyarrow as pa


logger = logging.getLogger(__name__)


def _rows(table: "pa.Table") -> dict[str, list]:
    """Read the columns that negatives are made from; a list column that is missing gives empty lists."""
    columns = {name: table[name].to_pylist() for name in NEGATIVE_SOURCES if name in table.column_names}
    for name in (OTHER_CAPTIONS, CATEGORIES):
        columns.setdefault(name, [[]] * table.num_rows)
    return columns


class CountSlots:
    """Turn a table of captions into one row: its pickled examples for a slot model, and the digests of its captions.

    Captions whose digests are among `counted` are not counted.
    """

    def __init__(self, concepts: tuple[str, ...], counted: np.ndarray) -> None:
        self.concepts = concepts
        self.counted = counted

    def __call__(self, table: "pa.Table") -> "pa.Table":
        """Take an Arrow table; return one with the columns `examples` and `digests`."""
        import pyarrow as pa

        rows = _rows(table)
        examples = count_slots(without_counted(rows, self.counted), load_index(self.concepts))
        return pa.table({"examples": [pickle.dumps(examples)], "digests": [digest_captions(rows[CAPTION]).tobytes()]})


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


def _unpack(parts: Iterable[Mapping[str, bytes]], digests: list[np.ndarray]) -> Iterator[SlotExamples]:
    """The examples that `CountSlots` made, one at a time; the digests of their captions are appended to a list."""
    for part in parts:
        digests.append(np.frombuffer(part["digests"], "<u8"))
        yield pickle.loads(part["examples"])


def _check_options(options: BuildOptions) -> None:
    """Refuse what this engine would not do.

    Raises:
        ValueError: If an option is set that is not used here.
    """
    if options.language_model:
        raise ValueError("--language_model runs in one process with an accelerator: leave out --engine ray.")
    ignored = {
        "caption_column": options.caption_column not in (None, CAPTION),
        "split": options.split != BuildOptions().split,
        "dataset_config": options.config is not None,
        "license": options.license is not None,
    }
    flags = [f"--{name}" for name, is_set in ignored.items() if is_set]
    if flags:
        raise ValueError(
            f"--engine ray reads all rows of Parquet files, their column {CAPTION}, and writes no card. So it does "
            f"not use {' and '.join(flags)}: leave them out, name the files of that split, or leave out --engine ray."
        )


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
        ValueError: If a column is missing, another option is set, or the folder has rows.
    """
    options = options or BuildOptions()
    _check_options(options)
    try:
        import ray
    except ImportError as error:
        raise ImportError("--engine ray needs Ray. Install it: pip install 'hf-hardneg[ray]'") from error
    data = check_output(folder, own=())
    index = load_index(add.concepts)
    rows = ray.data.read_parquet(source)
    missing = {CAPTION, IMAGE_ID} - set(rows.schema().names)
    if missing:
        raise ValueError(f"{source} has the columns {rows.schema().names} and lacks {sorted(missing)}.")
    if OTHER_CAPTIONS not in rows.schema().names:
        logger.warning(
            f"{source} has no column {OTHER_CAPTIONS}, so a negative may say what another caption of its photo says. "
            "Without --engine ray, rows of one image_id are compared."
        )
    tasks: dict[str, Any] = {"batch_format": "pyarrow", "batch_size": BATCH, "concurrency": options.num_proc or 2}
    known = options.known_model
    model = SlotModel.empty(index) if known is None else SlotModel.load(known, index)
    digests = [digest_captions([]) if known is None else load_counted(known)]
    parts = rows.map_batches(CountSlots(add.concepts, digests[0]), **tasks).iter_rows()
    model = model.add(_unpack(parts, digests), index)
    made = rows.map_batches(AddColumns(replace(add, model=model)), **tasks)
    # A run that is killed leaves its rows here, where nobody reads them and the next run removes them.
    unfinished = data.with_name("data.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    made.write_parquet(str(unfinished))
    model.save(data.with_name("slot_model"), index)
    save_counted(data.with_name("slot_model"), np.concatenate(digests))
    if data.is_dir():
        data.rmdir()
    unfinished.rename(data)
    counts: Counter[str] = Counter()
    written: Any = ray.data.read_parquet(str(data), columns=["negatives"])
    for table in written.iter_batches(batch_format="pyarrow"):
        counts["captions"] += table.num_rows
        counts["negatives"] += sum(len(negatives) for negatives in table["negatives"].to_pylist())
    return dict(counts)
