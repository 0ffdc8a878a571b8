"""A model's special tokens stay what they are while it is trained."""

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


NAMES = ("bos_token_id", "eos_token_id", "pad_token_id")


class KeepSpecialTokens(TrainerCallback):
    """Undo what Trainer does to the ids of special tokens in a model's config.

    Trainer overwrites them with the tokenizer's when a training begins. CLIP reads a text at the token `eos_token_id`,
    and in another way if this is 2, as in the original checkpoints. So the saved model could read texts elsewhere than
    the trained one.

    Args:
        model: The model, not wrapped, as it was before the training.
    """

    def __init__(self, model: Any) -> None:
        self._config = model.config.get_text_config()
        self._ids = {name: getattr(self._config, name) for name in NAMES if hasattr(self._config, name)}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Put the ids back; Trainer calls this."""
        for name, value in self._ids.items():
            setattr(self._config, name, value)
