"""Hard-negative captions for a whole dataset: one picklable callable for `dataset.map`.

Input are captions with the other captions and the categories of their images. Output are up to K negatives of each
caption. A batch goes through six steps, each in a file of its own: find the slots (`slots`), reject forms that may be
true (`truth_filter`), find exchanges (`exchanges`), score candidates (`slot_model`), draw some (`sampling`), and edit
the captions (`edits`).

model = fit_slot_model(rows)
rows.map(AddHardNegatives(model=model), batched=True, num_proc=N, features=with_negatives(rows.features))
"""

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from datasets import Dataset

from ..columns import IMAGE_ID, NEGATIVE_FEATURES, NEGATIVE_SOURCES
from ..data.same_photo import batch_image_ids
from ..data.skip_reasons import EMPTY
from ..file_digests import source_digest
from ..lexicon.concepts import CONCEPTS, vocabularies_digest
from ..lexicon.index import LexiconIndex, load_index
from ..lexicon.words import locate_words, split_words
from .chance import TEMPERATURE, uniform_integers
from .edits import Change, replace_words
from .exchanges import Exchange, find_exchanges
from .foreign import NOT_ENGLISH, looks_foreign
from .sampling import DrawSettings, Picks, SlotChoices, draw_systematically, find_candidates, to_picks
from .slot_examples import SlotExamples
from .slot_features import SlotTable, hash_images, tabulate_slots
from .slot_model import SlotModel
from .slots import Analysis, analyze
from .truth_filter import REASONS, FilterResult, ImageTexts, filter_slots, find_risks, find_unfit


