"""The one tokenizer of this package: the words of a text with their offsets. Pure."""

import re
from collections.abc import Sequence


# Titles write these, and words of up to two letters, without capitals.
_SMALL = frozenset("the and for but nor with from into onto over near its his her that".split())
_WORD = re.compile(r"\w+(?:[-'’]\w+)*|[^\w\s]")


def split_words(text: str) -> list[str]:
    """Split a text into lower-case words and punctuation marks; "t-shirt" and "dog's" are one word each.

    Examples:
        >>> split_words("A t-shirt, RED.")
        ['a', 't-shirt', ',', 'red', '.']
    """
    lower = text.lower()
    if len(lower) != len(text):
        return [word.lower() for word in _WORD.findall(text)]  # the Turkish dotted I grows
    words: list[str] = []
    # Most parts between spaces are one word; to see that is faster than the expression.
    for part in lower.split():
        if part.isalnum():
            words.append(part)
        else:
            words += _WORD.findall(part)
    return words


def written_words(text: str) -> list[str]:
    """The words of `split_words(text)` with their capitals."""
    return _WORD.findall(text)


def is_title(words: Sequence[str]) -> bool:
    """Whether all words have capitals but the first, which does not count, and small ones.

    Examples:
        >>> is_title("A Dog Chases the Frisbee".split()), is_title("A dog in New York City".split())
        (True, False)
    """
    long = [word for word in words[1:] if len(word) > 2 and word.isalpha() and word not in _SMALL]
    return bool(long) and all(word[0].isupper() for word in long)


def word_spans(text: str) -> list[tuple[int, int]]:
    """The (start, end) characters of each of `split_words(text)`."""
    return [match.span() for match in _WORD.finditer(text)]


def locate_words(text: str, words: Sequence[str], start: int, end: int) -> tuple[int, int]:
    """The (start, end) characters of `words[start:end]`, where `words` is `split_words(text)`."""
    lower = text.lower()
    first, last = words[start], words[end - 1]
    begin, finish = lower.find(first), lower.find(last)
    # A word that occurs once needs no counting: a search finds it.
    is_once = lower.find(first, begin + 1) < 0 and (end == start + 1 or lower.find(last, finish + 1) < 0)
    if is_once and len(lower) == len(text):
        return begin, finish + len(last)
    spans = word_spans(text)
    return spans[start][0], spans[end - 1][1]
