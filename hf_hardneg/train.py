"""`accelerate launch -m hf_hardneg.train [recipe.yaml] [--flags]`: train, evaluate and save a model."""

from .training.command import main


if __name__ == "__main__":
    main()
