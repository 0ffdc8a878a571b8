"""Words of a caption with their offsets: fast, reversible, and the same for every room of this package. Pure."""

import re


_WORD = re.compile(r"\w+(?:[-'’]\w+)*|[^\w\s]")


def split_words(text: str) -> list[str]:
    """Words and punctuation marks in order, in lower case; "t-shirt" and "dog's" are one word each.

    Example:
        >>> split_words("A t-shirt, RED.")
        ['a', 't-shirt', ',', 'red', '.']
    """
    lower = text.lower()
    if len(lower) == len(text):
        return _WORD.findall(lower)
    return [word.lower() for word in _WORD.findall(text)]  # a letter such as the Turkish I with a dot grows


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where the characters of each of `split_words(text)` begin and end."""
    return list(map(re.Match.span, _WORD.finditer(text)))
