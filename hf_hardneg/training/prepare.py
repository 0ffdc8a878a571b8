"""From arguments to rows: load the data, leave out what cannot be used, and add hard negatives."""

import logging
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from datasets import Dataset

from ..columns import NEGATIVE_CONCEPTS, NEGATIVES, PAIR_FEATURES, PAIR_ID, REJECTIONS, with_negatives
from ..data.files import refuse_config, require_columns
from ..data.given_negatives import GivenNegatives
from ..data.inpainted_pairs import drop_broken_pairs
from ..data.leakage import ids_of_pairs, read_challenge_ids, source_columns
from ..data.long_captions import drop_equal_negatives, fit_captions
from ..data.photo_sources import load_photos
from ..data.skip_reasons import describe_reasons
from ..data.sources import open_source
from ..data.splits import split_by_image
from ..data.twin_sets import settle_pair_ids
from ..lexicon.concepts import load_lexicon
from ..negatives.add_negatives import AddHardNegatives
from ..negatives.count_words import count_words
from ..negatives.language_model import ThinByLanguageModel
from ..negatives.slot_model import SlotModel
from ..scenes.scenes_folder import TRAIN, TWIN_SCENES
from ..scenes.world import MENTION_RATES, scene_pairs, scene_rows
from .arguments import Arguments, DataArguments
from .caption_stream import MAX_ADDED_TOKENS, CaptionStream
from .prepare_twins import (
    add_twins,
    drop_captions_of_twins,
    is_set_of_twins,
    keep_whole_twins,
    load_twins,
    load_twins_alone,
)
from .ready_negatives import NOT_GIVEN, find_given_negatives, order_concepts, use_given_negatives


logger = logging.getLogger(__name__)

ROWS_PER_PROCESS = 10_000  # Fewer rows do not pay for the start of a process.
DEFAULT_SCENES = 12_000


@dataclass
class TrainingData:
    """What a run trains on and is evaluated on, and what was left out.

    Attributes:
        rows: Training rows, one per caption. If there is a stream: its first captions, without photos.
        held_out: Rows of other images, to evaluate retrieval on.
        pairs: Inpainted pairs to evaluate on, if there are any.
        concepts: The names of the concepts that negatives can have.
        skipped: How many captions, images or pairs were left out, by reason.
        negatives: How many negatives the training rows have, by concept.
        rejections: How many captions lost a candidate for a negative, by reason.
        negatives_per_caption: How many training captions have 0, 1, ..., K negatives.
        stream: What is trained on instead of `rows`, read during the training.
        given_negatives: Where the negatives come from, if they were not made here.
    """

    rows: Dataset
    held_out: Dataset
    pairs: Dataset | None
    concepts: tuple[str, ...] = ()
    skipped: Counter[str] = field(default_factory=Counter)
    negatives: Counter[str] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)
    negatives_per_caption: Counter[int] = field(default_factory=Counter)
    stream: CaptionStream | None = None
    given_negatives: str | None = None


def prepare_data(arguments: Arguments, tokenizer: Any, max_tokens: int) -> TrainingData:
    """Load rows, leave out captions that are too long, and add up to K hard negatives to each.

    With K = 0 and `keep_captions_without_negatives: false`, negatives only choose the captions: the same as for K > 0.

    Args:
        arguments: Those of the run; K is `num_negatives`.
        tokenizer: The model's tokenizer.
        max_tokens: The most tokens that the model reads.

    Raises:
        ValueError: If the data cannot be used, or no caption has a negative although K is above 0.
    """
    args = arguments.data
    data = load_sources(args)
    data.concepts = tuple(load_lexicon(tuple(args.concepts)).concepts)
    # A negative may be longer than its caption.
    limit = max_tokens - MAX_ADDED_TOKENS
    cut = args.long_captions == "cut"
    data.rows, too_long = fit_captions(data.rows, tokenizer, limit, cut)
    data.held_out, also = fit_captions(data.held_out, tokenizer, limit, cut, "held-out caption")
    data.rows, torn = keep_whole_twins(data.rows, tokenizer, max_tokens)
    data.skipped += too_long + also + torn
    if arguments.training.num_negatives or not args.keep_captions_without_negatives:
        given = find_given_negatives(args)
        if given is not None:
            _add_given_negatives(data, arguments, given, tokenizer, max_tokens)
        else:
            model = count_words([data.rows, data.held_out], tuple(args.concepts))
            add_new_negatives(data, arguments, make_adder(arguments, model), tokenizer, max_tokens)
    return data


