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

from .recipe import Arguments, DataArguments, parse_arguments
from .training_args import HardNegCLIPTrainingArguments


if TYPE_CHECKING:
    from datasets import Dataset


logger = logging.getLogger(__name__)
START_MODEL = Path(__file__).parent / "start_model"
START, CONTROL = "start", "control"


@dataclass
class TrainingData:
    """What a run trains and is judged on, with what was left out and why."""

    rows: "Dataset"
    held_out: "Dataset"
    pairs: "Dataset | None"
    skipped: Counter[str]
    negatives: Counter[str]
    rejections: Counter[str]


def check_writable(folder: str | Path) -> None:
    """Raise a ValueError that says what to do unless files can be made in `folder`, which is made if need be."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        probe = Path(folder) / ".writable"
        probe.touch()
        probe.unlink()
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
    if data.is_coco_folder(args.dataset):
        rows, skipped = data.load_coco(args.dataset, args.dataset_split, args.num_proc)
    else:
        split = args.dataset_split or "train"
        columns = (args.image_column, args.caption_column)
        rows, skipped = data.load_captioned_images(args.dataset, split, *columns, args.num_proc)
    rows, held_out = data.split_by_image(rows, args.held_out_images)
    rows = rows.select(range(min(args.num_rows or len(rows), len(rows))))
    pairs = None
    if args.pairs:
        pairs = data.open_dataset(args.pairs, "test")
        data.require_columns(pairs, list(PAIR_FEATURES), args.pairs)
    return rows, held_out, pairs, skipped


def prepare_data(args: DataArguments, tokenizer: Any, max_tokens: int, num_negatives: int, seed: int) -> TrainingData:
    """Load rows and add up to `num_negatives` hard negatives to each.

    Raises:
        ValueError: If no caption is left, or none has a negative although some are asked for.
    """
    from tqdm.auto import tqdm

    from .columns import CAPTION, NEGATIVE_CONCEPTS, NEGATIVES, REJECTIONS, with_negatives
    from .data import drop_long_captions
    from .negatives import AddHardNegatives, count_words

    rows, held_out, pairs, skipped = load_sources(args)
    rows, too_long = drop_long_captions(rows, tokenizer, max_tokens)
    skipped += too_long
    result = TrainingData(rows, held_out, pairs, skipped, Counter(), Counter())
    if num_negatives == 0:
        return result
    concepts = tuple(args.concepts)
    add_negatives = AddHardNegatives(
        num_negatives=num_negatives,
        seed=seed,
        concepts=concepts,
        concept_weights=tuple(args.concept_weights),
        word_counts=count_words(tqdm(rows[CAPTION], desc="Counting words"), concepts),
    )
    num_proc = min(args.num_proc or os.cpu_count() or 1, 1 + len(rows) // 2000)
    features = with_negatives(rows.features)
    rows = rows.map(add_negatives, batched=True, num_proc=num_proc, features=features, desc="Adding hard negatives")
    result.rejections.update(reason for reasons in rows[REJECTIONS] for reason in reasons)
    result.negatives.update(concept for concepts in rows[NEGATIVE_CONCEPTS] for concept in concepts)
    counts = [len(negatives) for negatives in rows[NEGATIVES]]
    if not any(counts):
        raise ValueError(f"None of {len(rows)} captions has a hard negative. Reasons: {dict(result.rejections)}.")
    if not args.keep_captions_without_negatives:
        rows = rows.select([i for i, count in enumerate(counts) if count])
        skipped["the caption has no hard negative"] += counts.count(0)
    by_count = {k: counts.count(k) for k in range(num_negatives + 1)}
    logger.warning(f"Captions by number of negatives: {by_count}; negatives by concept: {dict(result.negatives)}")
    result.rows = rows
    return result


def train_model(start: str, name: str, args: HardNegCLIPTrainingArguments, data: TrainingData) -> tuple[Any, Any]:
    """Continue the model in `start`; return the trainer (its model trained) and the processor."""
    from transformers import CLIPModel, CLIPProcessor

    from .collator import HardNegCollator
    from .evaluation.encoding import text_limit
    from .trainer import HardNegCLIPTrainer

    logger.warning(f"Training {name}: K = {args.num_negatives}, {len(data.rows)} captions")
    model, processor = CLIPModel.from_pretrained(start), CLIPProcessor.from_pretrained(start)
    limit = text_limit(model)
    evaluates = args.eval_strategy != "no"
    trainer = HardNegCLIPTrainer(
        model,
        args,
        HardNegCollator(processor, args.num_negatives, max_length=limit),
        train_dataset=data.rows,
        eval_dataset=data.held_out if evaluates else None,
        processing_class=processor,
        pairs=data.pairs if evaluates else None,
    )
    resume = {"true": True, "false": None}.get(str(args.resume_from_checkpoint).lower(), args.resume_from_checkpoint)
    trainer.train(resume_from_checkpoint=resume)
    return trainer, processor


def run(arguments: Arguments) -> dict[str, Any]:
    """Train, evaluate and save; return what metrics.json holds.

    Raises:
        ValueError: On data or arguments that cannot be used; the message says what to do.
    """
    from transformers import CLIPModel, CLIPProcessor

    from .evaluation.encoding import text_limit
    from .evaluation.results import collect_outcomes, summarize
    from .outputs import save_outputs

    model_args, data_args, args = arguments
    folder = Path(args.output_dir or "")
    check_writable(folder)
    start = model_args.model_name_or_path or str(START_MODEL)
    model: Any = CLIPModel.from_pretrained(start)
    processor = CLIPProcessor.from_pretrained(start)
    with args.main_process_first(desc="preparing data"):
        data = prepare_data(data_args, processor.tokenizer, text_limit(model), args.num_negatives, args.seed)
    if data.skipped:
        logger.warning(f"Skipped: {dict(data.skipped)}")
    outcomes = {START: collect_outcomes(model.to(args.device), processor, data.pairs, data.held_out)}
    runs = {f"K = {args.num_negatives}": args}
    if model_args.control and args.num_negatives:
        runs = {CONTROL: replace(args, num_negatives=0, output_dir=str(folder / CONTROL)), **runs}
    seconds = {}
    for name, run_args in runs.items():
        began = time.perf_counter()
        trainer, processor = train_model(start, name, run_args, data)
        seconds[name] = time.perf_counter() - began
        outcomes[name] = collect_outcomes(trainer.model, processor, data.pairs, data.held_out)
        trainer.save_model()
    results = {name: summarize(of_model) for name, of_model in outcomes.items()}
    return save_outputs(trainer, arguments, data, results, seconds)


def main(argv: Sequence[str] | None = None) -> None:
    """Command line; a mistake of the user's ends it with one sentence instead of a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        arguments = parse_arguments(sys.argv[1:] if argv is None else argv)
        if arguments[2].process_index:
            logging.getLogger("hf_hardneg").setLevel(logging.ERROR)  # what there is to say, the first process says
        metrics = run(arguments)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    if arguments[2].process_index == 0:
        sys.stdout.write(f"\n{metrics['table']}\n\nSaved in {arguments[2].output_dir}\n")


if __name__ == "__main__":
    main()
