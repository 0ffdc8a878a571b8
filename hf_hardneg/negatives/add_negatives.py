"""Hard-negative captions for a whole dataset: one picklable callable for `dataset.map`.

model = fit_slot_model(rows)
rows.map(AddHardNegatives(model=model), batched=True, num_proc=N, features=with_negatives(rows.features))
"""

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from ..columns import CAPTION, IMAGE_ID, NEGATIVE_FEATURES, OTHER_CAPTIONS
from ..data.skip_reasons import EMPTY
from ..file_digests import source_digest
from ..lexicon.concepts import CONCEPTS, vocabularies_digest
from ..lexicon.index import LexiconIndex, load_index
from ..lexicon.words import locate_words
from .chance import uniform_integers
from .edits import Change, replace_words
from .exchanges import Exchange, find_exchanges
from .filters import REASONS, Verdicts, find_risks
from .sampling import DrawSettings, Picks, draw_systematically, find_candidates, find_verdicts, to_picks
from .slot_model import SlotModel, SlotTable, count_contexts, tabulate_slots
from .slots import Analysis, analyze


BATCH = 4000  # captions per batch; larger batches are a little faster
TEMPERATURE = 1.375  # chosen on COCO's captions by the audit of that time; see docs/audit.md for what it missed
NO_CONCEPT = "the caption has no concept word with a replacement"
GUESSABLE = "any replacement is likelier to be told by its text than to be drawn"
SOURCES = (
    "lexicon/*",
    "negatives/add_negatives.py",
    "negatives/chance.py",
    "negatives/slots.py",
    "negatives/slot_model.py",
    "negatives/filters.py",
    "negatives/exchanges.py",
    "negatives/edits.py",
    "negatives/sampling.py",
)


