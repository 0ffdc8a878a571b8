"""Natural twins among captions: hash the frames, join them, and look only at captions that share one."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from datasets import Dataset, Features, Value
from tqdm.auto import tqdm

from ..columns import CAPTION, IMAGE_ID, NEGATIVE_SOURCES
from ..file_digests import source_digest
from ..lexicon.concepts import CONCEPTS, vocabularies_digest
from ..lexicon.index import load_index
from ..negatives.slots import analyze
from .choose_twins import CANDIDATE, Twin, choose_twins, draw_pairs, to_twins
from .collisions import BUCKETS, RECORD, colliding, in_chunks
from .frames import find_views, hash_frame


BATCH = 4000  # captions that are analyzed at once
RECORDS = 200_000  # records that are partitioned at once
SOURCES = (
    "lexicon/*",
    "negatives/slots.py",
    "negatives/denials.py",
    "negatives/foreign.py",
    "twins/frames.py",
    "twins/twin_search.py",
    "twins/collisions.py",
)
_FEATURES = Features({name: Value(str(np.dtype(RECORD[name]))) for name in RECORD.names or ()})


@dataclass(frozen=True)
class HashFrames:
    """The records of a batch of captions; use it with `dataset.map`.

    Attributes:
        concepts: As in `AddHardNegatives`.
    """

    concepts: tuple[str, ...] = CONCEPTS
    # Part of the cache key of `dataset.map`: with other rules or words the records are others.
    sources: str = field(default_factory=lambda: source_digest(*SOURCES), repr=False)
    vocabularies: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "vocabularies", vocabularies_digest(self.concepts))

    def __call__(self, batch: Mapping[str, Sequence], rows: Sequence[int]) -> dict[str, np.ndarray]:
        """Make the records of B rows.

        Args:
            batch: The columns caption and image_id.
            rows: B numbers of rows.

        Returns:
            The columns of `collisions.RECORD`, one value for each view of each caption.
        """
        captions = [caption or "" for caption in batch[CAPTION]]
        found: list[tuple[int, ...]] = []
        analyses = analyze(captions, load_index(self.concepts))
        for row, image_id, caption, analysis in zip(rows, batch[IMAGE_ID], captions, analyses, strict=True):
            draw = hash_frame((str(image_id), caption))
            for slot, end, is_whole, frame in find_views(analysis):
                found.append((hash_frame(frame), draw, row, slot.reading.form, slot.start, end, not is_whole))
        records = np.array(found, RECORD)
        return {name: records[name] for name in _FEATURES}


class FoundTwins(NamedTuple):
    """The twins of a set of captions, and how many pairs were left out, by reason."""

    twins: list[Twin]
    left_out: Counter[str]


def _records(rows: Dataset, concepts: tuple[str, ...], num_proc: int | None) -> Iterator[np.ndarray]:
    texts = rows.select_columns([CAPTION, IMAGE_ID])
    table = texts.map(
        HashFrames(concepts),
        batched=True,
        batch_size=BATCH,
        with_indices=True,
        remove_columns=texts.column_names,
        features=_FEATURES,
        num_proc=num_proc,
        desc="Hashing frames",
    )
    for batch in table.with_format("arrow").iter(RECORDS):
        part = np.empty(len(batch), RECORD)
        for name in _FEATURES:
            part[name] = batch[name].to_numpy()
        yield part


def find_twins(rows: Dataset, concepts: tuple[str, ...] = CONCEPTS, num_proc: int | None = None) -> FoundTwins:
    """Find pairs of captions of two photos that differ in one concept word, each photo in one pair at most.

    What is found depends on the captions and image ids alone, not on the order of the rows or the number of processes.

    Args:
        rows: One row per caption, with the columns of `columns.NEGATIVE_SOURCES`. No other column is read.
        concepts: Names of shipped concepts, or paths of your own vocabulary files.
        num_proc: Processes that hash the captions; None is one process.

    Returns:
        The twins, exact ones first.

    Raises:
        ValueError: If a concept is unknown or its vocabulary is broken.

    Examples:
        >>> captions = ["A man rides a horse.", "A woman rides a horse.", "A man is riding a wave."]
        >>> columns = {"image_id": [1, 2, 3], "caption": captions, "other_captions": [[]] * 3, "categories": [[]] * 3}
        >>> found = find_twins(Dataset.from_dict(columns))
        >>> [(twin.kind, {twin.first.text, twin.second.text}) for twin in found.twins][0][0]
        'exact'
    """
    index = load_index(concepts)
    texts = rows.select_columns(NEGATIVE_SOURCES)
    left_out: Counter[str] = Counter()
    parts = [np.empty(0, CANDIDATE)]
    buckets = colliding(_records(rows, concepts, num_proc))
    for records in tqdm(buckets, total=BUCKETS, desc="Comparing captions", disable=None):
        for chunk in in_chunks(records, BATCH):
            batch = texts.select(np.unique(chunk["row"]))[:]
            parts.append(choose_twins(chunk, batch, index, left_out))
    drawn = draw_pairs(np.concatenate(parts), left_out)
    needed = np.unique(drawn["row"])
    captions = dict(zip(needed.tolist(), texts.select(needed)[CAPTION], strict=True))
    return FoundTwins(to_twins(drawn, captions, index), +left_out)