BATCH = 4000  # captions per batch; larger batches are a little faster
NO_CONCEPT = "the caption has no concept word with a replacement"
GUESSABLE = "any replacement is likelier to be told by its text than to be drawn"
SOURCES = (
    "lexicon/*",
    "ragged.py",
    "negatives/add_negatives.py",
    "negatives/chance.py",
    "negatives/slots.py",
    "negatives/balance.py",
    "negatives/class_weights.py",
    "negatives/image_company.py",
    "negatives/slot_examples.py",
    "negatives/slot_features.py",
    "negatives/denials.py",
    "negatives/foreign.py",
    "negatives/slot_model.py",
    "negatives/word_regression.py",
    "negatives/truth_filter.py",
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


def _filter(
    texts: ImageTexts, analyses: Sequence[Analysis], slots: SlotTable, index: LexiconIndex
) -> dict[int, FilterResult]:
    """What may be put into the slots of a batch, by class."""
    return filter_slots(slots, find_risks(texts, analyses, index), index, find_unfit(analyses, index))


def count_slots(batch: Mapping[str, Sequence], index: LexiconIndex) -> SlotExamples:
    """The examples for a slot model in one batch of rows with `caption`, `other_captions` and `categories`."""
    with _paused_collection():
        texts = ImageTexts.from_batch(batch)
        analyses = analyze(texts.captions, index)
        slots = tabulate_slots(analyses, hash_images(batch.get(IMAGE_ID), texts.captions, texts.other_captions))
        filtered = _filter(texts, analyses, slots, index)
        return SlotExamples.count(texts, analyses, slots, filtered, index)


def fit_slot_model(
    rows: Dataset | Iterable[Mapping[str, Sequence]], concepts: tuple[str, ...] = CONCEPTS
) -> SlotModel:
    """Fit a slot model on captions: the first pass over them, before negatives are drawn.

    Args:
        rows: A dataset with the column caption and, if possible, other_captions and categories; or batches of such
            rows. Of a dataset no other column is read, so that no image is decoded.
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
    if isinstance(rows, Dataset):
        rows = rows.select_columns([name for name in NEGATIVE_SOURCES if name in rows.column_names]).iter(BATCH)
    return SlotModel.fit(SlotExamples.empty(index).join(count_slots(batch, index) for batch in rows), index)


@dataclass(frozen=True)
class AddHardNegatives:
    """Add up to K hard negatives to each caption of a batch; use it with `dataset.map`.

    It adds the columns `columns.NEGATIVE_FEATURES`: parallel lists of negatives, their concepts and their changes, and
    the reasons for which candidates were rejected. The choice depends on the seed, the image id, the caption and the
    slot model. It does not depend on order, batch, process or PYTHONHASHSEED.

    Attributes:
        num_negatives: K, at least 1.
        seed: Another seed, other negatives.
        concepts: Names of shipped concepts, or paths of your own vocabulary files. "number" and "negation" are
            shipped, too, and used only where they are named.
        concept_weights: For each concept its relative frequency in captions that name several, 0 or more. None: all
            alike.
        model: What `fit_slot_model` made of these captions or of others. None draws evenly from the whole vocabulary;
            such negatives are easy to tell from the text.
        temperature: Above 0. At 1, negatives are balanced under the model: nobody who knows it can tell them from
            captions. A higher value gives more captions a negative, and readers can tell more of them.

    Raises:
        ValueError: If K is below 1, the temperature is not positive, or the weights do not fit the concepts.

    Reference:
        Rösch et al. 2024, Enhancing Conceptual Understanding in Multimodal Contrastive Learning through Hard Negative
        Samples, https://arxiv.org/abs/2403.02875. The balanced draw is this package's own; see `balance` and
        `sampling`.

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
        if len(weights) != len(self.concepts) or min(weights) < 0 or not any(weights):
            raise ValueError(
                f"concept_weights {list(weights)} must hold one number, 0 or more and not all 0, for each of the "
                f"concepts {list(self.concepts)}."
            )

    def __call__(self, batch: Mapping[str, Sequence]) -> dict[str, list]:
        """Make the negatives of B rows.

        Args:
            batch: The column caption, and if possible image_id, other_captions and categories, each of length B. No
                other column is read, so images are not decoded. Without image_id, each row is an image of its own,
                and rows of equal texts get equal negatives.

        Returns:
            The columns `columns.NEGATIVE_FEATURES`, each a list of B lists. All but "rejections" have one value for
            each negative of the row, 0 to K.
        """
        with _paused_collection():
            return self._add(batch)

    def _add(self, batch: Mapping[str, Sequence]) -> dict[str, list]:
        index = load_index(self.concepts)
        texts = ImageTexts.from_batch(batch)
        analyses = analyze(texts.captions, index)
        slots = tabulate_slots(analyses, hash_images(batch.get(IMAGE_ID), texts.captions, texts.other_captions))
        exchanges = _all_exchanges(analyses, texts.other_captions, slots, index)
        choices = SlotChoices(slots, exchanges, _filter(texts, analyses, slots, index))
        image_ids = batch_image_ids(batch, len(texts.captions))
        picks = self._draw(choices, uniform_integers(self.seed, image_ids, texts.captions), index)
        rejections = _explain(texts.captions, set(picks.row), choices)
        changes = [
            _change(texts.captions[row], analyses[row], edits, index.written)
            for row, edits in zip(picks.row, picks.edits, strict=True)
        ]
        return dict(zip(NEGATIVE_FEATURES, [*_group_by_row(picks, changes, len(analyses)), rejections], strict=True))

    def _draw(self, choices: SlotChoices, starts: np.ndarray, index: LexiconIndex) -> Picks:
        """Draw the negatives of B captions; `starts` (B,) are the random starts of the systematic samples."""
        settings = DrawSettings(np.array(self._concept_weights()), self.num_negatives, self.temperature)
        candidates = find_candidates(choices, self.model or SlotModel.empty(index), index, settings)
        order = np.argsort(candidates.row, kind="stable")
        chosen = draw_systematically(candidates.row[order], candidates.inclusion[order], starts)
        return to_picks(candidates, order[chosen], choices.slots, index)

    def _concept_weights(self) -> tuple[float, ...]:
        return (1.0,) * len(self.concepts) if self.concept_weights is None else self.concept_weights


def _group_by_row(picks: Picks, changes: Sequence[Change], size: int) -> list[list[list]]:
    """The columns of `columns.NEGATIVE_FEATURES` without the rejections: B = `size` lists in each."""
    text, start, end, old, new = map(list, zip(*changes, strict=True)) if changes else ([] for _ in range(5))
    span = list(map(list, zip(start, end, strict=True)))
    ends = np.searchsorted(picks.row, np.arange(size), side="right").tolist()
    of_rows = list(map(slice, [0, *ends], ends))
    columns = (text, picks.concept, picks.operator, old, new, span, picks.ratio)
    return [list(map(column.__getitem__, of_rows)) for column in columns]


def _all_exchanges(
    analyses: Sequence[Analysis],
    other_captions: Sequence[Sequence[str] | None],
    slots: SlotTable,
    index: LexiconIndex,
) -> list[Exchange]:
    """The exchanges of all captions; slots are numbered through the batch."""
    # Only words of one class change places, and few captions have two of a class.
    pairs, counts = np.unique(slots.row * len(index.classes) + slots.of_class, return_counts=True)
    rows = np.unique(pairs[counts > 1] // len(index.classes))
    firsts = np.searchsorted(slots.row, rows)
    return [
        Exchange(offset + exchange.first, offset + exchange.second)
        for row, offset in zip(rows.tolist(), firsts.tolist(), strict=True)
        for exchange in find_exchanges(analyses[row], other_captions[row] or (), index)
    ]


def _change(
    caption: str, analysis: Analysis, edits: Sequence[tuple[int, int, str]], written: Mapping[str, str]
) -> Change:
    """Apply the changes of one negative, as in `Picks.edits`, to its caption; `written` is that of the vocabulary."""
    return replace_words(
        caption,
        [
            (*locate_words(caption, analysis.words, start, end), written.get(new, new) if written else new)
            for start, end, new in edits
        ],
    )


def _why_no_slot(caption: str) -> str:
    """Why a caption without a slot has none."""
    if not caption.strip():
        return EMPTY
    return NOT_ENGLISH if looks_foreign(split_words(caption)) else NO_CONCEPT


def _explain(captions: Sequence[str], covered: Set[int], choices: SlotChoices) -> list[list[str]]:
    """The reasons for which candidates of each row were rejected, each once.

    A row without a negative, which is not in `covered`, has at least one reason.
    """
    slots = choices.slots
    rejected = np.zeros((len(captions), len(REASONS)), dtype=bool)
    has_slot, has_opposed = np.zeros((2, len(captions)), dtype=bool)
    has_slot[slots.row] = True
    for result in choices.filtered.values():
        at, reason = np.nonzero(result.rejected)
        rejected[slots.row[result.slots[at]], reason] = True
        has_opposed[slots.row[result.slots[result.has_opposed]]] = True
    rejections = []
    for row, (caption, of_row) in enumerate(zip(captions, rejected.tolist(), strict=True)):
        reasons = [reason for reason, applies in zip(REASONS, of_row, strict=True) if applies]
        if not has_slot[row]:
            reasons = [_why_no_slot(caption)]
        elif row not in covered and (has_opposed[row] or not reasons):
            reasons.append(GUESSABLE)
        rejections.append(reasons)
    return rejections
