"""A run: prepare the data, train a model and its control, evaluate them, and save everything."""

import logging
import time
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import set_seed

from ..atomic_folder import check_overwrites
from ..columns import IMAGE, IMAGE_ID, NEGATIVE_CONCEPTS
from ..data.skip_reasons import describe_reasons
from ..evaluation.benchmarks import load_benchmark
from ..evaluation.pairs import CHANCE
from ..evaluation.results import Outcomes, collect_outcomes, summarize_run
from ..evaluation.wrong_image import BY_LOOKING
from ..lexicon.concepts import load_lexicon
from ..model.adapters import add_lora, freeze_towers, merge_lora, unfreeze_visual_projection
from ..model.dual_encoder import check_images_differ, find_text_format
from ..model.encoding import text_limit
from ..model.image_cache import add_image_embeddings
from ..model.loading import PAPER_MODEL, START_MODEL, load_model, saved_dtype
from ..user_errors import HubBusyError
from .arguments import SCENES, Arguments, HardNegCLIPTrainingArguments
from .artifacts import RunRecord, collect_metrics, remove_leftovers, save_artifacts
from .checkpoints import find_last_checkpoint, find_problem
from .checks import check_best_metric, check_packages, check_processor
from .collator import HardNegCollator
from .earlier_run import warn_of_earlier_run
from .finish import keep_finished_training, say_where_the_model_is
from .log_lines import write_log_lines
from .model_arguments import ModelArguments
from .plan import check_twins, describe_plan
from .prepare import TrainingData, prepare_data
from .prepare_stream import prepare_stream
from .prepare_twins import uses_twins
from .release import prepare_release, pushes_checkpoints
from .stop_signals import StopAfterStep, StopSignals
from .time_estimate import TimeEstimate
from .tracking import tracked_apart
from .trainer import HardNegCLIPTrainer
from .twin_batches import count_pairs, process_batch_size


logger = logging.getLogger(__name__)

START, CONTROL = "start", "control"
# What Trainer itself reports of an evaluation.
TRAINER_METRICS = ("loss", "runtime", "samples_per_second", "steps_per_second", "model_preparation_time")
MAX_LEARNING_RATE = 1e-4
FEW_PHOTOS = 50  # Of fewer held-out photos, retrieval finds most among its first ten by chance.
RESUME_WORDS = ("true", "false", "none")  # Any other value of resume_from_checkpoint is a folder.


def run(arguments: Arguments, signals: StopSignals) -> dict[str, Any]:
    """Train, evaluate and save.

    Args:
        arguments: Those of the command.
        signals: The handler of the signals that stop a training.

    Returns:
        The content of metrics.json.

    Raises:
        ValueError: If data or arguments cannot be used; the message says what to do.
    """
    args = arguments.training
    # A run that pushes checkpoints leaves training_args.bin and a config.json when it is killed.
    marks = ["trainer_state.json", "training_args.bin"]
    check_overwrites(str(args.output_dir), marks, ["README.md", "config.json"], "--output_dir")
    arguments = name_start_model(arguments)
    if args.process_index == 0:
        warn_of_earlier_run(Path(str(args.output_dir)), has_control(arguments), CONTROL)
    if has_control(arguments):
        _check_control(args)
    if args.push_to_hub and args.process_index == 0:
        prepare_release(args)  # Better known before the training than after it.
    trainings = _list_trainings(arguments)
    model, processor = _load_start_model(arguments)
    tasks = [task.name for spec in args.benchmarks for task in load_benchmark(spec)]
    _check_before_data(arguments, model, processor, tasks)
    data = _prepare(arguments, model, processor)
    _check_best_metric(arguments, tasks, _concepts_of(data.held_out))
    if check_twins(data, args) and arguments.model.control:
        _warn_of_control(data, trainings)
    if args.process_index == 0:
        logger.info(describe_plan(arguments, data, list(trainings), saved_dtype(_start_model(arguments))))
    outcomes = {START: collect_outcomes(model.to(args.device), processor, data.pairs, data.held_out)}
    seconds = {}
    for name, of_training in trainings.items():
        began = time.perf_counter()
        subfolder = CONTROL if name == CONTROL else None
        with tracked_apart(_run_name(args), subfolder) if len(trainings) > 1 else nullcontext():
            trainer = train_model(name, of_training, data, signals)
        seconds[name] = time.perf_counter() - began
        outcomes[name] = _evaluate(trainer, data)
    with say_where_the_model_is(str(args.output_dir)):
        results = {name: summarize_run(of_model) for name, of_model in outcomes.items()}
        if data.stream is not None:
            data.skipped += data.stream.skipped.total()
            logger.warning(f"Skipped while reading the stream: {describe_reasons(data.skipped)}")
        record = RunRecord(arguments, data, results, seconds, trainer.state.global_step)
        metrics = collect_metrics(record)
        if trainer.is_world_process_zero():
            save_artifacts(record, metrics)
    return metrics


