"""A run: prepare the data, train a model and its control, evaluate them, and save everything."""

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import set_seed
from transformers.trainer_utils import get_last_checkpoint

from ..atomic_folder import check_writable
from ..columns import IMAGE
from ..evaluation.results import Outcomes, collect_outcomes, summarize_run
from ..model.adapters import add_lora, freeze_towers
from ..model.dual_encoder import find_text_format
from ..model.encoding import text_limit
from ..model.image_cache import add_image_embeddings
from ..model.loading import START_MODEL, load_model
from .arguments import Arguments, HardNegCLIPTrainingArguments, ModelArguments
from .artifacts import RunRecord, collect_metrics, save_artifacts
from .collator import HardNegCollator
from .plan import describe_plan
from .prepare import TrainingData, prepare_data
from .prepare_stream import prepare_stream
from .release import prepare_release, pushes_checkpoints
from .time_estimate import TimeEstimate
from .trainer import HardNegCLIPTrainer


logger = logging.getLogger(__name__)

START, CONTROL = "start", "control"
RESUME_WORDS = ("true", "false", "none")  # Any other value of resume_from_checkpoint is a folder.


def run(arguments: Arguments) -> dict[str, Any]:
    """Train, evaluate and save.

    Returns:
        The content of metrics.json.

    Raises:
        ValueError: If data or arguments cannot be used; the message says what to do.
    """
    args = arguments.training
    check_writable(str(args.output_dir))
    trainings = _list_trainings(arguments)
    if args.push_to_hub and args.process_index == 0:
        prepare_release(args)  # Better known before the training than after it.
    model, processor = load_model(_start_model(arguments))
    data = _prepare(arguments, model, processor)
    if args.process_index == 0:
        logger.info(describe_plan(arguments, data, list(trainings)))
    outcomes = {START: collect_outcomes(model.to(args.device), processor, data.pairs, data.held_out)}
    seconds = {}
    for name, of_training in trainings.items():
        began = time.perf_counter()
        trainer = train_model(name, of_training, data)
        seconds[name] = time.perf_counter() - began
        outcomes[name] = _evaluate_and_save(trainer, data)
    results = {name: summarize_run(of_model) for name, of_model in outcomes.items()}
    record = RunRecord(arguments, data, results, seconds, trainer.state.global_step)
    if data.stream is not None:
        data.skipped += data.stream.skipped.total()
        logger.warning(f"Skipped while reading the stream: {dict(data.skipped)}")
    metrics = collect_metrics(record)
    if trainer.is_world_process_zero():
        save_artifacts(record, metrics)
    return metrics


def _list_trainings(arguments: Arguments) -> dict[str, Arguments]:
    """The trainings of a run by name, in their order: the control, if it is wanted, and the model itself."""
    args = arguments.training
    trainings = {}
    if arguments.model.control and args.num_negatives:
        _check_control(args)
        folder = str(Path(str(args.output_dir)) / CONTROL)
        trainings[CONTROL] = replace(args, num_negatives=0, output_dir=folder, push_to_hub=False)
    trainings[f"K = {args.num_negatives}"] = args
    return {name: arguments._replace(training=of_training) for name, of_training in trainings.items()}


def _check_control(args: HardNegCLIPTrainingArguments) -> None:
    """Refuse arguments that cannot hold for two trainings at once."""
    if str(args.resume_from_checkpoint or "false").lower() not in RESUME_WORDS:
        raise ValueError("With control: true, resume_from_checkpoint must be true (each run's last one), not a path.")
    if "accuracy" in (args.metric_for_best_model or ""):
        raise ValueError(
            f"metric_for_best_model {args.metric_for_best_model!r} needs negatives, which the control has none of; "
            "take a pair score such as eval_group_macro, eval_loss, or control: false."
        )


def _start_model(arguments: Arguments) -> str:
    return arguments.model.model_name_or_path or str(START_MODEL)


def _prepare(arguments: Arguments, model: Any, processor: Any) -> TrainingData:
    """Prepare the data in the first process; the others then read its cache."""
    args = arguments.training
    with args.main_process_first(desc="preparing data"):
        prepare = prepare_stream if arguments.data.streaming else prepare_data
        data = prepare(arguments, processor.tokenizer, text_limit(model))
        if arguments.model.text_only:
            model = model.to(args.device)
            # Training no longer needs its images, and would decode them. Retrieval needs the held-out ones.
            data.rows = add_image_embeddings(data.rows, model, processor).remove_columns(IMAGE)
            data.held_out = add_image_embeddings(data.held_out, model, processor)
    if data.skipped:
        logger.warning(f"Skipped: {dict(data.skipped)}")
    return data


def train_model(name: str, arguments: Arguments, data: TrainingData) -> HardNegCLIPTrainer:
    """Load the start model and train it.

    Args:
        name: What messages call the model.
        arguments: Those of this training; K may be 0 although `data` has negatives.
        data: From `prepare_data`.

    Returns:
        The trainer, with the trained model and its processor (`processing_class`).
    """
    args = arguments.training
    number = f"{len(data.rows):,} captions" if data.stream is None else "a stream of captions"
    logger.info(f"Training {name}: K = {args.num_negatives}, {number}")
    model, processor = load_model(_start_model(arguments))
    text_format = find_text_format(model, processor.tokenizer, args.text_layout)
    set_seed(args.seed)  # A control gets the same random LoRA matrices.
    evaluates = args.eval_strategy != "no"
    trainer = HardNegCLIPTrainer(
        choose_weights(model, arguments.model),
        replace(args, push_to_hub=pushes_checkpoints(args)),
        HardNegCollator(processor, args.num_negatives, data.concepts, text_format),
        train_dataset=data.rows if data.stream is None else data.stream,
        eval_dataset=data.held_out if evaluates else None,
        processing_class=processor,
        pairs=data.pairs if evaluates else None,
        callbacks=[TimeEstimate(name)],
    )
    if data.stream is not None:
        data.stream.skipped.clear()  # A control has read the same rows.
    trainer.train(resume_from_checkpoint=find_checkpoint(args))
    trainer.args.push_to_hub = False  # The release is one commit, after metrics and card.
    return trainer


def choose_weights(model: Any, args: ModelArguments) -> Any:
    """Freeze the towers that are not trained, or add LoRA to those that are."""
    if args.frozen_towers:
        freeze_towers(model, args.frozen_towers)
    if not args.lora_towers:
        return model
    return add_lora(model, args.lora_towers, args.lora_rank, args.lora_alpha, args.lora_dropout)


def find_checkpoint(args: HardNegCLIPTrainingArguments) -> str | None:
    """Find the checkpoint to resume from.

    Returns:
        The folder that `resume_from_checkpoint` names; for "true" the last checkpoint in the output folder, if there
        is one; else None.
    """
    value = str(args.resume_from_checkpoint or "false").lower()
    if value not in RESUME_WORDS:
        return args.resume_from_checkpoint
    if value == "true" and Path(str(args.output_dir)).is_dir():
        return get_last_checkpoint(str(args.output_dir))
    return None


def _evaluate_and_save(trainer: HardNegCLIPTrainer, data: TrainingData) -> Outcomes:
    outcomes = collect_outcomes(trainer.model, trainer.processing_class, data.pairs, data.held_out)
    trainer.save_model()
    trainer.save_state()  # Its log has the curves of `hf-hardneg report`.
    return outcomes
