"""`accelerate launch -m hf_hardneg.train [recipe.yaml] [--flags]`: train, evaluate and save a model."""

from .user_errors import one_sentence


if __name__ == "__main__":
    with one_sentence():  # The import takes seconds, in which Ctrl-C should leave no traceback.
        from .training.command import main
    main()
