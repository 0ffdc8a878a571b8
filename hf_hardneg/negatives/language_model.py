"""Thin drawn negatives until they are balanced under a causal language model, too: any that transformers can load.

The slot model draws c -> n at rates with p(c) rate(c -> n) = p(n) rate(n -> c). Keeping a drawn negative with the
probability min(1, P(n) p(c) / (P(c) p(n))) makes the same equation hold for P, the language model of whole sentences:
what it finds odd about a negative, it finds odd about captions as often.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from ..columns import CAPTION, IMAGE_ID, NEGATIVE_FEATURES, NEGATIVE_RATIOS, NEGATIVES, REJECTIONS
from ..file_digests import source_digest
from .chance import uniform


UNLIKELY = "the language model tells all drawn negatives from the caption"
TOO_LONG = "the caption or its negative is longer than the language model reads"
PARALLEL = [name for name in NEGATIVE_FEATURES if name != REJECTIONS]


@lru_cache(maxsize=1)
def load_language_model(name_or_path: str) -> tuple[Any, Any]:
    """A causal language model on the accelerator, if there is one, and its tokenizer.

    Raises:
        ValueError: If transformers cannot load it, or its tokenizer has no token that begins or ends a text.
    """
    from accelerate import PartialState
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(name_or_path)
        model = AutoModelForCausalLM.from_pretrained(name_or_path)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{name_or_path} cannot be loaded as a causal language model ({reason}). Name a Hub id or a folder of "
            "one, such as openai-community/gpt2."
        ) from error
    if tokenizer.bos_token_id is None and tokenizer.eos_token_id is None:
        raise ValueError(f"The tokenizer of {name_or_path} has neither bos_token nor eos_token; set one of them.")
    return model.to(PartialState().device).eval(), tokenizer


def max_length(model: Any) -> int:
    """How many tokens the model reads."""
    return int(getattr(model.config, "max_position_embeddings", 2**31))


@torch.inference_mode()
def log_probabilities(texts: Sequence[str], model: Any, tokenizer: Any, batch_size: int = 32) -> np.ndarray:
    """The log-probability of each text as a whole, from the beginning-of-text token to the end-of-text token.

    Args:
        texts: N texts.
        model: A causal language model of transformers.
        tokenizer: Its tokenizer; where it has only one of the two tokens, that one stands at both ends.
        batch_size: Texts at a time; they are sorted by length, so that hardly anything is padded.

    Returns:
        (N,) natural logarithms; nan for texts longer than the model reads.
    """
    if not texts:
        return np.empty(0)
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    begin, end = end if begin is None else begin, begin if end is None else end
    ids = [[begin, *of_text, end] for of_text in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
    result = np.full(len(texts), np.nan)
    order = sorted((i for i in range(len(ids)) if len(ids[i]) <= max_length(model)), key=lambda i: len(ids[i]))
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


def _version(name_or_path: str) -> str:
    """Changes with the files of a local model, for the cache key of `dataset.map`; a Hub id is its own."""
    files = sorted(Path(name_or_path).glob("*")) if Path(name_or_path).is_dir() else []
    return ",".join(f"{file.name}:{file.stat().st_size}:{file.stat().st_mtime_ns}" for file in files)


@dataclass(frozen=True)
class ThinByLanguageModel:
    """Drop negatives that a causal language model tells from their captions: for `map` after `AddHardNegatives`.

    `negative_ratios` are P(negative) / P(caption) under the language model afterwards, and a row that loses all its
    negatives says so in `rejections`. Whether a negative stays depends on the seed, the image id, the caption and the
    negative alone.

    Attributes:
        name_or_path: Hub id or folder of a causal language model of transformers.
        temperature: That of `AddHardNegatives`; the language model is flattened by the same.
        seed: Another seed, other negatives are dropped.
        batch_size: Texts that the language model reads at a time.
    """

    name_or_path: str
    temperature: float
    seed: int = 0
    batch_size: int = 32
    sources: str = field(default_factory=lambda: source_digest("negatives/language_model.py"), repr=False)
    version: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "version", _version(self.name_or_path))

    def __call__(self, batch: Mapping[str, Sequence]) -> dict[str, list]:
        """Take the columns `caption`, `image_id` and those of `columns.NEGATIVE_FEATURES`; return the latter."""
        model, tokenizer = load_language_model(self.name_or_path)
        texts = list(
            dict.fromkeys(
                text
                for row in zip(batch[CAPTION], batch[NEGATIVES], strict=True)
                if row[1]
                for text in (row[0], *row[1])
            )
        )
        scores = dict(zip(texts, log_probabilities(texts, model, tokenizer, self.batch_size), strict=True))
        result: dict[str, list] = {name: [] for name in NEGATIVE_FEATURES}
        for i, caption in enumerate(batch[CAPTION]):
            negatives, rejections = batch[NEGATIVES][i], list(batch[REJECTIONS][i])
            odds = [float(scores[negative] - scores[caption]) / self.temperature for negative in negatives]
            keys = [f"{self.seed}/{batch[IMAGE_ID][i]}/{caption}/{negative}" for negative in negatives]
            drawn = np.log(np.maximum(batch[NEGATIVE_RATIOS][i], 1e-30))
            kept = [k for k in range(len(negatives)) if np.log(uniform(keys[k])) < odds[k] - drawn[k]]
            if negatives and not kept:
                rejections.append(TOO_LONG if np.isnan(odds).any() else UNLIKELY)
            for name in PARALLEL:
                result[name].append([batch[name][i][k] for k in kept])
            result[NEGATIVE_RATIOS][-1] = [float(np.exp(min(odds[k], 80.0))) for k in kept]
            result[REJECTIONS].append(rejections)
        return result
