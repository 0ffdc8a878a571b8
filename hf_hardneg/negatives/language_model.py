"""Drop drawn negatives that a causal language model finds too unlikely, so that they are balanced under it, too.

Input are captions with the negatives that `AddHardNegatives` drew. Output are the same rows with fewer negatives. The
slot model p draws negative n of caption c at rates with p(c) rate(c -> n) = p(n) rate(n -> c). A drawn negative is
kept with the probability min(1, P(n) p(c) / (P(c) p(n))), where P is the language model of whole sentences. This is
the acceptance rule of Metropolis and Hastings (Hastings 1970, https://doi.org/10.1093/biomet/57.1.97). The equation
above then holds for P in place of p.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..columns import CAPTION, NEGATIVE_FEATURES, NEGATIVE_RATIOS, NEGATIVES, REJECTIONS
from ..data.same_photo import batch_image_ids
from ..file_digests import source_digest
from ..model.causal_language_model import load_language_model, log_probabilities
from .chance import uniform


UNLIKELY = "the language model tells all drawn negatives from the caption"
TOO_LONG = "the caption or its negative is longer than the language model reads"
SOURCES = ("negatives/language_model.py", "model/causal_language_model.py")
PARALLEL = [name for name in NEGATIVE_FEATURES if name != REJECTIONS]


def _version(name_or_path: str) -> str:
    """A text that changes with the files of a local model, for the cache key of `dataset.map`; "" for a Hub id."""
    place = Path(name_or_path).expanduser()
    files = [place] if place.is_file() else sorted(place.glob("*")) if place.is_dir() else []
    return ",".join(f"{file.name}:{file.stat().st_size}:{file.stat().st_mtime_ns}" for file in files)


@dataclass(frozen=True)
class ThinByLanguageModel:
    """Drop negatives that a causal language model finds too unlikely; use it with `map` after `AddHardNegatives`.

    A negative is kept with the probability min(1, P(negative) p(caption) / (P(caption) p(negative))), where P is the
    language model and p the slot model. `negative_ratios` are then P(negative) / P(caption). A row that loses all
    negatives gets a reason in `rejections`. Whether a negative is kept depends on the seed, the image id, the caption
    and the negative. It does not depend on order, batch or process.

    Attributes:
        name_or_path: Hub id, folder or .gguf file of a causal language model of transformers.
        temperature: Above 0, that of `AddHardNegatives`. P is flattened by it: P to the power 1 / temperature.
        seed: Another seed, other negatives are dropped.
        batch_size: Texts that the language model reads at a time.

    Raises:
        ValueError: At the first batch, if transformers cannot load the model or its tokenizer has no token that begins
            or ends a text.

    Reference:
        Hastings 1970, https://doi.org/10.1093/biomet/57.1.97

    Examples:
        >>> thin = ThinByLanguageModel("openai-community/gpt2", temperature=1.1)
        >>> rows = rows.map(thin, batched=True, features=rows.features)  # doctest: +SKIP
    """

    name_or_path: str
    temperature: float
    seed: int = 0
    batch_size: int = 32
    sources: str = field(default_factory=lambda: source_digest(*SOURCES), repr=False)
    version: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "version", _version(self.name_or_path))

    def __call__(self, batch: Mapping[str, Sequence]) -> dict[str, list]:
        """Take `caption`, `image_id` if there is one, and the columns of `NEGATIVE_FEATURES`; return the latter."""
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
        image_ids = batch_image_ids(batch, len(batch[CAPTION]))
        for i, caption in enumerate(batch[CAPTION]):
            negatives, rejections = batch[NEGATIVES][i], list(batch[REJECTIONS][i])
            odds = [float(scores[negative] - scores[caption]) / self.temperature for negative in negatives]
            keys = [f"{self.seed}/{image_ids[i]}/{caption}/{negative}" for negative in negatives]
            drawn = np.log(np.maximum(batch[NEGATIVE_RATIOS][i], 1e-30))
            kept = [k for k in range(len(negatives)) if np.log(uniform(keys[k])) < odds[k] - drawn[k]]
            if negatives and not kept:
                rejections.append(TOO_LONG if np.isnan(odds).any() else UNLIKELY)
            for name in PARALLEL:
                result[name].append([batch[name][i][k] for k in kept])
            result[NEGATIVE_RATIOS][-1] = [float(np.exp(min(odds[k], 80.0))) for k in kept]
            result[REJECTIONS].append(rejections)
        return result
