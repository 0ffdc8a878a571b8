"""The temperature clamp: training keeps CLIP's logit scale, the inverse temperature, at 100 or below.

Source: CLIP, Radford et al. 2021, https://huggingface.co/papers/2103.00020
"""

import math
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


# Section 2.5: "clipped to prevent scaling the logits by more than 100". The model stores the logarithm.
MAX_LOGIT_SCALE = math.log(100)


class ClampTemperature(TrainerCallback):
    """Clamp exp(logit_scale) to at most 100 after every optimizer step."""

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Clamp the model's `logit_scale` in place; Trainer calls this."""
        with torch.no_grad():
            kwargs["model"].logit_scale.clamp_(max=MAX_LOGIT_SCALE)
