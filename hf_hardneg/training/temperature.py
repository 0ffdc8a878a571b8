"""The temperature clamp: CLIP keeps its logit scale at 100 or below."""

import math
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


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
