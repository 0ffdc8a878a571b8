"""From arguments to rows: load the sources, leave out what cannot be used, add negatives."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .recipe import DataArguments


if TYPE_CHECKING:
    from datasets import Dataset

    from ..negatives.slot_model import SlotModel
from .run import logger


BATCH = 1000  # captions that are looked at together


LONGER = 4  # tokens that the longest replacement adds at most


@dataclass
class TrainingData:
    """What a run trains and is judged on, with what was left out and why; `concepts` are those of the negatives."""

    rows: "Dataset"
    held_out: "Dataset"
    pairs: "Dataset | None"
    concepts: tuple[str, ...]
    skipped: Counter[str]
    negatives: Counter[str]
    rejections: Counter[str]


def load_sources(args: DataArguments) -> tuple["Dataset", "Dataset", "Dataset | None", Counter[str]]:
    """Training rows, held-out rows, inpainted pairs (or None) and what was skipped, from wherever `args` says."""
    from ..columns import PAIR_FEATURES
    from ..data import coco_format as data
    from ..scenes import world as scenes

    if args.dataset == "scenes":
        rates = dict(zip(scenes.MENTION_RATES, args.scene_mention_rates, strict=True))
        rows = scenes.scene_rows("train", args.num_rows or 12000, rates)
        held_out = scenes.scene_rows(args.held_out_scenes, args.held_out_images)
        return rows, held_out, scenes.scene_pairs(args.held_out_scenes, args.pairs_per_concept), Counter()
    num_proc = args.num_proc or os.cpu_count()
    pairs = None
    if args.pairs:
        pairs = data.open_dataset(args.pairs, "test")
        data.require_columns(pairs.column_names, list(PAIR_FEATURES), args.pairs)
    challenge = _challenge_ids(args, pairs)
    if data.is_coco_folder(args.dataset):
        rows, skipped = data.load_coco(args.dataset, args.dataset_split, num_proc, challenge)
    else:
        split = args.dataset_split or "train"
        columns = (args.image_column, args.caption_column)
        rows, skipped = data.load_captioned_images(args.dataset, split, *columns, num_proc, challenge)
    rows, held_out = data.split_by_image(rows, args.held_out_images)
    rows = rows.select(range(min(args.num_rows or len(rows), len(rows))))
    if pairs is not None:
        pairs, broken = data.drop_broken_pairs(pairs)
        skipped += broken
    return rows, held_out, pairs, skipped


def _challenge_ids(args: DataArguments, pairs: "Dataset | None") -> set[int] | None:
    """COCO ids of the photos that are not trained on; None if all may be, which is said."""
    from ..data.challenge import ids_of_pairs, read_challenge_ids

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


def fit_model(parts: Sequence["Dataset"], concepts: tuple[str, ...]) -> "SlotModel":
    """The first pass over all captions that get negatives: how likely each word is where it stands."""
    from tqdm.auto import tqdm

    from ..columns import NEGATIVE_SOURCES
    from ..negatives.add_negatives import fit_slot_model

    batches = (batch for rows in parts for batch in rows.select_columns(NEGATIVE_SOURCES).iter(BATCH))
    number = sum(-(-len(rows) // BATCH) for rows in parts)
    return fit_slot_model(tqdm(batches, total=number, desc="Counting words", disable=None), concepts)


def add_negatives(
    rows: "Dataset", args: DataArguments, num_negatives: int, seed: int, model: "SlotModel"
) -> "Dataset":
    """Add the columns of up to `num_negatives` hard negatives; `model` was fitted on the captions of `rows`."""
    from ..columns import with_negatives
    from ..negatives.add_negatives import AddHardNegatives

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
    from ..columns import NEGATIVE_CONCEPTS, NEGATIVES, REJECTIONS
    from ..data.splits import drop_long_captions
    from ..lexicon.concepts import load_lexicon

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
