"""From arguments to a stream of training rows: nothing but the first captions is read before the training."""

import logging
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import datasets
from datasets import Dataset, Features
from tqdm.auto import tqdm

from ..columns import (
    CAPTION,
    IMAGE,
    IMAGE_ID,
    NEGATIVE_CONCEPTS,
    NEGATIVE_FEATURES,
    NEGATIVE_SOURCES,
    NEGATIVES,
    OTHER_CAPTIONS,
    ROW_FEATURES,
    with_negatives,
)
from ..data.coco import is_coco_folder
from ..data.given_negatives import UNKNOWN_CONCEPT, join_negatives, read_given_negatives
from ..data.long_captions import drop_equal_negatives, fit_captions
from ..data.skip_reasons import describe_reasons
from ..data.streaming import (
    StreamColumns,
    caption_rows,
    check_split,
    examples,
    find_stream_columns,
    open_stream,
    photo_rows,
    text_columns,
)
from ..lexicon.concepts import load_lexicon
from ..lexicon.index import load_index
from ..negatives.add_negatives import AddHardNegatives
from ..negatives.count_words import count_words
from ..negatives.slot_model import SlotModel
from .arguments import SCENES, Arguments, DataArguments
from .caption_stream import MAX_ADDED_TOKENS, CaptionStream, SkipCounts
from .prepare import (
    TrainingData,
    add_new_negatives,
    find_challenge_ids,
    load_pairs,
    make_adder,
    settle_negatives,
)
from .prepare_twins import drop_captions_of_twins, keep_whole_twins, load_twins
from .ready_negatives import NOT_GIVEN, TakeGivenNegatives, order_concepts, say_which_are_used


logger = logging.getLogger(__name__)

_CAPTIONS = Features({name: ROW_FEATURES[name] for name in NEGATIVE_SOURCES})
_OWN = Features({name: NEGATIVE_FEATURES[name] for name in (NEGATIVES, NEGATIVE_CONCEPTS)})


def prepare_stream(arguments: Arguments, tokenizer: Any, max_tokens: int) -> TrainingData:
    """Open the stream, hold out its first photos, and find the slot model; training rows are read later.

    Args:
        arguments: Those of the run; K is `num_negatives`.
        tokenizer: The model's tokenizer.
        max_tokens: The most tokens that the model reads.

    Returns:
        The data, with a `stream`. Its `rows` are the first captions, without photos.

    Raises:
        ValueError: If an argument does not work with a stream, or the stream cannot be used.
    """
    args, training = arguments.data, arguments.training
    _check_arguments(arguments)
    pairs, broken = load_pairs(args)
    challenge = find_challenge_ids(args, pairs)
    check_split(args.dataset_split, args.dataset, challenge)
    raw = _open(args, args.dataset_split)
    makes_negatives = training.num_negatives > 0 or not args.keep_captions_without_negatives
    columns = _find_columns(raw, args, makes_negatives)
    limit = max_tokens - MAX_ADDED_TOKENS
    held_out, skipped = _hold_out(raw, columns, challenge, args)
    held_out_ids = frozenset(held_out[IMAGE_ID])
    cut = args.long_captions == "cut"
    held_out, too_long = fit_captions(held_out, tokenizer, limit, cut, "held-out caption")
    captions = Dataset.from_dict({name: [] for name in _CAPTIONS}, features=_CAPTIONS)
    if makes_negatives:
        captions, _ = fit_captions(read_first_captions(args, columns, challenge), tokenizer, limit, cut)
    data = TrainingData(captions, held_out, pairs, skipped=skipped + too_long + broken)
    data.concepts = tuple(load_lexicon(tuple(args.concepts)).concepts)
    add = _settle_stream(data, arguments, columns, tokenizer, max_tokens) if makes_negatives else None
    data.stream = CaptionStream(
        raw=raw,
        columns=columns,
        add=add,
        tokenizer=tokenizer,
        max_tokens=limit,
        text_limit=max_tokens,
        cut_long=cut,
        challenge=challenge,
        held_out=held_out_ids,
        shuffle_buffer=args.shuffle_buffer,
        seed=training.seed,
        keep_without_negatives=args.keep_captions_without_negatives,
        skipped=SkipCounts(training.dataloader_num_workers),
    )
    if args.twins:
        data.stream.twins = _prepare_twins(data, args, challenge, tokenizer, max_tokens)
    return data


