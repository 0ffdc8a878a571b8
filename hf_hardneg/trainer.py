"""`HardNegCLIPTrainer`: transformers' Trainer with the contrastive loss over hard negatives."""

import logging
import math
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import EvalPrediction, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import EvalLoopOutput

from .collator import NO_NEGATIVE
from .columns import IMAGE_ID, NEGATIVE_CONCEPTS
from .distributed import gather_embeddings
from .embeddings import Embeddings, split_embeddings
from .evaluation.negatives import negatives_accuracy
from .evaluation.pairs import score_pairs, summarize_pairs
from .losses import batch_negatives_loss, own_negatives_loss, pair_scores
from .training_args import HardNegCLIPTrainingArguments


logger = logging.getLogger(__name__)
# CLIP, Radford et al. 2021, section 2.5: "clipped to prevent scaling the logits by more than 100".
MAX_LOGIT_SCALE = math.log(100)


class ClampTemperature(TrainerCallback):
    """Keep exp(logit_scale) at 100 or below after every optimizer step."""

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Clamp in place; called by Trainer."""
        with torch.no_grad():
            kwargs["model"].logit_scale.clamp_(max=MAX_LOGIT_SCALE)


class HardNegCLIPTrainer(Trainer):
    """Train a CLIPModel on batches of `HardNegCollator`.

    `evaluate()` returns `eval_loss`, the share of negatives below their caption (`eval_accuracy_color`, ...,
    `eval_accuracy`), and with `pairs` the scores of inpainted pairs (`eval_group_color`, ..., `eval_group_macro`): any
    of them can be `metric_for_best_model`.

    Args:
        model: A CLIPModel.
        args: The training arguments.
        *trainer_args: As `transformers.Trainer` takes them.
        pairs: Inpainted pairs, the columns of `columns.PAIR_FEATURES`; needs `processing_class`.
        **kwargs: As `transformers.Trainer` takes them.
    """

    args: HardNegCLIPTrainingArguments

    def __init__(
        self,
        model: nn.Module,
        args: HardNegCLIPTrainingArguments,
        *trainer_args: Any,
        pairs: Dataset | None = None,
        **kwargs: Any,
    ) -> None:
        if args.n_gpu > 1:
            raise ValueError(
                f"One process sees {args.n_gpu} GPUs, which would tear batches apart. Start one process "
                "a GPU with `accelerate launch`, or show it one with CUDA_VISIBLE_DEVICES."
            )
        kwargs.setdefault("compute_metrics", self._accuracy_by_concept)
        super().__init__(model, args, *trainer_args, **kwargs)
        self.pairs = pairs
        self.label_names = [NEGATIVE_CONCEPTS]
        self.model_accepts_loss_kwargs = False
        self.loss_is_scaled_for_ga = False
        self.add_callback(ClampTemperature())
        if args.gradient_accumulation_steps > 1:
            logger.warning(
                f"gradient_accumulation_steps={args.gradient_accumulation_steps} averages gradients of "
                f"{args.per_device_train_batch_size} rows; it does not let an image see more captions. A larger "
                "contrastive batch needs a larger per_device_train_batch_size or more processes."
            )

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """All that Trainer decays but the temperature, which decay would pull towards 1."""
        return [name for name in super().get_decay_parameter_names(model) if not name.endswith("logit_scale")]

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Loss of the batch of all processes, scalar in nats; outputs hold this process's `pair_scores` (B, 1 + K)."""
        own_keys = (NEGATIVE_CONCEPTS, IMAGE_ID)
        outputs = model(**{key: value for key, value in inputs.items() if key not in own_keys})
        mask = inputs[NEGATIVE_CONCEPTS] != NO_NEGATIVE
        local = split_embeddings(outputs.image_embeds, outputs.text_embeds, mask, inputs[IMAGE_ID])
        logit_scale = self.accelerator.unwrap_model(model).logit_scale.exp()
        loss = self._loss(gather_embeddings(local), logit_scale)
        return (loss, {"loss": loss, "pair_scores": pair_scores(local)}) if return_outputs else loss

    def _loss(self, batch: Embeddings, logit_scale: Tensor) -> Tensor:
        in_batch = batch
        if not self.args.batch_negatives:
            in_batch = batch._replace(negatives=batch.negatives[:, :0], mask=batch.mask[:, :0])
        loss = batch_negatives_loss(in_batch, logit_scale=logit_scale)
        if self.args.num_negatives and self.args.own_negatives_weight:
            loss = loss + self.args.own_negatives_weight * own_negatives_loss(batch, logit_scale=logit_scale)
        return loss

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> EvalLoopOutput:
        """Trainer's loop, with the pair scores among its metrics, where callbacks and `metric_for_best_model` look."""
        output = super().evaluation_loop(*args, **kwargs)
        if self.pairs is not None:
            prefix = kwargs.get("metric_key_prefix", "eval")
            outcomes = score_pairs(self.model, self.processing_class, self.pairs)
            scores = {f"{prefix}_{n}_{c}": s for c, of_c in summarize_pairs(outcomes).items() for n, s in of_c.items()}
            output = output._replace(metrics={**(output.metrics or {}), **scores})
        return output

    def _accuracy_by_concept(self, prediction: EvalPrediction) -> dict[str, float]:
        scores, concept_ids = np.asarray(prediction.predictions), np.asarray(prediction.label_ids)
        collator: Any = self.data_collator
        return negatives_accuracy(scores, concept_ids, collator.concepts)
