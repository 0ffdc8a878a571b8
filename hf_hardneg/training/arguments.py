"""The arguments of a training run: the model, the data, and how to train."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, NamedTuple

from transformers import TrainingArguments

from ..lexicon.concepts import CONCEPTS
from ..negatives.chance import TEMPERATURE
from ..number_ranges import check_ranges
from ..revisions import check_tag
from ..user_errors import naming
from .argument_ranges import DATA_RANGES, TRAINING_RANGES
from .model_arguments import ModelArguments


SCENES = "scenes"  # the value of `dataset` for rendered scenes
TEXT_LAYOUTS = ("auto", "tree", "padded")
LONG_CAPTIONS = ("drop", "cut")
LOSSES = ("auto", "softmax", "sigmoid")


@dataclass
class DataArguments:
    """Where the rows come from, how negatives are made, and what the model is evaluated on.

    Raises:
        ValueError: If `scene_mention_rates` does not hold three numbers, or `long_captions` is unknown.
    """

    dataset: str = field(
        default=SCENES,
        metadata={
            "help": "The training data: a Hub id, a folder in COCO's format, Karpathy's dataset_*.json, a table "
            "(CSV, TSV, JSONL, Parquet) with images or their paths, an image folder, or 'scenes' for rendered scenes "
            "that need no download."
        },
    )
    dataset_split: str | None = field(
        default=None,
        metadata={
            "help": "The split to train on, such as train2017, or a slice such as train[:1000]. Default: the only "
            "split of a COCO folder, else 'train'."
        },
    )
    dataset_config: str | None = field(default=None, metadata={"help": "The config, if a dataset has several."})
    image_column: str | None = field(
        default=None,
        metadata={
            "help": "The column of images or of their paths. Default: one with a usual name, such as image or "
            "filepath, or the only column that holds images."
        },
    )
    caption_column: str | None = field(
        default=None,
        metadata={
            "help": "The column of captions: one caption, or a list of captions, per row. Default: caption, captions, "
            "text or another usual name."
        },
    )
    num_rows: int | None = field(
        default=None, metadata={"help": "How many captions to train on. Default: all; 12000 scenes."}
    )
    long_captions: str = field(
        default="drop",
        metadata={
            "help": "What to do with captions of more tokens than the model reads. drop: leave them out. cut: keep "
            "the words that fit; negatives are made from these."
        },
    )
    scene_mention_rates: list[float] = field(
        default_factory=lambda: [0.35, 0.25, 0.5],
        metadata={
            "help": "Scenes only: the share of captions that mention a color, a size and a location, three numbers "
            "from 0 to 1."
        },
    )
    concepts: list[str] = field(
        default_factory=lambda: list(CONCEPTS),
        metadata={
            "help": "Which kinds of words to replace: names of shipped concepts, or paths of your own YAML or JSON "
            "files."
        },
    )
    temperature: float = field(
        default=TEMPERATURE,
        metadata={
            "help": "How freely negatives are drawn. At 1, each word is put in for another as often as it is taken "
            "out for it, by the slot model. A higher value gives more captions a negative, and a reader who does not "
            "see the image can tell more of them."
        },
    )
    language_model: str | None = field(
        default=None,
        metadata={
            "help": "Hub id or folder of a causal language model. It drops some of the negatives that it finds less "
            "likely than their caption."
        },
    )
    concept_weights: list[float] = field(
        default_factory=list,
        metadata={
            "help": "How often each concept is chosen in captions that name several: one number per concept, 0 or "
            "more. Twins of scenes have the concepts in these shares. Default: all alike."
        },
    )
    negatives: str | None = field(
        default=None,
        metadata={
            "help": "Negatives that you already have: a file, a dataset folder (such as that of `hf-hardneg "
            "negatives`) or a Hub id, also SOURCE:SPLIT or SOURCE:CONFIG:SPLIT, with the columns caption and "
            "negatives, and if possible image_id. Each caption takes its first num_negatives. Default: the column "
            "'negatives' of the training data, if there is one, else new negatives."
        },
    )
    keep_captions_without_negatives: bool = field(
        default=True,
        metadata={"help": "Also train on captions that have no hard negative, against the other captions of a batch."},
    )
    pairs: str | None = field(
        default=None,
        metadata={
            "help": "Inpainted pairs to evaluate on: a Hub id or a folder with the columns of phiyodr/InpaintCOCO, "
            "its split 'test', or SOURCE:SPLIT or SOURCE:CONFIG:SPLIT."
        },
    )
    twins: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Sets of pairs that differ in one concept, to train on beside `dataset`: folders or Hub ids with "
            "the columns of phiyodr/InpaintCOCO, also SOURCE:SPLIT or SOURCE:CONFIG:SPLIT. 'scenes' renders as many "
            "twins as there are rows of --dataset scenes. Photos of challenge sets are left out."
        },
    )
    challenge_sets: list[str] = field(
        default_factory=list,
        metadata={
            "help": "More test sets of inpainted pairs, named as `pairs` are. Their COCO photos (coco_details.id) are "
            "not trained on. The photos of `pairs` never are."
        },
    )
    allow_challenge_images: bool = field(
        default=False,
        metadata={
            "help": "Also train on photos of challenge sets and of COCO's val2017. Without this flag, the split "
            "val2017 is refused, and photos whose coco_url names it are left out."
        },
    )
    pairs_per_concept: int = field(
        default=300, metadata={"help": "Scenes only: how many inpainted pairs of each concept to evaluate on."}
    )
    held_out_images: int = field(
        default=1000,
        metadata={"help": "How many images to keep for the evaluation of retrieval, at most a tenth of real data."},
    )
    held_out_scenes: str = field(
        default="test",
        metadata={"help": "Scenes only: seed of the held-out scenes. Choose settings on another seed, such as 'dev'."},
    )
    num_proc: int | None = field(
        default=None, metadata={"help": "How many processes prepare the data. Default: one per CPU core."}
    )
    streaming: bool = field(
        default=False,
        metadata={
            "help": "Read the rows while training, without downloading the data first. The dataset is a Hub id, a "
            "folder, or shards such as 'data/{000..099}.tar' (WebDataset), '*.parquet' or '*.jsonl'. Needs max_steps."
        },
    )
    shuffle_buffer: int = field(
        default=1000,
        metadata={
            "help": "Streaming: from how many rows the next one is drawn, for each worker. Shards are shuffled, too. "
            "0 keeps the order of the stream."
        },
    )
    slot_model: str | None = field(
        default=None,
        metadata={
            "help": "Streaming: the folder slot_model that `hf-hardneg negatives` or another run wrote. Default: "
            "fitted on the first captions of the stream."
        },
    )
    slot_model_captions: int = field(
        default=50_000,
        metadata={"help": "Streaming: how many first captions are read for the slot model and for the statistics."},
    )
    held_out_split: str | None = field(
        default=None,
        metadata={
            "help": "Streaming: the split that held-out images come from. Default: the first images of the training "
            "split, which are then not trained on."
        },
    )

    def __post_init__(self) -> None:
        """Check the ranges, the length of `scene_mention_rates`, `long_captions`, and what goes with streaming."""
        check_ranges(self, DATA_RANGES)
        if self.long_captions not in LONG_CAPTIONS:
            raise ValueError(f"long_captions is {self.long_captions!r}; it must be one of {', '.join(LONG_CAPTIONS)}.")
        self._check_streaming()
        if SCENES in self.twins and self.dataset != SCENES:
            raise ValueError(
                f"--twins scenes goes with --dataset scenes, and the dataset is {self.dataset}: name other twins, or "
                "write --twins without a name (of demo.yaml also --twin_share 0 --twin_weight 0)."
            )
        if len(self.scene_mention_rates) != 3:
            raise ValueError(f"scene_mention_rates {self.scene_mention_rates} must be 3: color, size, location.")

    def _check_streaming(self) -> None:
        if self.streaming:
            if self.language_model:
                raise ValueError("language_model does not work with --streaming true: it would run in each worker.")
        elif self.slot_model or self.held_out_split:
            raise ValueError("slot_model and held_out_split need --streaming true.")


@dataclass(repr=False)  # TrainingArguments' own repr hides the token
class HardNegCLIPTrainingArguments(TrainingArguments):
    """`transformers.TrainingArguments` plus what hard negatives need.

    `label_smoothing_factor` applies to the softmax losses.

    Raises:
        ValueError: If a value is out of its range; the message names the value and the range.

    Examples:
        >>> args = HardNegCLIPTrainingArguments(output_dir="out", num_negatives=2, report_to="none")
        >>> args.num_negatives, args.own_negatives_weight
        (2, 1.0)
        >>> HardNegCLIPTrainingArguments(output_dir="out", num_negatives=-1)
        Traceback (most recent call last):
            ...
        ValueError: num_negatives is -1; it must be 0 or more.
    """

    output_dir: str | None = field(
        default=None, metadata={"help": "The folder for the model, the results and the model card."}
    )
    push_to_hub: bool = field(
        default=False,
        metadata={
            "help": "Publish the output folder on the Hub when the run has ended, in one commit. Checkpoints go to a "
            "branch of their own."
        },
    )
    hub_model_id: str | None = field(
        default=None,
        metadata={"help": "With push_to_hub: the repository, OWNER/NAME. Default: the name of the output folder."},
    )
    num_negatives: int = field(
        default=3,
        metadata={"help": "K, the most hard-negative captions per image. The paper tries 1 to 3; 0 is plain CLIP."},
    )
    loss: str = field(
        default="auto",
        metadata={
            "help": "softmax (CLIP), sigmoid (SigLIP) or auto. auto takes sigmoid if the model has a logit_bias."
        },
    )
    batch_negatives: bool = field(
        default=True,
        metadata={"help": "Each image also competes against the hard negatives of all images in the batch (NegCLIP)."},
    )
    own_negatives_weight: float = field(
        default=1.0,
        metadata={"help": "Weight of a second loss: each caption against its own hard negatives only (TSVLC)."},
    )
    margin_weight: float = field(
        default=0.0,
        metadata={"help": "Weight of a hinge loss: each caption should beat its own negatives by `margin`."},
    )
    margin: float = field(
        default=0.2, metadata={"help": "The margin of the hinge loss, a difference of cosines, above 0 and up to 2."}
    )
    focal_gamma: float = field(
        default=0.0, metadata={"help": "Above 0, rows that are already right weigh less (focal loss)."}
    )
    distillation_weight: float = field(
        default=0.0,
        metadata={
            "help": "Weight of a loss against forgetting. It keeps the scores within a batch near those of the start "
            "model."
        },
    )
    twin_share: float | None = field(
        default=None,
        metadata={
            "help": "The share of twins among the rows of each batch, 0 to 1; the rest are single images. 0 leaves "
            "twins to chance. Default: 0.5, and 1 where all rows are twins."
        },
    )
    twin_weight: float = field(
        default=0.0,
        metadata={
            "help": "Weight of a further loss of twins: each image against the two captions of its pair, and each "
            "caption against the two images."
        },
    )
    text_layout: str = field(
        default="auto",
        metadata={
            "help": "tree: encode shared beginnings of texts once. padded: one text per row. auto: tree if it gives "
            "the same embeddings."
        },
    )
    grad_cache_rows: int | None = field(
        default=None,
        metadata={
            "help": "Encode the batch in chunks of this many rows (GradCache). The gradient is that of the whole "
            "batch, the memory that of a chunk. It costs one more forward pass."
        },
    )
    benchmarks: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Benchmarks to run at each evaluation, NAME or NAME=FOLDER as in `hf-hardneg evaluate`. Their "
            "scores can choose the best model, such as eval_sugarcrepe_image_to_text_macro."
        },
    )
    hub_tag: str | None = field(
        default=None, metadata={"help": "With push_to_hub: a tag for the published commit, such as v1."}
    )
    # Trainer would remove the image and text columns, because no `forward` names them.
    remove_unused_columns: bool = field(
        default=False, metadata={"help": "Must stay false, because the collator reads the image and text columns."}
    )

    def __post_init__(self) -> None:
        """Check the ranges of all numbers, and the choices that this class adds."""
        check_ranges(self, TRAINING_RANGES)
        if self.deepspeed and find_spec("deepspeed") is None:
            raise ValueError("deepspeed needs a package that is missing: `pip install deepspeed`.")
        super().__post_init__()
        if self.device.type == "cpu":
            self.dataloader_pin_memory = False  # It is for accelerators; without one, PyTorch warns of it.
        for name, choices in (("text_layout", TEXT_LAYOUTS), ("loss", LOSSES)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(choices)}.")
        uses_negatives = self.batch_negatives or self.own_negatives_weight or self.margin_weight
        if self.num_negatives and not uses_negatives:
            raise ValueError("No loss uses the negatives: set batch_negatives, own_negatives_weight, or K to 0.")
        if self.train_sampling_strategy in ("group_by_length", "batch_rebalance"):
            raise ValueError(
                f"train_sampling_strategy is {self.train_sampling_strategy!r}, which sorts rows by length; rows of a "
                "contrastive batch are drawn at random: use random or sequential."
            )
        if self.remove_unused_columns:
            raise ValueError("remove_unused_columns must be false: the collator reads the image and text columns.")
        if self.hub_tag is not None:
            with naming("hub_tag"):
                check_tag(self.hub_tag)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the token, because Trainer pickles its arguments into every checkpoint and uploads them."""
        return {**self.__dict__, "hub_token": None}


class Arguments(NamedTuple):
    """All arguments of a run."""

    model: ModelArguments
    data: DataArguments
    training: HardNegCLIPTrainingArguments