def _prepare_twins(
    data: TrainingData, args: DataArguments, challenge: Collection[int] | None, tokenizer: Any, max_tokens: int
) -> Dataset:
    """Load the twins that stand beside the rows of the stream, with negatives as these have."""
    twins, left_out = load_twins(None, data.held_out, data.pairs, args, challenge)
    twins, too_long = fit_captions(twins, tokenizer, max_tokens - MAX_ADDED_TOKENS, args.long_captions == "cut")
    twins, torn = keep_whole_twins(twins, tokenizer, max_tokens)
    data.skipped += left_out + too_long + torn
    add = data.stream.add if data.stream else None
    if add is None:
        return twins
    if isinstance(add, TakeGivenNegatives):
        twins = add.add_to(twins)
        number = sum(map(bool, twins[NEGATIVES]))
        logger.warning(f"{number:,} of {len(twins):,} captions of twins have given negatives.")
    else:
        twins = twins.map(add, batched=True, features=with_negatives(twins.features), desc="Adding hard negatives")
    twins, _ = drop_equal_negatives(twins, tokenizer, max_tokens)
    twins, of_twins = drop_captions_of_twins(twins, tokenizer, max_tokens)
    data.skipped += of_twins
    return twins


def _find_columns(raw: datasets.IterableDataset, args: DataArguments, makes_negatives: bool) -> StreamColumns:
    """The columns that are read; that of negatives is one of them only if it is trained on."""
    columns = find_stream_columns(raw, args.dataset, args.image_column, args.caption_column)
    if makes_negatives:
        say_which_are_used(args, columns.negatives)
    return columns if makes_negatives and not args.negatives else replace(columns, negatives=None)


def _settle_stream(
    data: TrainingData, arguments: Arguments, columns: StreamColumns, tokenizer: Any, max_tokens: int
) -> AddHardNegatives | TakeGivenNegatives:
    """Add negatives to the first captions and the held-out rows, count them, and return what gives them to others."""
    args, most = arguments.data, max(1, arguments.training.num_negatives)
    if not (args.negatives or columns.negatives):
        add = make_adder(arguments, _find_slot_model(arguments, data.rows))
        add_new_negatives(data, arguments, add, tokenizer, max_tokens)
        return add
    given, joined_by = None, "their row"
    if args.negatives:
        given = read_given_negatives(args.negatives)
        joined_by = join_negatives(given, data.rows[IMAGE_ID][:], data.rows[CAPTION][:]).by
        data.skipped += given.left_out
    take = TakeGivenNegatives(given, most)
    data.rows, data.held_out = take.add_to(data.rows), take.add_to(data.held_out)
    parts = (data.rows, data.held_out)
    found = {concept for rows in parts for of_row in rows[NEGATIVE_CONCEPTS] for concept in of_row}
    # Later rows may have other concepts.
    data.concepts = order_concepts({*found, UNKNOWN_CONCEPT}, data.concepts)
    numbers = [sum(map(bool, rows[NEGATIVES])) for rows in parts]
    data.rejections[NOT_GIVEN] += len(data.rows) - numbers[0]
    logger.warning(
        f"{numbers[0]:,} of the first {len(data.rows):,} captions and {numbers[1]:,} of {len(data.held_out):,} "
        f"held-out captions have negatives of {args.negatives or args.dataset}, "
        f"joined by {joined_by}. "
        f"Concepts that the first captions do not name count as {UNKNOWN_CONCEPT!r}."
    )
    settle_negatives(data, arguments, tokenizer, max_tokens)
    return replace(take, concepts=data.concepts)


def _check_arguments(arguments: Arguments) -> None:
    args = arguments.data
    if arguments.training.max_steps <= 0:
        raise ValueError("The number of rows of a stream is not known: set --max_steps to say how long to train.")
    if args.num_rows:
        logger.warning(f"num_rows {args.num_rows} is not used: max_steps says how many captions of a stream are read.")
    if arguments.model.text_only:
        raise ValueError(
            "text_only encodes each photo before the training, so it does not work with --streaming true."
        )
    if args.dataset == SCENES or is_coco_folder(args.dataset):
        raise ValueError(f"{args.dataset} is on this machine and is not streamed: leave out --streaming.")


def _open(args: DataArguments, split: str | None, columns: list[str] | None = None) -> datasets.IterableDataset:
    return open_stream(args.dataset, split, columns, args.dataset_config)