def name_start_model(arguments: Arguments) -> Arguments:
    """Name the paper's model if the user named none, unless scenes are trained on: the small one is made for these."""
    if arguments.model.model_name_or_path or arguments.data.dataset == SCENES:
        return arguments
    return arguments._replace(model=replace(arguments.model, model_name_or_path=PAPER_MODEL))


def _list_trainings(arguments: Arguments) -> dict[str, Arguments]:
    """The trainings of a run by name, in their order: the control, if it is wanted, and the model itself."""
    args = arguments.training
    trainings = {}
    if has_control(arguments):
        folder = str(Path(str(args.output_dir)) / CONTROL)
        others: dict[str, Any] = {
            "output_dir": folder,
            "push_to_hub": False,
            "run_name": f"{_run_name(args)}-{CONTROL}",
        }
        trainings[CONTROL] = replace(args, num_negatives=0, twin_share=0.0, twin_weight=0.0, **others)
        args = replace(args, run_name=_run_name(args))
    twins = " and twins" if uses_twins(arguments) else ""
    trainings[f"K = {args.num_negatives}{twins}"] = args
    return {name: arguments._replace(training=of_training) for name, of_training in trainings.items()}


def _run_name(args: HardNegCLIPTrainingArguments) -> str:
    """What trackers call the run."""
    return args.run_name or Path(str(args.output_dir)).name


def has_control(arguments: Arguments) -> bool:
    """Whether a run trains a control, too: without negatives, and with twins in any order."""
    return arguments.model.control and (arguments.training.num_negatives > 0 or uses_twins(arguments))


def _warn_of_control(data: TrainingData, trainings: Collection[str]) -> None:
    """Say what a control lacks where twins are trained on."""
    if CONTROL not in trainings:
        logger.warning("No control is trained, since only the data say that there are twins: set --twin_share.")
    elif data.stream is not None:
        logger.warning("The control is trained on the stream alone, without the twins beside it.")


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


def _load_start_model(arguments: Arguments) -> tuple[Any, Any]:
    name = _start_model(arguments)
    try:
        return load_model(name, arguments.model.dtype)
    except HubBusyError:
        raise
    except OSError as error:
        advice = "Name another model, a folder or a Hub id, with --model_name_or_path."
        raise OSError(f"{str(error).rstrip('.')}. {advice}") from error


def _check_before_data(arguments: Arguments, model: Any, processor: Any, tasks: Sequence[str]) -> None:
    """Check what can be known before data are prepared, which takes minutes."""
    args, data = arguments.training, arguments.data
    check_packages(args, model)
    count_pairs(args.twin_share or 0, process_batch_size(args, args.train_batch_size))
    check_processor(processor, "training")
    find_text_format(model, processor.tokenizer, "padded")
    check_images_differ(model, processor)
    concepts = load_lexicon(tuple(data.concepts)).concepts if args.num_negatives else ()
    # Given negatives bring concepts of their own.
    others = [] if data.dataset == SCENES or not args.num_negatives else ["accuracy_"]
    _check_best_metric(arguments, tasks, concepts, others)
    if data.dataset != SCENES and args.learning_rate > MAX_LEARNING_RATE and not arguments.model.lora_towers:
        logger.warning(
            f"learning_rate is {args.learning_rate:g}, and a pretrained CLIP forgets what it knows above "
            f"{MAX_LEARNING_RATE:g}. The paper takes 5e-6."
        )


def _check_best_metric(
    arguments: Arguments, tasks: Sequence[str], concepts: Collection[str], beginnings: Sequence[str] = ()
) -> None:
    """Check `metric_for_best_model` among the metrics of held-out negatives and all others that there will be.

    Args:
        arguments: Those of the run.
        tasks: The names of the tasks of `benchmarks`.
        concepts: Those of the held-out negatives; an evaluation has a metric for each that occurs.
        beginnings: Further beginnings of metrics.
    """
    args, data = arguments.training, arguments.data
    if args.eval_strategy != "no":
        of_pairs = [f"{score}_" for score in CHANCE] if data.pairs or data.dataset == SCENES else []
        of_negatives = ["accuracy", *(f"accuracy_{concept}" for concept in concepts)] if concepts else []
        of_negatives += [f"accuracy{BY_LOOKING}"] if concepts else []
        known = [*TRAINER_METRICS, *of_negatives]
        check_best_metric(args.metric_for_best_model, known, [*of_pairs, *(f"{task}_" for task in tasks), *beginnings])


