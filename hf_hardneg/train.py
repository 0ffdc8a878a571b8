"""`accelerate launch -m hf_hardneg.train [recipe.yaml] [--flags]`: train, evaluate and save a model."""

from .progress_bars import hide_short_bars


def main() -> None:
    """Run the command line."""
    hide_short_bars()
    from .training.command import main as train  # imports tqdm

    train()


if __name__ == "__main__":
    main()