def _hold_out(
    raw: datasets.IterableDataset, columns: StreamColumns, challenge: Collection[int] | None, args: DataArguments
) -> tuple[Dataset, Counter[str]]:
    """Read the held-out rows: the first of another split, or of the training split, which then leaves them out."""
    if args.held_out_split:
        raw = _open(args, args.held_out_split)
    share = 1.0 if args.held_out_split else 0.1
    return take_held_out(examples(raw), columns, challenge, args.held_out_images, share)


def read_first_captions(args: DataArguments, columns: StreamColumns, challenge: Collection[int] | None) -> Dataset:
    """Read the captions of the first rows, and no photos where the format allows it (Parquet).

    Returns:
        `slot_model_captions` rows of `columns.NEGATIVE_SOURCES` and of the row's own negatives, fewer if the stream
        has no more.
    """
    stream = _open(args, args.dataset_split)
    stream = _open(args, args.dataset_split, text_columns(stream, columns))
    rows = chain.from_iterable(caption_rows(raw, columns, challenge, lambda reason: None) for raw in examples(stream))
    number = args.slot_model_captions
    found = list(tqdm(islice(rows, number), total=number, desc="Reading captions", disable=None))
    return Dataset.from_list(found, features=_with_own(_CAPTIONS, columns))


def take_held_out(
    raws: Iterable[dict[str, Any]],
    columns: StreamColumns,
    challenge: Collection[int] | None,
    number: int,
    most: float,
) -> tuple[Dataset, Counter[str]]:
    """Read the rows of the first `number` photos. If the stream ends before, hold out the share `most` of its photos.

    Returns:
        Rows of `columns.ROW_FEATURES`, and what was skipped on the way, by reason.

    Raises:
        ValueError: If there are too few photos to hold some out.
    """
    skipped: Counter[str] = Counter()
    by_image: dict[int, list[dict[str, Any]]] = {}
    for raw in raws:
        rows = photo_rows(raw, columns, challenge, lambda reason: skipped.update([reason]))
        if rows and len(by_image) == number and rows[0][IMAGE_ID] not in by_image:
            break
        for row in rows:
            by_image.setdefault(row[IMAGE_ID], []).append(row)
    else:
        if len(by_image) < 2:
            why = describe_reasons(skipped)
            raise ValueError(
                f"The stream {columns.source} has {len(by_image)} usable photos, and at least 2 are needed. Skipped: "
                f"{why}. Photos are looked for in the column {columns.images[0]!r}; --image_column names another."
            )
        by_image = dict(islice(by_image.items(), max(1, min(number, int(len(by_image) * most)))))
    _warn_of_spread_captions(by_image.values())
    features = _with_own(ROW_FEATURES, columns)
    undecoded = Features({**features, IMAGE: datasets.Image(decode=False)})
    found = Dataset.from_list(list(chain.from_iterable(by_image.values())), features=undecoded)
    return found.cast(features), skipped


def _with_own(features: Features, columns: StreamColumns) -> Features:
    """The features, with those of the row's own negatives if they are read."""
    return Features({**features, **_OWN}) if columns.negatives else features


def _warn_of_spread_captions(photos: Iterable[list[dict[str, Any]]]) -> None:
    """Say it if photos have captions in several raw rows, which a stream does not bring together."""
    spread = sum(
        any({row[CAPTION], *row[OTHER_CAPTIONS]} < {one[CAPTION] for one in rows} for row in rows) for rows in photos
    )
    if spread:
        logger.warning(
            f"{spread} of the held-out photos have captions in several rows of the stream. They are not known to each "
            f"other, so negatives can be true of the photo: put all captions of a photo in one row, or the others in "
            f"the column {OTHER_CAPTIONS!r}."
        )


def _find_slot_model(arguments: Arguments, captions: Dataset) -> SlotModel:
    """The slot model of all processes: the one that the user gave, or that of the first captions.

    It is kept in the output folder, so that a resumed training makes the same negatives.
    """
    args, training = arguments.data, arguments.training
    concepts = tuple(args.concepts)
    kept = Path(str(training.output_dir)) / "slot_model"
    asked = str(training.resume_from_checkpoint or "false").lower() not in ("false", "none")
    resumes = asked and any(kept.parent.glob("checkpoint-*"))
    if args.slot_model or (kept.is_dir() and (resumes or training.local_process_index)):
        return SlotModel.load(args.slot_model or kept, load_index(concepts))
    model = count_words([captions], concepts)
    if training.local_process_index == 0:
        model.save(kept, load_index(concepts))
    return model
