"""What a run prints at its start: its rows, negatives, steps, time and output folder."""

import math
from collections.abc import Sequence

from ..model.loading import HALF
from ..negatives.add_negatives import AddHardNegatives
from .arguments import Arguments, HardNegCLIPTrainingArguments
from .model_arguments import ModelArguments
from .prepare import TrainingData
from .time_estimate import FIRST_STEP, LAST_STEP
from .twin_batches import find_twin_rows, make_twin_sampler, pairs_beside_stream, process_batch_size


def count_steps(args: HardNegCLIPTrainingArguments, num_rows: int) -> int:
    """Count the optimizer steps that Trainer will take.

    Args:
        args: With `max_steps` above 0 that is the answer, else `num_train_epochs` decides.
        num_rows: The training rows of all processes, at least 1.

    Examples:
        >>> args = HardNegCLIPTrainingArguments(
        ...     output_dir="out", per_device_train_batch_size=8, num_train_epochs=2, report_to="none"
        ... )
        >>> count_steps(args, num_rows=20)  # Batches of 8, 8 and 4 rows, twice.
        6
    """
    if args.max_steps > 0:
        return args.max_steps
    round_batches = math.floor if args.dataloader_drop_last else math.ceil
    batches = round_batches(round_batches(num_rows / args.train_batch_size) / args.world_size)
    steps_per_epoch = max(math.ceil(batches / args.gradient_accumulation_steps), 1)
    return math.ceil(args.num_train_epochs * steps_per_epoch)


def count_twins(data: TrainingData) -> int:
    """Count the pairs of twins that are trained on."""
    rows = data.rows if data.stream is None else data.stream.twins
    return 0 if rows is None else len(find_twin_rows(rows).pairs)


def check_twins(data: TrainingData, args: HardNegCLIPTrainingArguments) -> int:
    """Count the pairs of twins in a batch of one process; raises ValueError if batches cannot be composed so."""
    if data.stream is not None:
        return pairs_beside_stream(data.stream, args, args.train_batch_size)
    sampler = make_twin_sampler(data.rows, args, args.train_batch_size)
    return 0 if sampler is None else sampler.plan.pairs


def describe_plan(
    arguments: Arguments, data: TrainingData, trainings: Sequence[str], saved_dtype: str | None = None
) -> str:
    """Describe a run in six lines.

    Args:
        arguments: Those of the run.
        data: What `prepare_data` made of them.
        trainings: The names of the models that are trained, one after the other.
        saved_dtype: What the start model's checkpoint says its weights are, such as "bfloat16".
    """
    args = arguments.training
    num_rows = None if data.stream is not None else len(data.rows)
    steps = args.max_steps if num_rows is None else count_steps(args, num_rows)
    return "\n".join(
        [
            f"Model: {_describe_model(arguments.model, saved_dtype)}",
            f"Rows: {_describe_rows(data, args)}",
            f"Negatives: {_describe_negatives(args.num_negatives, data)}",
            f"Steps: {_describe_steps(steps, args, num_rows, trainings)}",
            f"Time: {_describe_time(steps, len(trainings))}",
            f"Output: {args.output_dir}",
        ]
    )


def _describe_model(args: ModelArguments, saved_dtype: str | None) -> str:
    name = args.model_name_or_path or "the small start model of this package"
    dtype = saved_dtype or "the checkpoint's dtype" if args.dtype == "auto" else args.dtype
    saved = f", saved in {saved_dtype}" if saved_dtype not in (None, dtype) else ""
    lost = "; in half precision small updates are lost" if dtype in HALF else ""
    return f"{name}{saved}, trained and saved in {dtype}{lost}"


def _describe_rows(data: TrainingData, args: HardNegCLIPTrainingArguments) -> str:
    pairs = "no inpainted pairs" if data.pairs is None else f"{len(data.pairs):,} inpainted pairs"
    number = f"{len(data.rows):,} captions" if data.stream is None else "a stream of unknown length"
    in_batch, size = check_twins(data, args), process_batch_size(args, args.train_batch_size)
    twins = f" ({count_twins(data):,} pairs of twins, {in_batch} of them in each {size} captions)" if in_batch else ""
    return f"{number} to train on{twins}; {len(data.held_out):,} held out and {pairs} to evaluate on"


def _describe_negatives(num_negatives: int, data: TrainingData) -> str:
    if not num_negatives:
        return "none (K = 0), only the other captions of a batch"
    counts = data.negatives_per_caption
    share = 100 * (1 - counts[0] / counts.total())
    mean = sum(number * captions for number, captions in counts.items()) / counts.total()
    concepts = ", ".join(f"{name} {number:,}" for name, number in data.negatives.most_common())
    of_captions = "the captions" if data.stream is None else f"the first {counts.total():,} captions"
    is_made = data.stream is not None and isinstance(data.stream.add, AddHardNegatives)
    known = "; captions of a photo are known to each other only inside a row" if is_made else ""
    return (
        f"up to K = {num_negatives} per caption; {share:.1f} % of {of_captions} have some, {mean:.2f} on average "
        f"({concepts}){known}"
    )


def _describe_steps(
    steps: int, args: HardNegCLIPTrainingArguments, num_rows: int | None, trainings: Sequence[str]
) -> str:
    batch = args.train_batch_size * args.world_size
    captions = steps * batch * args.gradient_accumulation_steps
    seen = f"{captions:,} captions in all" if num_rows is None else f"{captions / num_rows:.3g} epochs"
    models = "1 training" if len(trainings) == 1 else f"each of {len(trainings)} trainings"
    return f"{steps:,} with batches of {batch:,} captions ({seen}) in {models}: {', '.join(trainings)}"


def _describe_time(steps: int, num_trainings: int) -> str:
    if steps <= LAST_STEP:
        return f"not estimated, since that takes more than {LAST_STEP} steps"
    each = "the training" if num_trainings == 1 else "each training"
    return f"estimated at step {LAST_STEP} of {each}, from its steps {FIRST_STEP} to {LAST_STEP}"
