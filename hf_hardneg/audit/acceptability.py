"""The reader that finds a text likely or not: a causal language model that the user names. It is not trained."""

import numpy as np

from ..model.causal_language_model import load_language_model, log_probabilities
from .caption_pairs import Pairs


def acceptability_margins(pairs: Pairs, name_or_path: str) -> np.ndarray:
    """(N,) log-probability of each whole caption minus that of its negative; 0 if one is too long to be read.

    Raises:
        ValueError: If the model cannot be loaded.
    """
    model, tokenizer = load_language_model(name_or_path)
    texts = list(dict.fromkeys([*pairs.captions, *pairs.negatives]))
    of_text = dict(zip(texts, log_probabilities(texts, model, tokenizer), strict=True))
    found = [of_text[old] - of_text[new] for old, new in zip(pairs.captions, pairs.negatives, strict=True)]
    return np.nan_to_num(np.array(found, dtype=float))
