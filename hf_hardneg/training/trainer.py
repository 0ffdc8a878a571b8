"""`HardNegCLIPTrainer`: the Trainer of transformers, with contrastive losses over hard negatives."""

import copy
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from datasets import Dataset
from peft import PeftModel
from torch import Tensor, nn
from transformers import EvalPrediction, Trainer
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, EvalLoopOutput, TrainOutput, rotate_checkpoints

from ..columns import IMAGE_ID, NEGATIVE_CONCEPTS, PAIR_ID
from ..evaluation.benchmarks import load_benchmark
from ..evaluation.negatives_accuracy import negatives_accuracy
from ..evaluation.pairs import pairs_task
from ..evaluation.results import mean_scores
from ..evaluation.tasks import Task
from ..hub.retries import RetryPolicy
from ..model.adapters import merge_lora
from ..model.dual_encoder import check_images_differ, check_texts_differ, find_text_format, take_collated_batches
from ..model.embeddings import Embeddings, join_embeddings, split_embeddings
from ..model.encoding import Encoder
from .arguments import HardNegCLIPTrainingArguments
from .checkpoints import write_whole
from .checks import check_arguments, check_best_metric, check_processor, check_trainable, check_weights
from .collator import NO_NEGATIVE, ChunkCollator, HardNegCollator
from .gather import gather_embeddings, sum_numbers, unshardable_parameters
from .grad_cache import backward_in_chunks
from .looking_accuracy import control_accuracy, count_choices
from .losses import batch_negatives_loss, distillation_loss, margin_loss, own_negatives_loss, sigmoid_loss, twins_loss
from .pair_scores import pair_scores, share_embeddings
from .special_tokens import KeepSpecialTokens
from .stream_loader import LoaderSettings, StreamLoader, StreamPosition, is_stream
from .temperature import ClampTemperature
from .twin_batches import TwinSampler, make_twin_sampler, pairs_beside_stream


logger = logging.getLogger(__name__)