def load_sources(args: DataArguments) -> TrainingData:
    """Load training rows, held-out rows and inpainted pairs, all without negatives.

    Raises:
        ValueError: If the data are missing, lack columns, or are photos of a test set.
    """
    if args.dataset == "scenes":
        refuse_config(args.dataset, args.dataset_config)
        if args.held_out_scenes in (TRAIN, TWIN_SCENES):
            raise ValueError(
                f"held_out_scenes is {args.held_out_scenes!r}, the seed of scenes that are trained on: take another, "
                "such as 'test' or 'dev'."
            )
        rates = dict(zip(MENTION_RATES, args.scene_mention_rates, strict=True))
        data = TrainingData(
            rows=scene_rows(TRAIN, args.num_rows or DEFAULT_SCENES, rates),
            held_out=scene_rows(args.held_out_scenes, args.held_out_images),
            pairs=scene_pairs(args.held_out_scenes, args.pairs_per_concept),
        )
        # Of scenes there are no challenge sets; of photos among the twins there are.
        challenge = find_challenge_ids(args, None) if args.twins else None
    else:
        pairs, broken = load_pairs(args)
        challenge = find_challenge_ids(args, pairs)
        if is_set_of_twins(args):
            rows, held_out, skipped = load_twins_alone(args, pairs, challenge)
            return TrainingData(rows, held_out, pairs, skipped=skipped + broken)
        rows, skipped = _load_photos(args, challenge)
        rows, held_out = split_by_image(rows, args.held_out_images)
        if PAIR_ID in held_out.column_names:
            held_out = held_out.remove_columns(PAIR_ID)
        rows = rows.select(range(min(args.num_rows or len(rows), len(rows))))
        data = TrainingData(rows, held_out, pairs, skipped=skipped + broken)
    if args.twins:
        twins, left_out = load_twins(data.rows, data.held_out, data.pairs, args, challenge)
        data.rows = add_twins(data.rows, twins)
        data.skipped += left_out
    return data


def load_pairs(args: DataArguments) -> tuple[Dataset | None, Counter[str]]:
    """Load the inpainted pairs to evaluate on, if any are wanted, and count those that are broken, by reason."""
    if not args.pairs:
        return None, Counter()
    pairs = open_source(args.pairs, "test")
    require_columns(pairs.column_names, list(PAIR_FEATURES), args.pairs)
    return drop_broken_pairs(pairs)


def _load_photos(args: DataArguments, challenge_ids: set[int] | None) -> tuple[Dataset, Counter[str]]:
    """Load rows of a COCO folder, a split file, a Hub id or other files, and count what was left out by reason."""
    columns = (args.image_column, args.caption_column)
    num_proc = args.num_proc or os.cpu_count()
    rows, skipped = load_photos(
        args.dataset, args.dataset_split, *columns, num_proc, challenge_ids, args.dataset_config, keep_pairs=True
    )
    if PAIR_ID not in rows.column_names:
        return rows, skipped
    rows, no_twins = settle_pair_ids(rows)
    return rows, skipped + no_twins


def find_challenge_ids(args: DataArguments, pairs: Dataset | None) -> set[int] | None:
    """Collect the COCO ids of photos that must not be trained on; None if all photos may be."""
    if args.allow_challenge_images:
        logger.warning("Photos of challenge sets and of COCO val2017 may be trained on: allow_challenge_images.")
        return None
    ids = set().union(*(read_challenge_ids(source) for source in args.challenge_sets))
    names = source_columns(pairs.features) if pairs else []
    if pairs is not None and names:
        ids |= ids_of_pairs(pairs.select_columns(names))
    if ids:
        logger.warning(f"Not trained on: {len(ids)} photos of challenge sets, by COCO image id.")
    return ids