@contextmanager
def _paused_collection() -> Iterator[None]:
    """Pause the garbage collector: a batch makes many small objects and no cycles, and collecting costs a third."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def count_slots(batch: Mapping[str, Sequence], index: LexiconIndex) -> SlotModel:
    """Fit a slot model on one batch of rows with `caption`, `other_captions` and `categories`."""
    with _paused_collection():
        analyses = analyze([caption or "" for caption in batch[CAPTION]], index)
        slots = tabulate_slots(analyses)
        model = SlotModel.empty(index)
        for c, (members, is_open, _) in find_verdicts(slots, find_risks(batch, analyses, index), index).items():
            form = slots.form[members]
            model.totals[c] += np.bincount(form, minlength=is_open.shape[1])
            model.tried[c] += model.totals[c][:, None]
            np.add.at(model.passed[c], form, is_open)
        return SlotModel(count_contexts(slots), model.totals, model.tried, model.passed)


def fit_slot_model(rows: Iterable[Mapping[str, Sequence]], concepts: tuple[str, ...] = CONCEPTS) -> SlotModel:
    """Count the words around every slot: the first pass over the captions, before negatives are drawn.

    Args:
        rows: Batches with the columns of `columns.NEGATIVE_SOURCES`, such as `dataset.iter(batch_size=1000)`.
        concepts: As in `AddHardNegatives`.

    Returns:
        The model; give it to `AddHardNegatives`, or save it for other captions.

    Raises:
        ValueError: If a concept is unknown or its vocabulary is broken.

    Examples:
        >>> rows = [{"caption": ["a red car", "a blue car"], "other_captions": [[], []], "categories": [[], []]}]
        >>> model = fit_slot_model(rows, concepts=("color",))
        >>> int(model.totals[0].sum())
        2
    """
    index = load_index(concepts)
    return SlotModel.empty(index).add(count_slots(batch, index) for batch in rows)


@dataclass(frozen=True)
class AddHardNegatives:
    """Add up to K hard negatives to each caption of a batch; use it with `dataset.map`.

    It adds the columns `columns.NEGATIVE_FEATURES`: parallel lists of negatives, their concepts and their changes, and
    the reasons for which candidates were rejected. The choice depends on the seed, the image id, the caption and the
    slot model. It does not depend on order, batch, process or PYTHONHASHSEED.

    Attributes:
        num_negatives: K, at least 1.
        seed: Another seed, other negatives.
        concepts: Names of shipped concepts, or paths of your own vocabulary files.
        concept_weights: For each concept its relative frequency in captions that name several, 0 or more. None: all
            alike.
        model: What `fit_slot_model` made of these captions, alone or with others. A caption is scored without its own
            counts, so it must be among those counted. None draws evenly from the whole vocabulary; such negatives are
            easy to tell by reading.
        temperature: Above 0. A higher value gives more captions a negative, and readers can tell more of them.

    Raises:
        ValueError: If K is below 1, the temperature is not positive, or the weights do not fit the concepts.

    Examples:
        >>> rows = {
        ...     "caption": ["a red car by a bus", "a blue car", "a blue bus"],
        ...     "image_id": [0, 1, 2], "other_captions": [[], [], []], "categories": [[], [], []],
        ... }
        >>> add = AddHardNegatives(num_negatives=1, model=fit_slot_model([rows], ("color",)), concepts=("color",))
        >>> add(rows)["negatives"][0]
        ['a blue car by a bus']
    """

    num_negatives: int = 3
    seed: int = 0
    concepts: tuple[str, ...] = CONCEPTS
    concept_weights: tuple[float, ...] | None = None
    model: SlotModel | None = None
    temperature: float = TEMPERATURE
    # Part of the cache key of `dataset.map`: with other rules or words the negatives are others.
    sources: str = field(default_factory=lambda: source_digest(*SOURCES), repr=False)
    vocabularies: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.num_negatives < 1:
            raise ValueError(
                f"num_negatives is {self.num_negatives}; it must be 1 or more (0 needs no negatives at all)."
            )
        if self.temperature <= 0:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0 (1 is the model as it is).")
        load_index(self.concepts)  # a broken vocabulary is reported now and not in a worker
        object.__setattr__(self, "vocabularies", vocabularies_digest(self.concepts))
        weights = self._concept_weights()
        if len(weights) != len(self.concepts) or min(weights) < 0:
            raise ValueError(
                f"concept_weights {list(weights)} must hold one number, 0 or more, for each of the "
                f"concepts {list(self.concepts)}."
            )

    def __call__(self, batch: Mapping[str, Sequence]) -> dict[str, list]:
        """Take the columns caption, image_id, other_captions and categories; return `columns.NEGATIVE_FEATURES`."""
        with _paused_collection():
            return self._add(batch)

    def _add(self, batch: Mapping[str, Sequence]) -> dict[str, list]:
        index = load_index(self.concepts)
        captions = [caption or "" for caption in batch[CAPTION]]
        analyses = analyze(captions, index)
        slots = tabulate_slots(analyses)
        picks, rejections = self._draw(batch, captions, analyses, slots, index)
        changes = [
            _change(captions[row], analyses[row], edits) for row, edits in zip(picks.row, picks.edits, strict=True)
        ]
        text, start, end, old, new = map(list, zip(*changes, strict=True)) if changes else ([] for _ in range(5))
        span = list(map(list, zip(start, end, strict=True)))
        ends = np.searchsorted(picks.row, np.arange(len(captions)), side="right").tolist()
        of_rows = list(map(slice, [0, *ends], ends))
        columns = [
            list(map(column.__getitem__, of_rows))
            for column in (text, picks.concept, picks.operator, old, new, span, picks.ratio)
        ]
        return dict(zip(NEGATIVE_FEATURES, [*columns, rejections], strict=True))

    def _draw(
        self,
        batch: Mapping[str, Sequence],
        captions: Sequence[str],
        analyses: Sequence[Analysis],
        slots: SlotTable,
        index: LexiconIndex,
    ) -> tuple[Picks, list[list[str]]]:
        """Draw the negatives of each row, and say for which reasons candidates were turned down."""
        verdicts = find_verdicts(slots, find_risks({**batch, CAPTION: captions}, analyses, index), index)
        exchanges = _all_exchanges(analyses, batch[OTHER_CAPTIONS], slots, index)
        candidates = find_candidates(
            slots,
            exchanges,
            verdicts,
            self.model or SlotModel.empty(index),
            index,
            DrawSettings(np.array(self._concept_weights()), self.num_negatives, self.temperature),
        )
        starts = uniform_integers(self.seed, batch[IMAGE_ID], captions)
        order = np.argsort(candidates.row, kind="stable")
        chosen = draw_systematically(candidates.row[order], candidates.rate[order], starts)
        picks = to_picks(candidates, order[chosen], slots, index)
        return picks, _explain(captions, set(picks.row), slots, verdicts)

    def _concept_weights(self) -> tuple[float, ...]:
        return (1.0,) * len(self.concepts) if self.concept_weights is None else self.concept_weights


def _all_exchanges(
    analyses: Sequence[Analysis], other_captions: Sequence[Sequence[str]], slots: SlotTable, index: LexiconIndex
) -> list[Exchange]:
    """The exchanges of all captions; slots are numbered through the batch."""
    # Only words of one class change places, and few captions have two of a class.
    pairs, often = np.unique(slots.row * len(index.classes) + slots.of_class, return_counts=True)
    rows = np.unique(pairs[often > 1] // len(index.classes))
    first = np.searchsorted(slots.row, rows)
    return [
        Exchange(begin + exchange.first, begin + exchange.second)
        for row, begin in zip(rows.tolist(), first.tolist(), strict=True)
        for exchange in find_exchanges(analyses[row], other_captions[row] or (), index)
    ]


def _change(caption: str, analysis: Analysis, edits: Sequence[tuple[int, int, str]]) -> Change:
    """The caption with other words in the form of some; `edits` as in `Picks`."""
    return replace_words(
        caption, [(*locate_words(caption, analysis.words, start, end), new) for start, end, new in edits]
    )


def _explain(
    captions: Sequence[str], covered: Set[int], slots: SlotTable, verdicts: Mapping[int, Verdicts]
) -> list[list[str]]:
    """The reasons for which candidates of each row were rejected, each once.

    A row that is not `covered` has one or more.
    """
    struck = np.zeros((len(captions), len(REASONS) + 1), dtype=bool)
    has_slot = np.zeros(len(captions), dtype=bool)
    has_slot[slots.row] = True
    for members, _, of_slots in verdicts.values():
        at, reason = np.nonzero(of_slots)
        struck[slots.row[members[at]], reason] = True
    rejections = []
    for row, (caption, marked, candidates) in enumerate(
        zip(captions, struck.tolist(), has_slot.tolist(), strict=True)
    ):
        reasons = [reason for reason, is_struck in zip(REASONS, marked[1:], strict=True) if is_struck]
        if not candidates:
            reasons = [NO_CONCEPT if caption.strip() else EMPTY]
        elif row not in covered and (marked[0] or not reasons):
            reasons.append(GUESSABLE)
        rejections.append(reasons)
    return rejections
