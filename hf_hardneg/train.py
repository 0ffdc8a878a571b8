"""`accelerate launch -m hf_hardneg.train [recipe.yaml] [--flags]`: from data to an evaluated checkpoint."""

import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .recipe import Arguments, DataArguments, ModelArguments, parse_arguments
from .release import prepare_release, pushes_checkpoints, release
from .training_args import HardNegCLIPTrainingArguments


if TYPE_CHECKING:
    from datasets import Dataset

    from .fluency import SlotModel


logger = logging.getLogger(__name__)
START_MODEL = Path(__file__).parent / "start_model"
START, CONTROL = "start", "control"
RESUME_WORDS = ("true", "false", "none")  # any other value of resume_from_checkpoint names a folder
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


def check_writable(folder: str | Path) -> None:
    """Raise a ValueError that says what to do unless files can be made in `folder`, which is made if need be."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        probe = Path(folder) / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)  # another process may have been here
    except OSError as error:
        raise ValueError(f"Cannot write to {folder} ({error.strerror}); choose another --output_dir.") from error


def load_sources(args: DataArguments) -> tuple["Dataset", "Dataset", "Dataset | None", Counter[str]]:
    """Training rows, held-out rows, inpainted pairs (or None) and what was skipped, from wherever `args` says."""
    from . import data, scenes
    from .columns import PAIR_FEATURES

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
    from .challenge import ids_of_pairs, read_challenge_ids

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

    from .columns import NEGATIVE_SOURCES
    from .negatives import fit_slot_model

    batches = (batch for rows in parts for batch in rows.select_columns(NEGATIVE_SOURCES).iter(BATCH))
    number = sum(-(-len(rows) // BATCH) for rows in parts)
    return fit_slot_model(tqdm(batches, total=number, desc="Counting words", disable=None), concepts)


def add_negatives(
    rows: "Dataset", args: DataArguments, num_negatives: int, seed: int, model: "SlotModel"
) -> "Dataset":
    """Add the columns of up to `num_negatives` hard negatives; `model` was fitted on the captions of `rows`."""
    from .columns import with_negatives
    from .negatives import AddHardNegatives

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
        from .language_model import ThinByLanguageModel

        thin = ThinByLanguageModel(args.language_model, args.temperature, seed)
        rows = rows.map(thin, batched=True, features=features, desc="Language model")
    return rows


def prepare_data(args: DataArguments, tokenizer: Any, max_tokens: int, num_negatives: int, seed: int) -> TrainingData:
    """Load rows, leave out too long captions, and add up to `num_negatives` hard negatives to each.

    With K = 0 and `keep_captions_without_negatives: false`, negatives are made to choose the same captions as K > 0.

    Raises:
        ValueError: If no caption is left, or none has a negative although some are asked for.
    """
    from .columns import NEGATIVE_CONCEPTS, NEGATIVES, REJECTIONS
    from .data import drop_long_captions
    from .lexicon import load_lexicon

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


def find_checkpoint(args: HardNegCLIPTrainingArguments) -> str | None:
    """The checkpoint to resume from: the named one, the last in the output folder for "true", or None to start."""
    from transformers.trainer_utils import get_last_checkpoint

    wish = str(args.resume_from_checkpoint or "false").lower()
    if wish not in RESUME_WORDS:
        return args.resume_from_checkpoint
    if wish == "true":
        return get_last_checkpoint(str(args.output_dir)) if Path(str(args.output_dir)).is_dir() else None
    return None


def load_model(name_or_path: str) -> tuple[Any, Any]:
    """A dual encoder of transformers and its processor.

    Raises:
        ValueError: If it is another kind of model.
    """
    from transformers import AutoModel, AutoProcessor

    model = AutoModel.from_pretrained(name_or_path)
    if not hasattr(model, "get_text_features") or not hasattr(model, "logit_scale"):
        raise ValueError(
            f"{name_or_path} is a {type(model).__name__}, not a dual encoder of images and texts such as "
            "openai/clip-vit-base-patch32 or google/siglip-base-patch16-224."
        )
    try:
        return model, AutoProcessor.from_pretrained(name_or_path)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{name_or_path} has no processor that can be loaded ({error}); save the processor of the model that it "
            "was made from beside the weights."
        ) from error


def choose_weights(model: Any, args: ModelArguments) -> Any:
    """Freeze what is not to be trained, or put LoRA on what is."""
    from .adapters import add_lora, freeze_towers

    if args.frozen_towers:
        freeze_towers(model, args.frozen_towers)
    if not args.lora_towers:
        return model
    return add_lora(model, args.lora_towers, args.lora_rank, args.lora_alpha, args.lora_dropout)


def train_model(
    start: str, name: str, model_args: ModelArguments, args: HardNegCLIPTrainingArguments, data: TrainingData
) -> tuple[Any, Any]:
    """Continue the model in `start`; return the trainer (its model trained) and the processor."""
    from .collator import HardNegCollator
    from .dual_encoder import find_text_format
    from .trainer import HardNegCLIPTrainer

    logger.warning(f"Training {name}: K = {args.num_negatives}, {len(data.rows)} captions")
    model, processor = load_model(start)
    text_format = find_text_format(model, processor.tokenizer, args.text_layout)
    model = choose_weights(model, model_args)
    evaluates = args.eval_strategy != "no"
    trainer = HardNegCLIPTrainer(
        model,
        args,
        HardNegCollator(processor, args.num_negatives, data.concepts, text_format),
        train_dataset=data.rows,
        eval_dataset=data.held_out if evaluates else None,
        processing_class=processor,
        pairs=data.pairs if evaluates else None,
    )
    trainer.train(resume_from_checkpoint=find_checkpoint(args))
    trainer.args.push_to_hub = False  # its checkpoints are there; the release is one commit, when card and metrics are
    return trainer, processor


def _check_control(args: HardNegCLIPTrainingArguments) -> None:
    """Refuse what cannot serve two runs at once."""
    if str(args.resume_from_checkpoint or "false").lower() not in RESUME_WORDS:
        raise ValueError("With control: true, resume_from_checkpoint must be true (each run's last one), not a path.")
    if "accuracy" in (args.metric_for_best_model or ""):
        raise ValueError(
            f"metric_for_best_model {args.metric_for_best_model!r} needs negatives, which the control has none of; "
            "take a pair score such as eval_group_macro, eval_loss, or control: false."
        )


def run(arguments: Arguments) -> dict[str, Any]:
    """Train, evaluate and save; return what metrics.json holds.

    Raises:
        ValueError: On data or arguments that cannot be used; the message says what to do.
    """
    from .columns import IMAGE
    from .evaluation.encoding import text_limit
    from .evaluation.results import collect_outcomes, summarize_run
    from .image_cache import add_image_embeddings
    from .outputs import save_outputs

    model_args, data_args, args = arguments
    folder = Path(args.output_dir or "")
    check_writable(folder)
    if args.push_to_hub and args.process_index == 0:
        prepare_release(args)  # whether it can be pushed is better known before the training
    start = model_args.model_name_or_path or str(START_MODEL)
    model, processor = load_model(start)
    with args.main_process_first(desc="preparing data"):
        data = prepare_data(data_args, processor.tokenizer, text_limit(model), args.num_negatives, args.seed)
        if model_args.text_only:
            data = replace(
                data,
                # Without their images, which would be decoded for nothing; retrieval looks at those held out.
                rows=add_image_embeddings(data.rows, model.to(args.device), processor).remove_columns(IMAGE),
                held_out=add_image_embeddings(data.held_out, model, processor),
            )
    if data.skipped:
        logger.warning(f"Skipped: {dict(data.skipped)}")
    outcomes = {START: collect_outcomes(model.to(args.device), processor, data.pairs, data.held_out)}
    runs = {f"K = {args.num_negatives}": replace(args, push_to_hub=pushes_checkpoints(args))}
    if model_args.control and args.num_negatives:
        _check_control(args)
        control = replace(args, num_negatives=0, output_dir=str(folder / CONTROL), push_to_hub=False)
        runs = {CONTROL: control, **runs}
    seconds = {}
    for name, run_args in runs.items():
        began = time.perf_counter()
        trainer, processor = train_model(start, name, model_args, run_args, data)
        seconds[name] = time.perf_counter() - began
        outcomes[name] = collect_outcomes(trainer.model, processor, data.pairs, data.held_out)
        trainer.save_model()
        trainer.save_state()  # its log, for the curves of `hf-hardneg report`
    results = {name: summarize_run(of_model) for name, of_model in outcomes.items()}
    return save_outputs(trainer, arguments, data, results, seconds)


def main(argv: Sequence[str] | None = None) -> None:
    """Command line; a mistake of the user's ends it with one sentence instead of a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        arguments = parse_arguments(sys.argv[1:] if argv is None else argv)
        if arguments[2].process_index:
            logging.getLogger("hf_hardneg").setLevel(logging.ERROR)  # what there is to say, the first process says
        metrics = run(arguments)
        released = release(arguments[2]) if arguments[2].push_to_hub and arguments[2].process_index == 0 else None
    except (ValueError, OSError) as error:
        logger.debug("", exc_info=True)
        sys.exit(f"error: {error}")
    if arguments[2].process_index == 0:
        sys.stdout.write(f"\n{metrics['table']}\n\nSaved in {arguments[2].output_dir}\n")
    if released:
        sys.stdout.write(f"{released}\n")


if __name__ == "__main__":
    main()