class HardNegCLIPTrainer(Trainer):
    """Train a dual encoder of transformers (CLIP, MetaCLIP 2, SigLIP, ...) on batches of `HardNegCollator`.

    `evaluate()` returns these scores in percent beside `eval_loss`, and they can be `metric_for_best_model`:

    - `eval_accuracy`, `eval_accuracy_color`, ...: how many negatives score below their caption; a tie is wrong;
    - `eval_accuracy_wrong_image`: the same beside another photo of the batch; it cannot be `metric_for_best_model`;
    - `eval_accuracy_by_looking`: what the right photo adds to it, in points;
    - `eval_group_macro`, `eval_group_color`, ...: the scores of inpainted pairs, if `pairs` are given;
    - such as `eval_sugarcrepe_image_to_text_macro`: the scores of each task of `args.benchmarks`.

    For pairs and benchmarks, every process scores all items, and each image and text is encoded once.

    Args:
        model: A dual encoder of transformers, or what `add_lora` made of one.
        args: The training arguments.
        data_collator: Default: a `HardNegCollator` of `processing_class` for the concepts of this package.
        *trainer_args: Further arguments of `transformers.Trainer`.
        pairs: Inpainted pairs with the columns of `columns.PAIR_FEATURES`. They need `processing_class`.
        **kwargs: Further arguments of `transformers.Trainer`.

    Raises:
        ValueError: If training would go wrong: arguments of another class, no processor, texts or images
            that the model embeds alike, an adapter that is not merged, several GPUs in one process, GradCache under
            DeepSpeed, batches made for another K, or a loss that is not finite.

    Example:
        ```python
        model, processor = load_model("openai/clip-vit-base-patch32")
        args = HardNegCLIPTrainingArguments(output_dir="out", num_negatives=3)
        trainer = HardNegCLIPTrainer(model, args, train_dataset=rows, processing_class=processor)
        trainer.train()
        ```
    """

    args: HardNegCLIPTrainingArguments

    def __init__(
        self,
        model: nn.Module,
        args: HardNegCLIPTrainingArguments,
        data_collator: HardNegCollator | None = None,
        *trainer_args: Any,
        pairs: Dataset | None = None,
        **kwargs: Any,
    ) -> None:
        check_arguments(args)
        check_weights(model, args)
        plain: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        # By its name, or by its place behind the two datasets.
        processor: Any = kwargs.get("processing_class", trainer_args[2] if len(trainer_args) > 2 else None)
        if pairs is not None or args.benchmarks:
            check_processor(processor, "the evaluation on pairs or benchmarks")
        if data_collator is None:
            check_processor(processor, "the collator that the trainer makes")
            text_format = find_text_format(plain, processor.tokenizer, args.text_layout)
            data_collator = HardNegCollator(processor, args.num_negatives, text_format=text_format)
        elif isinstance(data_collator, HardNegCollator):
            check_texts_differ(plain, data_collator.processor.tokenizer, data_collator.text_format)
        if isinstance(data_collator, HardNegCollator):
            check_images_differ(plain, data_collator.processor)
        take_collated_batches(plain)
        kwargs.setdefault("compute_metrics", self._accuracy_by_concept)
        _check_streams(args, [*trainer_args[:1], kwargs.get("train_dataset")])
        super().__init__(model, args, data_collator, *trainer_args, **kwargs)
        # Accelerate would cut our batches along their first axis; `StreamLoader` dispatches whole ones.
        self.accelerator.dataloader_config.dispatch_batches = False
        self.stream_position = StreamPosition()
        self.add_callback(self.stream_position)
        self.pairs = None if pairs is None else pairs_task("pairs", pairs)
        self.tasks = [task for spec in args.benchmarks for task in load_benchmark(spec)]
        self.label_names = [NEGATIVE_CONCEPTS]
        self.model_accepts_loss_kwargs = False
        self.loss_is_scaled_for_ga = False
        self.is_sigmoid = args.loss == "sigmoid" or (args.loss == "auto" and hasattr(plain, "logit_bias"))
        self.teacher: Any = None
        if args.distillation_weight:
            self.teacher = copy.deepcopy(plain).to(args.device).eval().requires_grad_(False)
        self.twin_sampler: TwinSampler | None = None
        self.all_finite: Tensor | None = None
        self.choices = torch.zeros(3, dtype=torch.int64)  # of `count_choices`, in the evaluation that runs
        self.add_callback(KeepSpecialTokens(plain))
        if not self.is_sigmoid:
            self.add_callback(ClampTemperature())
        if self.is_fsdp_enabled:
            scalars = unshardable_parameters(plain).to(self.accelerator.device)
            self.accelerator.state.fsdp_plugin.ignored_modules = [scalars]
        if args.grad_cache_rows and self.is_deepspeed_enabled:
            raise ValueError("grad_cache_rows does not work under DeepSpeed, which counts backward passes; use FSDP.")
        _warn_about_accumulation(args)

    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """Make the repository on the Hub, and try again while the Hub is busy."""
        make_repo = super().init_hf_repo
        RetryPolicy(time.sleep).call(lambda: make_repo(token, private))

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        check_best_metric(self.args.metric_for_best_model, [name.removeprefix("eval_") for name in metrics])
        return super()._determine_best_metric(metrics, trial)

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """Leave the temperature out of the weight decay, which would pull it towards 1."""
        return [name for name in super().get_decay_parameter_names(model) if not name.endswith("logit_scale")]

    def train(self, *args: Any, **kwargs: Any) -> TrainOutput:
        """Train as Trainer does; a resumed training on a stream goes on where the checkpoint was saved.

        Raises:
            ValueError: If every weight is frozen.
        """
        check_trainable(self.model)
        skips = self.args.ignore_data_skip
        self.stream_position.goes_on = not skips
        self.args.ignore_data_skip = skips or is_stream(self.train_dataset)  # The stream's loader skips by itself.
        try:
            return super().train(*args, **kwargs)
        finally:
            self.args.ignore_data_skip = skips

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """Keep twins in one batch of one process, if there are any; else sample as Trainer does."""
        rows = self.train_dataset if train_dataset is None else train_dataset
        self.twin_sampler = make_twin_sampler(rows, self.args, self._train_batch_size)
        return super()._get_train_sampler(train_dataset) if self.twin_sampler is None else self.twin_sampler

    def get_train_dataloader(self) -> Any:
        """Make Trainer's loader, or that of a stream; with `grad_cache_rows`, its batches are chunks."""
        whole: Any = self.data_collator
        collator = ChunkCollator(whole, self.args.grad_cache_rows) if self.args.grad_cache_rows else whole
        if is_stream(self.train_dataset):
            pairs = pairs_beside_stream(self.train_dataset, self.args, self._train_batch_size)
            settings = LoaderSettings.of_trainer(self.args, self._train_batch_size, is_training=True, pairs=pairs)
            self.stream_position.loader = StreamLoader(self.train_dataset, collator, settings, is_endless=True)
            return self.stream_position.loader
        self.data_collator = collator
        try:
            return super().get_train_dataloader()
        finally:
            self.data_collator = whole

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """Make Trainer's loader, or that of a stream."""
        of_trainer: Any = self.eval_dataset
        dataset = of_trainer if eval_dataset is None else eval_dataset
        if isinstance(dataset, str):
            dataset = of_trainer[dataset]
        if not is_stream(dataset):
            return super().get_eval_dataloader(eval_dataset)
        settings = LoaderSettings.of_trainer(self.args, self.args.eval_batch_size, is_training=False)
        return StreamLoader(dataset, self.data_collator, settings, is_endless=False)

    def get_test_dataloader(self, test_dataset: Any) -> Any:
        """Make Trainer's loader, or that of a stream."""
        if is_stream(test_dataset):
            return self.get_eval_dataloader(test_dataset)
        return super().get_test_dataloader(test_dataset)

    def prediction_step(self, *args: Any, **kwargs: Any) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Evaluate a batch; on a stream, processes may differ in their rows, and missing ones have no label."""
        loss, *others = super().prediction_step(*args, **kwargs)
        pad = self.accelerator.pad_across_processes
        scores, labels = (None if one is None else pad(one, dim=0, pad_index=NO_NEGATIVE) for one in others)
        return loss, scores, labels

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of the batch of all processes, a scalar.

        With `return_outputs`, the outputs hold the `pair_scores` (B, 1 + K) of this process, and the choices beside
        right and wrong images are counted for `evaluate`.
        """
        outputs = self._embed(model, inputs)
        loss = self._loss([inputs], [outputs])
        if not return_outputs:
            return loss
        outputs = {**outputs, "text_embeds": share_embeddings(inputs, outputs["text_embeds"])}
        batch = _split(inputs, outputs)
        scores = pair_scores(batch)
        self.choices += count_choices(batch, scores, self.accelerator)
        return loss, {"loss": loss, "pair_scores": scores}

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Take Trainer's step, or GradCache's if the batch comes in chunks.

        `log` checks whether the losses were finite. A check here would make the device wait at each step.
        """
        if "chunks" not in inputs:
            loss = super().training_step(model, inputs, num_items_in_batch)
        else:
            model.train()
            chunks: Any = self._prepare_inputs(inputs)["chunks"]
            steps = self.current_gradient_accumulation_steps
            with self.compute_loss_context_manager():
                loss = backward_in_chunks(
                    chunks,
                    lambda chunk: self._embed(model, chunk),
                    lambda outputs: self._loss(chunks, outputs) / steps,
                    self.accelerator.backward,
                    lambda: self.accelerator.no_sync(model),
                )
        finite = loss.isfinite()
        self.all_finite = finite if self.all_finite is None else self.all_finite & finite
        return loss

    def is_finite(self) -> bool:
        """Whether every loss since the last log was finite."""
        return self.all_finite is None or bool(self.all_finite)

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log as Trainer does; raises ValueError if a loss since the last log was not finite."""
        if not self.is_finite():
            raise ValueError(
                f"The loss became nan or infinite before step {self.state.global_step}. Lower learning_rate (it is "
                f"{self.args.learning_rate}), or train in float32 or bf16 instead of fp16."
            )
        self.all_finite = None
        super().log(logs, *args, **kwargs)

    def _embed(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        mask = inputs[NEGATIVE_CONCEPTS]
        if mask.shape[-1] != self.args.num_negatives:
            raise ValueError(
                f"The batch was made for {mask.shape[-1]} negatives per row, but num_negatives is "
                f"{self.args.num_negatives}: give the collator the same num_negatives."
            )
        return model(**{key: value for key, value in inputs.items() if key != NEGATIVE_CONCEPTS})

    def _loss(self, inputs: Sequence[Mapping[str, Tensor]], outputs: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """Compute the loss of the batch that the chunks of all processes make together."""
        batch = gather_embeddings(_join(inputs, outputs))
        own, args = {key: outputs[0][key] for key in ("logit_scale", "logit_bias") if key in outputs[0]}, self.args
        scale = own["logit_scale"]
        in_batch = batch
        if not args.batch_negatives:
            in_batch = batch._replace(negatives=batch.negatives[:, :0], mask=batch.mask[:, :0])
        options = {"label_smoothing": args.label_smoothing_factor, "focal_gamma": args.focal_gamma}
        if self.is_sigmoid:
            loss = sigmoid_loss(in_batch, logit_scale=scale, logit_bias=own["logit_bias"])
        else:
            loss = batch_negatives_loss(in_batch, logit_scale=scale, **options)
        if args.num_negatives and args.own_negatives_weight:
            loss = loss + args.own_negatives_weight * own_negatives_loss(batch, logit_scale=scale, **options)
        if args.num_negatives and args.margin_weight:
            loss = loss + args.margin_weight * margin_loss(batch, margin=args.margin)
        if args.twin_weight:
            loss = loss + args.twin_weight * twins_loss(batch, logit_scale=scale, **options)
        if self.teacher is not None:
            loss = loss + args.distillation_weight * self._distillation(inputs, batch, scale)
        return loss

    def _distillation(self, inputs: Sequence[Mapping[str, Tensor]], batch: Embeddings, scale: Tensor) -> Tensor:
        with torch.no_grad():
            outputs = [self._embed(self.teacher, chunk) for chunk in inputs]
            of_teacher = gather_embeddings(_join(inputs, outputs))
        scales = {"logit_scale": scale, "teacher_logit_scale": outputs[0]["logit_scale"]}
        return distillation_loss(batch, of_teacher, **scales)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save a plain model: LoRA is merged into its weights, and the adapter goes to the folder `adapter`.

        The checkpoints that Trainer saves during training hold the adapter alone.
        """
        adapted = self.model
        if not isinstance(adapted, PeftModel) or _internal_call:
            return super().save_model(output_dir, _internal_call)
        folder = Path(output_dir or self.args.output_dir or "")
        if self.args.should_save:
            adapted.save_pretrained(str(folder / "adapter"))
            (folder / "adapter" / "README.md").unlink(missing_ok=True)  # peft's empty card; ours is one folder up.
        self.model = merge_lora(adapted)
        try:
            super().save_model(str(folder))
        finally:
            self.model = adapted

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Write a checkpoint, which counts when all processes have written theirs; only then delete old ones."""
        folder, limit = Path(self._get_output_dir(trial)), self.args.save_total_limit
        checkpoint = folder / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
        self.args.save_total_limit = None  # Trainer would delete old ones before.
        try:
            with write_whole(checkpoint, self.args.should_save, self.accelerator.wait_for_everyone):
                super()._save_checkpoint(model, trial)
        finally:
            self.args.save_total_limit = limit
        if self.args.should_save:
            rotate_checkpoints(str(folder), limit, self.state.best_model_checkpoint, use_mtime=True)

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        """Run an epoch, unless a checkpoint of the last step was resumed: Trainer would take one step more."""
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
            return
        if self.twin_sampler is not None:  # which accelerate does not reach in a resumed epoch of several processes
            self.twin_sampler.set_epoch(kwargs["epoch"])
        super()._run_epoch(*args, **kwargs)

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> EvalLoopOutput:
        """Evaluate as Trainer does, and add the scores of pairs and benchmarks to the metrics."""
        self.choices = torch.zeros_like(self.choices)
        output = super().evaluation_loop(*args, **kwargs)
        prefix = kwargs.get("metric_key_prefix", "eval")
        named: list[tuple[str, Task]] = [(prefix, self.pairs)] if self.pairs is not None else []
        named += [(f"{prefix}_{task.name}", task) for task in self.tasks]
        if not named:
            return output
        encoder = Encoder(self.model, self.processing_class)
        scores: dict[str, float] = {}
        for name, task in named:
            for group, of_group in mean_scores(task.run(encoder).scores).items():
                scores |= {f"{name}_{score}_{group}": value for score, value in of_group.items()}
        return output._replace(metrics={**(output.metrics or {}), **scores})

    def _accuracy_by_concept(self, prediction: EvalPrediction) -> dict[str, float]:
        scores, concept_ids = np.asarray(prediction.predictions), np.asarray(prediction.label_ids)
        collator: Any = self.data_collator
        accuracy = negatives_accuracy(scores, concept_ids, collator.concepts)
        return accuracy | control_accuracy(sum_numbers(self.choices))


def _check_streams(args: HardNegCLIPTrainingArguments, datasets: Sequence[Any]) -> None:
    streams, accelerator = any(map(is_stream, datasets)), cast(Any, args.accelerator_config)
    if streams and args.max_steps <= 0:
        raise ValueError("The number of rows of a stream is not known: set max_steps to say how long to train.")
    if streams and accelerator.split_batches:
        raise ValueError("split_batches does not work with a stream: set per_device_train_batch_size instead.")


def _warn_about_accumulation(args: HardNegCLIPTrainingArguments) -> None:
    if args.gradient_accumulation_steps > 1:
        logger.warning(
            f"gradient_accumulation_steps={args.gradient_accumulation_steps} averages gradients of "
            f"{args.per_device_train_batch_size} rows; it does not let an image see more captions. A larger "
            "contrastive batch needs a larger per_device_train_batch_size (with grad_cache_rows it costs no "
            "memory) or more processes."
        )


def _split(inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> Embeddings:
    mask = inputs[NEGATIVE_CONCEPTS] != NO_NEGATIVE
    ids = inputs[IMAGE_ID], inputs.get(PAIR_ID)
    return split_embeddings(outputs["image_embeds"], outputs["text_embeds"], mask, *ids)


def _join(inputs: Sequence[Mapping[str, Tensor]], outputs: Sequence[Mapping[str, Tensor]]) -> Embeddings:
    return join_embeddings([_split(*chunk) for chunk in zip(inputs, outputs, strict=True)])
