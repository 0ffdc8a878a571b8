"""The training arguments of `HardNegCLIPTrainer`."""

from dataclasses import dataclass, field

from transformers import TrainingArguments


@dataclass
class HardNegCLIPTrainingArguments(TrainingArguments):
    """`transformers.TrainingArguments` and what hard negatives need."""

    num_negatives: int = field(
        default=3, metadata={"help": "K, hard-negative captions per image; the paper tries 1 to 3, 0 is plain CLIP."}
    )
    batch_negatives: bool = field(
        default=True,
        metadata={"help": "Hard negatives of the whole batch join each image's softmax over captions (NegCLIP)."},
    )
    own_negatives_weight: float = field(
        default=1.0,
        metadata={"help": "Weight of a further loss term: each caption against its own hard negatives only (TSVLC)."},
    )
    # The collator needs the image and text columns, which Trainer would take for unused.
    remove_unused_columns: bool = field(default=False, metadata={"help": "Must stay false: the collator reads rows."})

    def __post_init__(self) -> None:
        """Check the own fields; raises ValueError with what was got and what is possible."""
        super().__post_init__()
        if self.num_negatives < 0:
            raise ValueError(f"num_negatives is {self.num_negatives}; it must be 0 or more.")
        if self.own_negatives_weight < 0:
            raise ValueError(f"own_negatives_weight is {self.own_negatives_weight}; it must be 0 or more.")
        if self.num_negatives and not self.batch_negatives and not self.own_negatives_weight:
            raise ValueError("Neither loss uses the negatives: set batch_negatives, own_negatives_weight, or K to 0.")
        if self.remove_unused_columns:
            raise ValueError("remove_unused_columns must be false: the collator reads the image and text columns.")
