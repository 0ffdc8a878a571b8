"""From arguments to rows: load the sources, leave out what cannot be used, add negatives."""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset
from tqdm.auto import tqdm

from ..columns import NEGATIVE_CONCEPTS, NEGATIVE_SOURCES, NEGATIVES, PAIR_FEATURES, REJECTIONS, with_negatives
from ..data.captioned_images import load_captioned_images
from ..data.challenge import ids_of_pairs, read_challenge_ids
from ..data.coco import is_coco_folder, load_coco
from ..data.files import open_dataset, require_columns
from ..data.inpainted_pairs import drop_broken_pairs
from ..data.splits import drop_long_captions, split_by_image
from ..lexicon.concepts import load_lexicon
from ..negatives.add_negatives import AddHardNegatives, fit_slot_model
from ..negatives.slot_model import SlotModel
from ..scenes.world import MENTION_RATES, scene_pairs, scene_rows
from .recipe import DataArguments


logger = logging.getLogger(__name__)

BATCH = 1000  # captions that are looked at together
LONGER = 4  # tokens that the longest replacement adds at most


@dataclass
class TrainingData:
    """What a run trains and is judged on, with what was left out and why; `concepts` are those of the negatives."""

    rows: Dataset
    held_out: Dataset
    pairs: Dataset | None
    concepts: tuple[str, ...]
    skipped: Counter[str]
    negatives: Counter[str]
    rejections: Counter[str]


def load_sources(args: DataArguments) -> tuple[Dataset, Dataset, Dataset | None, Counter[str]]:
    """Training rows, held-out rows, inpainted pairs (or None) and what was skipped, from wherever `args` says."""
    if args.dataset == "scenes":
        rates = dict(zip(MENTION_RATES, args.scene_mention_rates, strict=True))
        rows = scene_rows("train", args.num_rows or 12000, rates)
        held_out = scene_rows(args.held_out_scenes, args.held_out_images)
        return rows, held_out, scene_pairs(args.held_out_scenes, args.pairs_per_concept), Counter()
    num_proc = args.num_proc or os.cpu_count()
    pairs = None
    if args.pairs:
        pairs = open_dataset(args.pairs, "test")
        require_columns(pairs.column_names, list(PAIR_FEATURES), args.pairs)
    challenge = _challenge_ids(args, pairs)
    if is_coco_folder(args.dataset):
        rows, skipped = load_coco(args.dataset, args.dataset_split, num_proc, challenge)
    else:
        split = args.dataset_split or "train"
        columns = (args.image_column, args.caption_column)
        rows, skipped = load_captioned_images(args.dataset, split, *columns, num_proc, challenge)
    rows, held_out = split_by_image(rows, args.held_out_images)
    rows = rows.select(range(min(args.num_rows or len(rows), len(rows))))
    if pairs is not None:
        pairs, broken = drop_broken_pairs(pairs)
        skipped += broken
    return rows, held_out, pairs, skipped


def _challenge_ids(args: DataArguments, pairs: Dataset | None) -> set[int] | None:
    """COCO ids of the photos that are not trained on; None if all may be, which is said."""
    if args.allow_challenge_images:
        logger.warning("Photos of challenge sets and of COCO val2017 may be trained on: allow_challenge_images.")
        return None
    ids = set().union(*(read_challenge_ids(source) for source in args.challenge_sets))
    names = [name for name in ("coco_details", "inpaint_details") if pairs and name in pairs.column_names]
    if pairs is not None and names:
        ids |= ids_of_pairs(pairs.select_columns(names))
    if ids:
        logger.warning(f"Not trained on: {len(ids)} photos of challenge sets, by COCO image id.")
    return ids


def fit_model(parts: Sequence[Dataset], concepts: tuple[str, ...]) -> SlotModel:
    """The first pass over all captions that get negatives: how likely each word is where it stands."""
    batches = (batch for rows in parts for batch in rows.select_columns(NEGATIVE_SOURCES).iter(BATCH))
    number = sum(-(-len(rows) // BATCH) for rows in parts)
    return fit_slot_model(tqdm(batches, total=number, desc="Counting words", disable=None), concepts)


def add_negatives(rows: Dataset, args: DataArguments, num_negatives: int, seed: int, model: SlotModel) -> Dataset:
    """Add the columns of up to `num_negatives` hard negatives; `model` was fitted on the captions of `rows`."""
    add = AddHardNegatives(
        num_negatives=num_negatives,
        seed=seed,
        concepts=tuple(args.concepts),
        concept_weights=tuple(args.concept_weights) or None,
        model=model,
        temperature=args.temperature,
    )
    num_proc = min(args.num_proc or os.cpu_count() or 1, 1 + len(rows) // 10000)
    features = with_negatives(rows.features)
    rows = rows.map(add, batched=True, num_proc=num_proc, features=features, desc="Adding hard negatives")
    if args.language_model:
        from ..negatives.language_model import ThinByLanguageModel

        thin = ThinByLanguageModel(args.language_model, args.temperature, seed)
        rows = rows.map(thin, batched=True, features=features, desc="Language model")
    return rows


def prepare_data(args: DataArguments, tokenizer: Any, max_tokens: int, num_negatives: int, seed: int) -> TrainingData:
    """Load rows, leave out too long captions, and add up to `num_negatives` hard negatives to each.

    With K = 0 and `keep_captions_without_negatives: false`, negatives are made to choose the same captions as K > 0.

    Raises:
        ValueError: If no caption is left, or none has a negative although some are asked for.
    """
    rows, held_out, pairs, skipped = load_sources(args)
    # A replacement may have more tokens than the word it replaces.
    rows, too_long = drop_long_captions(rows, tokenizer, max_tokens - LONGER)
    held_out, also_too_long = drop_long_captions(held_out, tokenizer, max_tokens - LONGER)
    concepts = tuple(load_lexicon(tuple(args.concepts)).concepts)
    skipped += too_long + also_too_long
    result = TrainingData(rows, held_out, pairs, concepts, skipped, Counter(), Counter())
    if num_negatives == 0 and args.keep_captions_without_negatives:
        return result
    model = fit_model([rows, held_out], tuple(args.concepts))
    rows = add_negatives(rows, args, max(1, num_negatives), seed, model)
    result.held_out = add_negatives(held_out, args, max(1, num_negatives), seed, model)
    result.rejections.update(reason for reasons in rows[REJECTIONS] for reason in reasons)
    result.negatives.update(concept for concepts in rows[NEGATIVE_CONCEPTS] for concept in concepts)
    counts = [len(negatives) for negatives in rows[NEGATIVES]]
    if not any(counts):
        raise ValueError(f"None of {len(rows)} captions has a hard negative. Reasons: {dict(result.rejections)}.")
    if not args.keep_captions_without_negatives:
        rows = rows.select([i for i, count in enumerate(counts) if count])
        result.skipped["the caption has no hard negative"] += counts.count(0)
    by_count = {k: counts.count(k) for k in range(num_negatives + 1)}
    logger.warning(f"Captions by number of negatives: {by_count}; negatives by concept: {dict(result.negatives)}")
    result.rows = rows
    return result
