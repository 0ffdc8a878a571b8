"""`accelerate launch -m hf_hardneg.train [recipe.yaml] [--flags]`: from data to an evaluated checkpoint."""

import logging
import shlex
import sys
from collections.abc import Sequence

from tqdm.contrib.logging import logging_redirect_tqdm

from ..process_group import ends_process_group
from ..user_errors import one_sentence
from .arguments import SCENES, Arguments
from .recipe import parse_arguments


@ends_process_group()
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; a user's mistake or a signal ends it with one sentence and no traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with one_sentence():
        _train(sys.argv[1:] if argv is None else argv)


def _train(argv: Sequence[str]) -> None:
    arguments = parse_arguments(argv)
    # Imported here, so that `--help` and mistakes in arguments do not wait for Trainer, datasets and spaCy.
    from .release import publish_run
    from .run import run
    from .stop_signals import StopSignals

    args = arguments.training
    is_first = args.process_index == 0
    logging.getLogger("hf_hardneg").setLevel(logging.INFO if is_first else logging.ERROR)
    # Messages go above the progress bars.
    with StopSignals() as signals, logging_redirect_tqdm():
        metrics = run(arguments, signals)
        published = publish_run(args) if args.push_to_hub and is_first else None
    if is_first:
        sys.stdout.write(f"\n{metrics['table']}\n\nSaved in {args.output_dir}\n{_next_steps(arguments)}\n")
    if published:
        sys.stdout.write(f"{published}\n")


def _next_steps(arguments: Arguments) -> str:
    """The commands that evaluate and publish the model."""
    from .run import has_control

    folder = str(arguments.training.output_dir)
    evaluate = ["hf-hardneg", "evaluate", folder]
    if has_control(arguments):
        evaluate += ["--control", f"{folder}/control"]
    if arguments.data.dataset != SCENES:
        evaluate += ["--benchmarks", "inpaintcoco=phiyodr/InpaintCOCO"]
    evaluate += ["--out", "evaluation"]
    publish = ["hf-hardneg", "push", folder, "OWNER/NAME"]
    return f"To evaluate it further: {shlex.join(evaluate)}\nTo publish it: {shlex.join(publish)}"
