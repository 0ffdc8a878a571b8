"""How many hard negatives can be told from their captions without the image? Pure: texts in, numbers out.

A model can learn what a reader finds without the image, instead of looking. A panel of readers chooses between each
caption and its negative (`panel`), and defects are counted. No reader is scored on an image that it was trained on.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..evaluation.bootstrap import percentiles, resampled_means
from ..lexicon.words import split_words
from .caption_pairs import Captions, Pairs
from .corpus import leave_out
from .defects import count_artifacts, exchanges_list, wrong_articles
from .folds import FOLDS
from .odd_one import odd_one_shares
from .panel import MAX_PAIRS, Readers, fit_and_judge


GIVEAWAYS = 20


@dataclass(frozen=True)
class Told:
    """How often a reader picks the caption.

    Attributes:
        share: The share of pairs in percent; a tie counts half. Guessing gives 50.
        low: Lower end of the 95 % bootstrap interval, which draws whole images.
        high: Its upper end.
        pairs: The number of pairs.
    """

    share: float
    low: float
    high: float
    pairs: int


@dataclass(frozen=True)
class Audit:
    """How many negatives readers of text tell from their captions, and how many have defects.

    Shares are percentages from 0 to 100. A pair is a caption with one of its negatives. A reader that guesses picks
    the caption in 50 % of the pairs.

    Attributes:
        captions: Number of captions.
        pairs: Number of pairs.
        pairs_read: Number of pairs that the readers read.
        images: Number of groups of pairs that are held out together: those of one image, and of equal captions.
        coverage: Share of captions with at least one negative.
        readers: What each reader tells.
        strongest: The reader whose share is farthest from 50, to either side.
        by_concept: The same as `readers` for the negatives of each concept, where concepts are known.
        odd_one: How often a caption is the medoid of the set that it forms with its negatives, by word edit distance;
            ties share. None if no caption has two negatives.
        odd_one_chance: What guessing gives in the same sets.
        extra_captions: How many captions of other images the readers also knew.
        language_model: The name of the language model of the reader of acceptability, or None.
        broken_articles: Share of negatives with more wrong a/an than their caption.
        artifacts: Share of negatives with more traces of joined tokens (spaces, marks) than their caption.
        identical: Share of negatives equal to their caption but for case and spaces.
        permuted_lists: Share of negatives that only exchange the two sides of an "and" or "or".
        fragments: Share of negatives that are empty or have less than half of the caption's words.
        giveaways: N-grams of greatest weight for the n-gram reader; a weight above 0 speaks for a caption.
    """

    captions: int
    pairs: int
    pairs_read: int
    images: int
    coverage: float
    readers: dict[str, Told]
    strongest: str
    by_concept: dict[str, dict[str, Told]]
    odd_one: float | None
    odd_one_chance: float | None
    extra_captions: int
    language_model: str | None
    broken_articles: float
    artifacts: float
    identical: float
    permuted_lists: float
    fragments: float
    giveaways: list[tuple[str, float]]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Audit":
        """The audit that `dataclasses.asdict` turned into JSON.

        Raises:
            TypeError: If it was made by a version with other fields.
        """
        readers = {name: Told(**told) for name, told in content["readers"].items()}
        by_concept = {
            concept: {name: Told(**told) for name, told in of_concept.items()}
            for concept, of_concept in content["by_concept"].items()
        }
        giveaways = [(ngram, weight) for ngram, weight in content["giveaways"]]
        return cls(**{**content, "readers": readers, "by_concept": by_concept, "giveaways": giveaways})


def audit_negatives(
    captions: Sequence[str],
    negatives: Sequence[Sequence[str]],
    image_ids: Sequence[Hashable] | None = None,
    concepts: Sequence[Sequence[str]] | None = None,
    corpus: Captions | None = None,
    language_model: str | None = None,
) -> Audit:
    """Audit negatives: measure how many can be told from their captions without the image.

    Args:
        captions: N captions.
        negatives: N lists of negatives; a list may be empty.
        image_ids: The image of each caption. Captions of one image are held out together, and tell which words go
            together in an image. None if they are not known: then only equal captions are held out together.
        concepts: N lists with the concept of each negative, or None if they are not known.
        corpus: Captions of other images, which tell the readers more of which words go together. Images of the
            audited captions are left out.
        language_model: Hub id, folder or .gguf file of a causal language model: adds the reader of acceptability.

    Returns:
        The audit, in percent. Of more than 50,000 pairs, only those of evenly spread captions are read.

    Raises:
        ValueError: If the lengths differ, fewer than 5 images have a negative, or the language model cannot be loaded.

    Examples:
        >>> captions = [f"A {color} car with {n} wheels." for n in range(8) for color in ("red", "blue", "green")]
        >>> audit = audit_negatives(captions, [[caption.replace(".", " .")] for caption in captions])
        >>> audit.strongest, audit.readers["rules"].share, audit.artifacts
        ('rules', 100.0, 100.0)
    """
    _require_lengths(captions, negatives, image_ids, concepts)
    covered = [i for i, texts in enumerate(negatives) if texts]
    total = sum(len(negatives[i]) for i in covered)
    chosen = covered[:: max(1, -(-total // MAX_PAIRS))]
    rows = [(i, k) for i in chosen for k in range(len(negatives[i]))]
    ids = None if image_ids is None else [image_ids[i] for i, _ in rows]
    pairs = Pairs([captions[i] for i, _ in rows], [negatives[i][k] for i, k in rows], ids)
    known = Captions(captions, image_ids)
    extra = leave_out(corpus, known) if corpus is not None else None
    readers, margins, groups = fit_and_judge(pairs, known, extra, language_model)
    if len(np.unique(groups)) < FOLDS or len(np.unique(readers.corpus.find_folds(pairs))) < 2:
        raise ValueError(
            f"{len(np.unique(groups))} images or different captions have negatives; the cross-validated audit needs "
            f"at least {FOLDS}."
        )
    names = [concepts[i][k] for i, k in rows] if concepts is not None else []
    told, by_concept = measure_margins(margins, groups, names)
    shares, chances = odd_one_shares([captions[i] for i in chosen], [negatives[i] for i in chosen])
    return Audit(
        captions=len(captions),
        pairs=total,
        pairs_read=len(rows),
        images=len(np.unique(groups)),
        coverage=100 * len(covered) / len(captions),
        readers=told,
        strongest=max(told, key=lambda name: abs(told[name].share - 50)),
        by_concept=by_concept,
        odd_one=100 * float(shares.mean()) if len(shares) else None,
        odd_one_chance=100 * float(chances.mean()) if len(shares) else None,
        extra_captions=len(extra) if extra is not None else 0,
        language_model=language_model,
        **_count_defects(pairs),
        giveaways=_find_giveaways(readers),
    )


def _require_lengths(
    captions: Sequence[str],
    negatives: Sequence[Sequence[str]],
    image_ids: Sequence[Hashable] | None,
    concepts: Sequence[Sequence[str]] | None,
) -> None:
    if len(captions) != len(negatives):
        raise ValueError(f"There are {len(captions)} captions but {len(negatives)} lists of negatives.")
    if image_ids is not None and len(image_ids) != len(captions):
        raise ValueError(f"There are {len(captions)} captions but {len(image_ids)} image ids.")
    if concepts is not None and list(map(len, concepts)) != list(map(len, negatives)):
        raise ValueError("Each negative needs one concept: the lists of concepts and of negatives differ in length.")
    if not any(negatives):
        raise ValueError(f"0 different captions have negatives; the cross-validated audit needs at least {FOLDS}.")


def measure_margins(
    margins: Mapping[str, np.ndarray], groups: np.ndarray, concepts: Sequence[str] = ()
) -> tuple[dict[str, Told], dict[str, dict[str, Told]]]:
    """What each reader tells, of all pairs and of those of each concept.

    Args:
        margins: (N,) of each reader; above 0 it picks the caption.
        groups: (N,) equal for pairs that depend on each other.
        concepts: N names, or none if they are not known.
    """
    by_reader = dict[str, Told]()
    by_concept: dict[str, dict[str, Told]] = {concept: {} for concept in sorted(set(concepts))}
    number = {concept: i for i, concept in enumerate(by_concept)}
    of_concept = np.array([number[concept] for concept in concepts], dtype=np.int64)
    for name, values in margins.items():
        told = 50 * (1 + np.sign(values))
        by_reader[name] = _told(told, np.zeros(len(told), np.int64), groups)[0]
        if by_concept:
            for concept, found in zip(by_concept, _told(told, of_concept, groups), strict=True):
                by_concept[concept][name] = found
    return by_reader, by_concept


def _told(told: np.ndarray, kinds: np.ndarray, groups: np.ndarray) -> list[Told]:
    """The share of each kind, with its interval."""
    means = resampled_means(told[None], kinds, groups)
    sizes = np.bincount(kinds)
    shares = np.bincount(kinds, told) / sizes
    return [
        Told(float(share), *percentiles(of_kind), int(size))
        for share, of_kind, size in zip(shares, means.T, sizes, strict=True)
    ]


def _count_defects(pairs: Pairs) -> dict[str, float]:
    """The share of negatives with each defect, in percent."""
    counts = Counter(broken_articles=0, artifacts=0, identical=0, permuted_lists=0, fragments=0)
    for old, new in zip(pairs.captions, pairs.negatives, strict=True):
        old_words, new_words = split_words(old), split_words(new)
        counts["artifacts"] += count_artifacts(new) > count_artifacts(old)
        counts["broken_articles"] += wrong_articles(new) > wrong_articles(old)
        counts["identical"] += old_words == new_words
        counts["permuted_lists"] += exchanges_list(old, new)
        counts["fragments"] += 2 * len(new_words) < len(old_words) or not new.strip()
    return {name: 100 * count / len(pairs) for name, count in counts.items()}


def _find_giveaways(readers: Readers) -> list[tuple[str, float]]:
    """The n-grams of greatest mean weight, over the folds."""
    weights = np.mean([readers.weights[(fold,)] for fold in range(FOLDS)], axis=0)
    top = np.argsort(-abs(weights), kind="stable")[:GIVEAWAYS]
    names = readers.table.names(top, readers.corpus.vocabulary)
    return [(name, round(float(weight), 3)) for name, weight in zip(names, weights[top], strict=True) if weight]