def _concepts_of(held_out: Dataset) -> list[str]:
    """The concepts of the negatives of held-out rows."""
    if NEGATIVE_CONCEPTS not in held_out.column_names:
        return []
    return sorted({concept for concepts in held_out[NEGATIVE_CONCEPTS] for concept in concepts})


def _prepare(arguments: Arguments, model: Any, processor: Any) -> TrainingData:
    """Prepare the data in the first process; the others then read its cache."""
    args = arguments.training
    with args.main_process_first(desc="preparing data"):
        prepare = prepare_stream if arguments.data.streaming else prepare_data
        data = prepare(arguments, processor.tokenizer, text_limit(model))
        if arguments.model.text_only:
            model = model.to(args.device)
            # Training no longer needs its images, and would decode them. Retrieval needs the held-out ones.
            projected = not arguments.model.train_visual_projection
            data.rows = add_image_embeddings(data.rows, model, processor, projected).remove_columns(IMAGE)
            data.held_out = add_image_embeddings(data.held_out, model, processor, projected)
    if data.skipped:
        logger.warning(f"Skipped: {describe_reasons(data.skipped)}")
    photos = len(data.held_out.unique(IMAGE_ID))
    if photos < FEW_PHOTOS:
        logger.warning(f"Only {photos} photos are held out, a tenth of all: scores on so few say little.")
    return data


def train_model(name: str, arguments: Arguments, data: TrainingData, signals: StopSignals) -> HardNegCLIPTrainer:
    """Load the start model, train it, and save it.

    Args:
        name: What messages call the model.
        arguments: Those of this training; K may be 0 although `data` has negatives.
        data: From `prepare_data`.
        signals: The handler of the signals that stop a training.

    Returns:
        The trainer, with the trained model and its processor (`processing_class`).
    """
    args = arguments.training
    number = f"{len(data.rows):,} captions" if data.stream is None else "a stream of captions"
    negatives = f"with up to {args.num_negatives} negatives each" if args.num_negatives else "without negatives"
    logger.info(f"Training {name}: {number} {negatives}")
    model, processor = _load_start_model(arguments)
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
        callbacks=[TimeEstimate(name), StopAfterStep(signals, name)],
    )
    write_log_lines(trainer, name)
    if data.stream is not None:
        data.stream.skipped.clear()  # A control has read the same rows.
    with signals.finish_step(), keep_finished_training(trainer):
        trainer.train(resume_from_checkpoint=find_checkpoint(args))
        trainer.args.push_to_hub = False  # The release is one commit, after metrics and card.
        trainer.save_model()
        trainer.save_state()  # Its log has the curves of `hf-hardneg report`.
    if trainer.is_world_process_zero():
        remove_leftovers(Path(str(args.output_dir)), has_lora=bool(arguments.model.lora_towers))
    return trainer


def choose_weights(model: Any, args: ModelArguments) -> Any:
    """Freeze the towers that are not trained, or add LoRA to those that are."""
    if args.frozen_towers:
        freeze_towers(model, args.frozen_towers)
    if args.train_visual_projection:
        unfreeze_visual_projection(model)
    if not args.lora_towers:
        return model
    return add_lora(model, args.lora_towers, args.lora_rank, args.lora_alpha, args.lora_dropout)


def find_checkpoint(args: HardNegCLIPTrainingArguments) -> str | None:
    """Find the checkpoint to resume from, and say which one it is.

    Returns:
        The folder that `resume_from_checkpoint` names; for "true" the last complete checkpoint in the output folder,
        if there is one; else None.

    Raises:
        ValueError: If the folder that is named is no complete checkpoint.
    """
    value = str(args.resume_from_checkpoint or "false").lower()
    if value not in RESUME_WORDS:
        folder: str | None = str(args.resume_from_checkpoint)
        problem = find_problem(Path(str(folder)))
        if problem:
            raise ValueError(f"A training cannot go on from {folder}: {problem}. Name another checkpoint, or true.")
    elif value == "true":
        folder = find_last_checkpoint(str(args.output_dir))
    else:
        return None
    logger.info(
        f"Going on from {folder}" if folder else f"{args.output_dir} has no complete checkpoint: from the beginning"
    )
    return folder


def _evaluate(trainer: HardNegCLIPTrainer, data: TrainingData) -> Outcomes:
    with say_where_the_model_is(str(trainer.args.output_dir)):
        model = merge_lora(trainer.model)  # As it is saved: in half precision, the sum of two weights is rounded.
        return collect_outcomes(model, trainer.processing_class, data.pairs, data.held_out)
