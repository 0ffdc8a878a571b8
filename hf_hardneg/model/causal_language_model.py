"""Causal language models of transformers, and how likely they find whole texts."""

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm


GGUF = ".gguf"


@lru_cache(maxsize=1)
def load_language_model(name_or_path: str) -> tuple[Any, Any]:
    """Load a causal language model and its tokenizer; the model goes to the accelerator, if there is one.

    Args:
        name_or_path: A Hub id, a folder, or a .gguf file. The weights of the latter are taken back to floats, which
            needs the package `gguf`.

    Raises:
        ValueError: If transformers cannot load it, or its tokenizer has no token that begins or ends a text.
    """
    from accelerate import PartialState
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, options = _split_gguf(name_or_path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        model = AutoModelForCausalLM.from_pretrained(folder, **options)
    except Exception as error:  # readers of broken files raise errors of many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{name_or_path} cannot be loaded as a causal language model ({reason}). Name a Hub id, a folder or a "
            f"{GGUF} file of one, such as openai-community/gpt2."
        ) from error
    if tokenizer.bos_token_id is None and tokenizer.eos_token_id is None:
        raise ValueError(f"The tokenizer of {name_or_path} has neither bos_token nor eos_token; set one of them.")
    return model.to(PartialState().device).eval(), tokenizer


def _split_gguf(name_or_path: str) -> tuple[str, dict[str, str]]:
    """The folder and the options by which transformers loads a model."""
    file = Path(name_or_path).expanduser()
    if file.suffix.lower() != GGUF:
        return name_or_path, {}
    if not file.is_file():
        raise ValueError(f"There is no file {name_or_path}.")
    if find_spec("gguf") is None:
        raise ValueError(f"{name_or_path} needs the package gguf: pip install gguf")
    return str(file.parent), {"gguf_file": file.name}


def max_length(model: Any) -> int:
    """The largest number of tokens that the model reads."""
    return int(getattr(model.config, "max_position_embeddings", 2**31))


def log_probabilities(texts: Sequence[str], model: Any, tokenizer: Any, batch_size: int = 32) -> np.ndarray:
    """The log-probability of each whole text, with its beginning-of-text and end-of-text tokens.

    Args:
        texts: N texts.
        model: A causal language model of transformers.
        tokenizer: Its tokenizer. If it has only one of the two tokens, that one stands at both ends.
        batch_size: Texts at a time. They are sorted by length to avoid padding.

    Returns:
        (N,) float64 natural logarithms, 0 or less; nan for texts longer than the model reads.
    """
    import torch

    if not texts:
        return np.empty(0)
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    begin, end = end if begin is None else begin, begin if end is None else end
    ids = [[begin, *of_text, end] for of_text in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
    result = np.full(len(texts), np.nan)
    order = sorted((i for i in range(len(ids)) if len(ids[i]) <= max_length(model)), key=lambda i: len(ids[i]))
    with torch.inference_mode():
        for first in tqdm(range(0, len(order), batch_size), desc="Reading", disable=None, leave=False):
            chosen = order[first : first + batch_size]
            rows = [torch.tensor(ids[i]) for i in chosen]
            tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=end).to(model.device)
            lengths = torch.tensor([len(row) for row in rows], device=model.device)[:, None]
            mask = torch.arange(tokens.shape[1], device=model.device) < lengths
            logits = model(input_ids=tokens, attention_mask=mask.long()).logits[:, :-1]
            losses = torch.nn.functional.cross_entropy(logits.float().mT, tokens[:, 1:], reduction="none")
            result[chosen] = -(losses * mask[:, 1:]).sum(-1).double().cpu().numpy()
    return result
