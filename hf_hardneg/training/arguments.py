"""The training arguments of `HardNegCLIPTrainer`."""

from dataclasses import dataclass, field
from typing import Any

from transformers import TrainingArguments


LAYOUTS = ("auto", "tree", "padded")
LOSSES = ("auto", "softmax", "sigmoid")


@dataclass(repr=False)  # TrainingArguments' own shows no token
class HardNegCLIPTrainingArguments(TrainingArguments):
    """`transformers.TrainingArguments` and what hard negatives need; `label_smoothing_factor` is heeded, too."""

    num_negatives: int = field(
        default=3, metadata={"help": "K, hard-negative captions per image; the paper tries 1 to 3, 0 is plain CLIP."}
    )
    loss: str = field(
        default="auto",
        metadata={"help": "softmax (CLIP), sigmoid (SigLIP), or auto: sigmoid where the model has a logit_bias."},
    )
    batch_negatives: bool = field(
        default=True,
        metadata={"help": "Hard negatives of the whole batch join each image's softmax over captions (NegCLIP)."},
    )
    own_negatives_weight: float = field(
        default=1.0,
        metadata={"help": "Weight of a further loss term: each caption against its own hard negatives only (TSVLC)."},
    )
    margin_weight: float = field(
        default=0.0, metadata={"help": "Weight of a further term: own negatives closer than `margin` cost their lack."}
    )
    margin: float = field(default=0.2, metadata={"help": "Cosine by which a caption should beat its own negatives."})
    focal_gamma: float = field(
        default=0.0, metadata={"help": "Above 0, choices that are right already weigh less (focal loss)."}
    )
    distillation_weight: float = field(
        default=0.0,
        metadata={"help": "Weight of staying near the start model's choices within the batch, against forgetting."},
    )
    text_layout: str = field(
        default="auto",
        metadata={"help": "tree: encode what texts share once; padded: one text a row; auto: tree where it is exact."},
    )
    grad_cache_rows: int | None = field(
        default=None,
        metadata={
            "help": "Encode the batch in chunks of so many rows (GradCache): any contrastive batch in the memory of a "
            "chunk, exact, for one more forward pass."
        },
    )
    benchmarks: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Benchmarks to run at each evaluation, NAME or NAME=FOLDER as for `hf-hardneg evaluate`; their "
            "scores can be metric_for_best_model, such as eval_sugarcrepe_image_to_text_macro."
        },
    )
    hub_tag: str | None = field(
        default=None, metadata={"help": "With push_to_hub: a tag for the release, such as v1, on its commit."}
    )
    # The collator needs the image and text columns, which Trainer would take for unused.
    remove_unused_columns: bool = field(default=False, metadata={"help": "Must stay false: the collator reads rows."})

    def __post_init__(self) -> None:
        """Check the own fields; raises ValueError with what was got and what is possible."""
        super().__post_init__()
        for name in ("num_negatives", "own_negatives_weight", "margin_weight", "focal_gamma", "distillation_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more.")
        for name, choices in (("text_layout", LAYOUTS), ("loss", LOSSES)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(choices)}.")
        if not 0 < self.margin <= 2:
            raise ValueError(f"margin is {self.margin}; cosines differ by 2 at most, so it must be in (0, 2].")
        if self.grad_cache_rows is not None and self.grad_cache_rows < 1:
            raise ValueError(f"grad_cache_rows is {self.grad_cache_rows}; it must be 1 or more.")
        uses = self.batch_negatives or self.own_negatives_weight or self.margin_weight
        if self.num_negatives and not uses:
            raise ValueError("No loss uses the negatives: set batch_negatives, own_negatives_weight, or K to 0.")
        if self.remove_unused_columns:
            raise ValueError("remove_unused_columns must be false: the collator reads the image and text columns.")

    def __getstate__(self) -> dict[str, Any]:
        """Without the token: Trainer pickles its arguments into every checkpoint, and uploads them."""
        return {**self.__dict__, "hub_token": None}