def add_new_negatives(
    data: TrainingData, arguments: Arguments, add: AddHardNegatives, tokenizer: Any, max_tokens: int
) -> None:
    """Make negatives for the training rows and the held-out rows, and count them.

    Args:
        data: Without negatives; it is changed.
        arguments: Those of the run.
        add: Makes the negatives.
        tokenizer: The model's.
        max_tokens: The most tokens that the model reads.

    Raises:
        ValueError: If no training caption gets a negative.
    """
    data.rows = _add_negatives(data.rows, arguments, add)
    data.held_out = _add_negatives(data.held_out, arguments, add)
    data.rejections.update(reason for reasons in data.rows[REJECTIONS] for reason in reasons)
    settle_negatives(data, arguments, tokenizer, max_tokens)


def _add_given_negatives(
    data: TrainingData, arguments: Arguments, given: GivenNegatives, tokenizer: Any, max_tokens: int
) -> None:
    """Take the negatives that somebody already has, and count them."""
    most = max(1, arguments.training.num_negatives)
    data.rows, data.held_out, concepts = use_given_negatives(given, data.rows, data.held_out, most)
    data.given_negatives = given.source
    data.concepts = order_concepts(concepts, data.concepts)
    data.skipped += given.left_out
    data.rejections[NOT_GIVEN] += sum(not negatives for negatives in data.rows[NEGATIVES])
    settle_negatives(data, arguments, tokenizer, max_tokens)


def settle_negatives(data: TrainingData, arguments: Arguments, tokenizer: Any, max_tokens: int) -> None:
    """Leave out negatives equal to their caption and, on demand, captions without any; count what is left."""
    rows, equal = drop_equal_negatives(data.rows, tokenizer, max_tokens)
    data.held_out, _ = drop_equal_negatives(data.held_out, tokenizer, max_tokens)
    rows, of_twins = drop_captions_of_twins(rows, tokenizer, max_tokens)
    data.skipped += equal + of_twins
    data.negatives.update(concept for concepts in rows[NEGATIVE_CONCEPTS] for concept in concepts)
    counts = [len(negatives) for negatives in rows[NEGATIVES]]
    if not any(counts):
        reasons = describe_reasons(data.rejections + equal)
        raise ValueError(f"None of {len(rows)} captions has a hard negative. Reasons: {reasons}.")
    if not arguments.data.keep_captions_without_negatives:
        # A twin has the caption of the other one, which stays beside it.
        has_twin = [pair_id is not None for pair_id in rows[PAIR_ID]] if PAIR_ID in rows.column_names else []
        kept = [i for i, count in enumerate(counts) if count or (has_twin and has_twin[i])]
        data.skipped["the caption has no hard negative"] += len(rows) - len(kept)
        rows, counts = rows.select(kept), [counts[i] for i in kept]
    data.rows = rows
    data.negatives_per_caption.update(counts)


def make_adder(arguments: Arguments, model: SlotModel) -> AddHardNegatives:
    """Make what adds negatives to rows; `model` was fitted on their captions."""
    args = arguments.data
    return AddHardNegatives(
        num_negatives=max(1, arguments.training.num_negatives),
        seed=arguments.training.seed,
        concepts=tuple(args.concepts),
        concept_weights=tuple(args.concept_weights) or None,
        model=model,
        temperature=args.temperature,
    )


def _add_negatives(rows: Dataset, arguments: Arguments, add: AddHardNegatives) -> Dataset:
    """Add the columns of hard negatives."""
    args = arguments.data
    num_proc = min(args.num_proc or os.cpu_count() or 1, 1 + len(rows) // ROWS_PER_PROCESS)
    features = with_negatives(rows.features)
    rows = rows.map(add, batched=True, num_proc=num_proc, features=features, desc="Adding hard negatives")
    if args.language_model:
        thin = ThinByLanguageModel(args.language_model, args.temperature, arguments.training.seed)
        rows = rows.map(thin, batched=True, features=features, desc="Language model")
    return rows
