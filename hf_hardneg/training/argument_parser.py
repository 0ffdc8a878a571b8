"""The parser of the training command: its help shows the arguments of this package first, in groups."""

import argparse
from typing import Any

from transformers import HfArgumentParser


HELP_GROUPS = {
    "Model": [
        "model_name_or_path",
        "dtype",
        "text_only",
        "train_visual_projection",
        "frozen_towers",
        "lora_towers",
        "lora_rank",
        "lora_alpha",
        "lora_dropout",
    ],
    "Training data": [
        "dataset",
        "dataset_split",
        "dataset_config",
        "image_column",
        "caption_column",
        "num_rows",
        "long_captions",
        "num_proc",
        "challenge_sets",
        "allow_challenge_images",
        "scene_mention_rates",
    ],
    "Twins": ["twins", "twin_share", "twin_weight"],
    "Streaming": ["streaming", "shuffle_buffer", "slot_model", "slot_model_captions", "held_out_split"],
    "Hard negatives": [
        "num_negatives",
        "negatives",
        "concepts",
        "concept_weights",
        "temperature",
        "language_model",
        "keep_captions_without_negatives",
    ],
    "Losses": [
        "loss",
        "batch_negatives",
        "own_negatives_weight",
        "margin_weight",
        "margin",
        "focal_gamma",
        "distillation_weight",
    ],
    "Speed and memory": ["text_layout", "grad_cache_rows"],
    "Control and evaluation": [
        "control",
        "pairs",
        "pairs_per_concept",
        "held_out_images",
        "held_out_scenes",
        "benchmarks",
    ],
    # The first three are fields of TrainingArguments, with help of our own.
    "Output and publishing": ["output_dir", "push_to_hub", "hub_model_id", "hub_tag"],
}
OTHERS = "All other arguments of transformers.TrainingArguments"
OTHERS_TEXT = (
    "The most used are max_steps, num_train_epochs, per_device_train_batch_size, learning_rate, seed, save_steps and "
    "resume_from_checkpoint."
)


class GroupedArgumentParser(HfArgumentParser):
    """`HfArgumentParser` that sorts the arguments of its dataclasses into `HELP_GROUPS`.

    `HfArgumentParser` makes at most one group per dataclass. That is too coarse here: our training arguments inherit
    more than a hundred fields of `TrainingArguments`, which would come before our own.

    Args:
        dataclass_types: As `HfArgumentParser` takes them.
        **options: As `argparse.ArgumentParser` takes them.
    """

    def __init__(self, dataclass_types: Any, **options: Any) -> None:
        # Collected by the field's name first, since the order of the help is not that of the fields.
        self._collected: dict[str, list[tuple[tuple[str, ...], dict[str, Any]]]] | None = {}
        super().__init__(dataclass_types, **options)
        collected, self._collected = self._collected, None
        for title, names in HELP_GROUPS.items():
            group = self.add_argument_group(title)
            for name in names:
                _add_all(group, collected.pop(name, []))
        others = self.add_argument_group(OTHERS, OTHERS_TEXT)
        for arguments in collected.values():
            _add_all(others, arguments)

    def add_argument(self, *flags: str, **options: Any) -> Any:  # type: ignore[override]
        """Collect the arguments of the dataclasses while these are read; else as in `argparse.ArgumentParser`."""
        if self._collected is None or "--help" in flags:
            return super().add_argument(*flags, **options)
        name = flags[0].removeprefix("--")
        if name == "twins":
            # Without a value, it takes back a recipe's list. Not so challenge_sets: if a shell's variable were empty,
            # test photos would be trained on.
            options["nargs"] = "*"
        if "dest" in options:  # --no_NAME, to which HfArgumentParser gives the help of --NAME
            name = options["dest"]
            options |= {"help": f"Set {name} to false.", "default": argparse.SUPPRESS}
        self._collected.setdefault(name, []).append((flags, options))


def _add_all(group: Any, arguments: list[tuple[tuple[str, ...], dict[str, Any]]]) -> None:
    for flags, options in arguments:
        group.add_argument(*flags, **options)
