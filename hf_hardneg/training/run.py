"""One training run: prepare the data, train (with a control), evaluate, save."""

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers.trainer_utils import get_last_checkpoint

from ..columns import IMAGE
from ..evaluation.results import collect_outcomes, summarize_run
from ..folders import check_writable
from ..hub.release import prepare_release, pushes_checkpoints
from ..model.adapters import add_lora, freeze_towers
from ..model.dual_encoder import find_text_format
from ..model.encoding import text_limit
from ..model.image_cache import add_image_embeddings
from ..model.loading import START_MODEL, load_model
from .arguments import HardNegCLIPTrainingArguments
from .artifacts import save_outputs
from .collator import HardNegCollator
from .prepare import TrainingData, prepare_data
from .recipe import Arguments, ModelArguments
from .trainer import HardNegCLIPTrainer


logger = logging.getLogger(__name__)

START, CONTROL = "start", "control"
RESUME_WORDS = ("true", "false", "none")  # any other value of resume_from_checkpoint names a folder


def find_checkpoint(args: HardNegCLIPTrainingArguments) -> str | None:
    """The checkpoint to resume from: the named one, the last in the output folder for "true", or None to start."""
    wish = str(args.resume_from_checkpoint or "false").lower()
    if wish not in RESUME_WORDS:
        return args.resume_from_checkpoint
    if wish == "true":
        return get_last_checkpoint(str(args.output_dir)) if Path(str(args.output_dir)).is_dir() else None
    return None


def choose_weights(model: Any, args: ModelArguments) -> Any:
    """Freeze what is not to be trained, or put LoRA on what is."""
    if args.frozen_towers:
        freeze_towers(model, args.frozen_towers)
    if not args.lora_towers:
        return model
    return add_lora(model, args.lora_towers, args.lora_rank, args.lora_alpha, args.lora_dropout)


def train_model(
    start: str, name: str, model_args: ModelArguments, args: HardNegCLIPTrainingArguments, data: TrainingData
) -> tuple[Any, Any]:
    """Continue the model in `start`; return the trainer (its model trained) and the processor."""
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
