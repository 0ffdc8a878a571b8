"""`accelerate launch -m hf_hardneg.train [recipe.yaml] [--flags]`: train, evaluate and save a model."""

from .progress_bars import hide_short_bars
from .user_errors import one_sentence


def main() -> None:
    """Run the command line."""
    hide_short_bars()
    with one_sentence():  # The import takes seconds, in which Ctrl-C should leave no traceback.
        from .training.command import main as train  # imports tqdm, which reads what hide_short_bars says
    train()


if __name__ == "__main__":
    main()
