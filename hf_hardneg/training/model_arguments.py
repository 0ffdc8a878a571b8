"""The arguments of a run that say which model is trained, and which part of it."""

from dataclasses import dataclass, field

from ..model.loading import DTYPES, FLOAT32
from ..number_ranges import check_ranges
from .argument_ranges import MODEL_RANGES


TOWERS = ("vision", "text")


@dataclass
class ModelArguments:
    """Which model to train, which parts of it, and whether to train a control too.

    Raises:
        ValueError: If nothing is left to train, a tower is both frozen and trained by LoRA, or the dtype is unknown.
    """

    model_name_or_path: str | None = field(
        default=None,
        metadata={
            "help": "The model to start from: a Hub id or a folder of a CLIP, MetaCLIP 2 or SigLIP model. Without it, "
            "openai/clip-vit-base-patch32; for scenes, the small start model of this package."
        },
    )
    control: bool = field(
        default=False,
        metadata={
            "help": "Train a second model without negatives, from the same start, on the same rows, for as many "
            "steps. Only the difference to it shows what the negatives did."
        },
    )
    dtype: str = field(
        default=FLOAT32,
        metadata={
            "help": "What the weights are loaded as, whatever the checkpoint has: float32, bfloat16, float16, or auto "
            "(as saved). In half precision small updates are lost; --bf16 computes in it and keeps float32 weights."
        },
    )
    text_only: bool = field(
        default=False,
        metadata={"help": "Train only the text tower. Each image is encoded once, before the training."},
    )
    train_visual_projection: bool = field(
        default=False,
        metadata={"help": "With text_only, also train the projection of the image embeddings."},
    )
    frozen_towers: list[str] = field(
        default_factory=list, metadata={"help": "Towers that keep their weights: vision, text."}
    )
    lora_towers: list[str] = field(
        default_factory=list,
        metadata={"help": "Towers to train with LoRA: vision, text or both. All other weights stay as they are."},
    )
    lora_rank: int = field(default=16, metadata={"help": "The rank of the LoRA matrices."})
    lora_alpha: int = field(default=32, metadata={"help": "LoRA multiplies its update by lora_alpha / lora_rank."})
    lora_dropout: float = field(default=0.0, metadata={"help": "Dropout on the input of the LoRA matrices, 0 to 1."})

    def __post_init__(self) -> None:
        """Freeze the vision tower for text-only training, and check that something is left to train."""
        check_ranges(self, MODEL_RANGES)
        for name in ("frozen_towers", "lora_towers"):
            unknown = sorted({*getattr(self, name)} - {*TOWERS})
            if unknown:
                raise ValueError(f"{name} names {', '.join(unknown)}; it can name {' and '.join(TOWERS)}.")
        frozen = sorted({*self.frozen_towers, *(["vision"] if self.text_only else [])})
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype is {self.dtype!r}; it must be one of {', '.join(DTYPES)}.")
        if self.train_visual_projection and not self.text_only:
            raise ValueError("train_visual_projection needs text_only; without it the projection is trained anyway.")
        both = set(frozen) & set(self.lora_towers)
        if both:
            raise ValueError(f"{', '.join(sorted(both))}: a tower cannot be frozen and trained by LoRA (lora_towers).")
        if len(frozen) == 2:
            raise ValueError("With text_only or frozen_towers both towers are frozen: nothing is left to train.")
        self.frozen_towers = frozen
