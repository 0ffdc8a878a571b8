"""How many hard negatives can be told from their captions without the image? Pure: texts in, numbers out.

A model can learn what a reader finds without the image, instead of looking. The readers are a logistic regression on
word n-grams of each pair, cross-validated by caption, three rules, and the length. Defects are counted, too. A low
score does not mean that a stronger reader is fooled: see docs/audit.md.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..evaluation.bootstrap import grouped_interval
from ..lexicon.words import split_words
from .defects import count_artifacts, exchanges_list, wrong_articles


FOLDS = 5
MAX_PAIRS = 200_000  # more pairs do not improve the reader and take more memory


@dataclass(frozen=True)
class Audit:
    """How many negatives three readers of text tell from their captions, and how many have defects.

    All numbers but `captions` and `pairs` are percentages from 0 to 100. A pair is a caption with one of its
    negatives. A reader that guesses picks the caption in 50 % of the pairs.

    Attributes:
        captions: Number of captions.
        pairs: Number of pairs.
        coverage: Share of captions with at least one negative.
        learned: Share of held-out pairs in which the learned reader picks the caption; a tie counts half.
        learned_low: Lower end of the 95 % bootstrap interval over captions.
        learned_high: Its upper end.
        rules: Share in which three rules pick the caption; a tie counts half.
        length: Share in which the better of "shorter" and "longer" (in words) picks the caption; a tie counts half.
        broken_articles: Share of negatives with more wrong a/an than their caption.
        artifacts: Share of negatives with more traces of joined tokens (spaces, marks) than their caption.
        identical: Share of negatives equal to their caption but for case and spaces.
        permuted_lists: Share of negatives that only exchange the two sides of an "and" or "or".
        fragments: Share of negatives that are empty or have less than half of the caption's words.
        giveaways: N-grams of greatest weight for the learned reader; a weight above 0 speaks for a caption.

    Examples:
        >>> captions = [f"a {color} car" for color in ("red", "blue", "green", "white", "black")]
        >>> audit = audit_negatives(captions, [["a mauve car"]] * 5)
        >>> audit.pairs, audit.coverage, audit.length
        (5, 100.0, 50.0)
    """

    captions: int
    pairs: int
    coverage: float
    learned: float
    learned_low: float
    learned_high: float
    rules: float
    length: float
    broken_articles: float
    artifacts: float
    identical: float
    permuted_lists: float
    fragments: float
    giveaways: list[tuple[str, float]]


def _plainness(text: str) -> tuple[int, bool, int]:
    """Count what the three rules hold against a text: marks of joined tokens, a lower-case start, a wrong article."""
    stripped = text.strip()
    return count_artifacts(text), not stripped[:1].isupper(), wrong_articles(text)


def _rule_score(caption: tuple[int, bool, int], negative: tuple[int, bool, int]) -> float:
    """1 if the rules choose the caption, 0 if they choose the negative, 1/2 on a tie."""
    signs = [np.sign(int(n) - int(c)) for c, n in zip(caption, negative, strict=True)]
    return (1 + np.sign(sum(signs))) / 2


def _learn(
    captions: Sequence[str], negatives: Sequence[str], groups: Sequence[int]
) -> tuple[np.ndarray, list[tuple[str, float]]]:
    """For each pair, whether a reader trained on other captions picks the caption; a tie is 1/2.

    The second value is the n-grams of greatest weight.
    """
    from scipy.sparse import vstack
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold

    vectorizer = CountVectorizer(
        analyzer="word", ngram_range=(1, 3), tokenizer=split_words, token_pattern=None, min_df=2
    )
    counts = vectorizer.fit_transform([*captions, *negatives])
    # Only n-grams in which caption and negative differ can tell them apart.
    difference = (counts[: len(captions)] - counts[len(captions) :]).astype(np.float64)
    reader = LogisticRegression(C=1.0, fit_intercept=False, max_iter=300)

    def fit(rows: np.ndarray) -> np.ndarray:
        features = vstack([difference[rows], -difference[rows]])
        return reader.fit(features, np.repeat([1, 0], len(rows))).coef_[0]

    picked = np.zeros(len(captions))
    for train, test in GroupKFold(FOLDS).split(difference, groups=np.asarray(groups)):
        picked[test] = (1 + np.sign(difference[test] @ fit(train))) / 2
    weights = fit(np.arange(len(captions)))
    names = vectorizer.get_feature_names_out()
    top = np.argsort(-abs(weights))[:20]
    return picked, [(str(names[i]), round(float(weights[i]), 3)) for i in top]


def audit_negatives(captions: Sequence[str], negatives: Sequence[Sequence[str]]) -> Audit:
    """Audit negatives: measure how many can be told from their captions without the image.

    Args:
        captions: N captions.
        negatives: N lists of negatives; a list may be empty.

    Returns:
        The audit, in percent. Of more than 200,000 pairs, only those of evenly spread captions are read.

    Raises:
        ValueError: If the lengths differ, or fewer than 5 different captions have a negative.

    Examples:
        >>> captions = [f"A {color} car." for color in ("red", "blue", "green", "white", "black")]
        >>> audit = audit_negatives(captions, [["A mauve car ."]] * 5)
        >>> audit.learned, audit.rules, audit.artifacts
        (100.0, 100.0, 100.0)
    """
    if len(captions) != len(negatives):
        raise ValueError(f"There are {len(captions)} captions but {len(negatives)} lists of negatives.")
    covered = [i for i, texts in enumerate(negatives) if texts]
    distinct = len({captions[i] for i in covered})
    if distinct < FOLDS:
        raise ValueError(
            f"{distinct} different captions have negatives; the cross-validated audit needs at least {FOLDS}."
        )
    pairs = sum(len(negatives[i]) for i in covered)
    step = -(-pairs // MAX_PAIRS)
    rows = [(captions[i], negative) for i in covered[::step] for negative in negatives[i]]
    olds, news = [old for old, _ in rows], [new for _, new in rows]
    # Equal captions are one group, so that no reader is tested on a caption that it was trained on.
    ids: dict[str, int] = {}
    groups = np.array([ids.setdefault(old, len(ids)) for old in olds])
    picked, giveaways = _learn(olds, news, groups.tolist())
    low, high = grouped_interval(100 * picked, groups)
    counts = Counter[str]()
    rules, longer = np.zeros(len(rows)), np.zeros(len(rows))
    for i, (old, new) in enumerate(rows):
        old_plainness, new_plainness = _plainness(old), _plainness(new)
        old_words, new_words = split_words(old), split_words(new)
        rules[i] = _rule_score(old_plainness, new_plainness)
        longer[i] = np.sign(len(new_words) - len(old_words))
        counts["artifacts"] += new_plainness[0] > old_plainness[0]
        counts["articles"] += new_plainness[2] > old_plainness[2]
        counts["identical"] += old_words == new_words
        counts["lists"] += exchanges_list(old, new)
        counts["fragments"] += 2 * len(new_words) < len(old_words) or not new.strip()
    share = {name: 100 * count / len(rows) for name, count in counts.items()}
    return Audit(
        captions=len(captions),
        pairs=pairs,
        coverage=100 * len(covered) / len(captions),
        learned=100 * float(picked.mean()),
        learned_low=low,
        learned_high=high,
        rules=100 * float(rules.mean()),
        length=50 + 50 * abs(float(longer.mean())),
        broken_articles=share["articles"],
        artifacts=share["artifacts"],
        identical=share["identical"],
        permuted_lists=share["lists"],
        fragments=share["fragments"],
        giveaways=giveaways,
    )
