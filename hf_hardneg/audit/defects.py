"""Defects of a negative that its caption does not have: wrong articles, spaces, exchanged lists. Pure."""

import re

from ..lexicon.articles import article_for
from ..lexicon.words import split_words


# What joined tokens leave behind: a space before punctuation, a doubled space, a split "do n't".
_SPACE = re.compile(r"\w\s+[.,!?;:)]|\s{2,}\S|\w\s+(?:n't|'s)\b")
_MARK = re.compile(r"###|<mask>|\[MASK\]|<unk>")
_ARTICLE = re.compile(r"\b(an?)\s+([a-z]\w*)", re.IGNORECASE)


def wrong_articles(text: str) -> int:
    """Count the a/an in `text` that do not fit the word after them.

    Examples:
        >>> wrong_articles("An car and a umbrella near a dog")
        2
    """
    return sum(article.lower() != article_for(word) for article, word in _ARTICLE.findall(text))


def count_artifacts(text: str) -> int:
    """Count spaces before punctuation, doubled spaces and mask marks: traces of joined tokens.

    Examples:
        >>> count_artifacts("a cat , a dog .")
        2
    """
    return len(_SPACE.findall(text.strip())) + len(_MARK.findall(text))


def exchanges_list(caption: str, negative: str) -> bool:
    """Whether `negative` only exchanges the two sides of an "and" or "or", which keeps the meaning.

    Examples:
        >>> exchanges_list("a cat and dog sleep", "a dog and cat sleep")
        True
    """
    old, new = split_words(caption), split_words(negative)
    if len(old) != len(new) or sorted(old) != sorted(new):
        return False
    changed = [i for i in range(len(old)) if old[i] != new[i]]
    if not changed:
        return False
    start, end = changed[0], changed[-1] + 1
    before, after = old[start:end], new[start:end]
    return any(
        word in ("and", "or") and after == [*before[i + 1 :], word, *before[:i]] for i, word in enumerate(before)
    )
