"""`accelerate launch -m hf_hardneg.train [recipe.yaml] [--flags]`: from data to an evaluated checkpoint."""

import logging
import sys
from collections.abc import Sequence

from .recipe import parse_arguments


logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Command line; a mistake of the user's ends it with one sentence instead of a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        arguments = parse_arguments(sys.argv[1:] if argv is None else argv)
        # After the arguments: `--help` and mistakes in them need not wait for Trainer, datasets and spaCy.
        from ..hub.release import release
        from .run import run

        args = arguments[2]
        if args.process_index:
            logging.getLogger("hf_hardneg").setLevel(logging.ERROR)  # the first process speaks for all
        metrics = run(arguments)
        released = release(args) if args.push_to_hub and args.process_index == 0 else None
    except (ValueError, OSError) as error:
        logger.debug("", exc_info=True)
        sys.exit(f"error: {error}")
    if args.process_index == 0:
        sys.stdout.write(f"\n{metrics['table']}\n\nSaved in {args.output_dir}\n")
    if released:
        sys.stdout.write(f"{released}\n")
