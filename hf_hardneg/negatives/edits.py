"""Put other words into a caption without a trace: article and capitals agree, all else stays byte for byte. Pure."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..lexicon.articles import article_for


_ARTICLE = re.compile(r"\b(an?)(\s+)$", re.IGNORECASE)


class Replacement(NamedTuple):
    """Put `new` (lower case) where the characters `start:end` of a caption stand."""

    start: int
    end: int
    new: str


class Change(NamedTuple):
    """A changed caption: `text` is the caption with its characters `start:end`, which read `old`, now `new`."""

    text: str
    start: int
    end: int
    old: str
    new: str


def _match_case(new: str, old: str) -> str:
    if old.isupper() and len(old) > 1:
        return new.upper()
    return new[0].upper() + new[1:] if old[0].isupper() else new


def _match_article(gap: str, new: str) -> tuple[str, int]:
    """`gap`, the text before `new`, with an article that fits; how many of its last characters that concerned."""
    # Most gaps end in no article; a look at one character is cheaper than the expression.
    end = len(gap.rstrip())
    if gap[end - 1 : end] not in ("a", "A", "n", "N"):
        return gap, 0
    found = _ARTICLE.search(gap, max(0, end - 2))
    if not found:
        return gap, 0
    old, space = found.groups()
    article = article_for(new)
    if old[0].isupper():
        # A lone "A" says nothing of ALL CAPS; the word that follows does.
        all_capitals = (len(old) > 1 and old.isupper()) or (len(new) > 1 and new.isupper())
        article = article.upper() if all_capitals else article.capitalize()
    if article == old:
        return gap, 0
    return gap[: found.start()] + article + space, len(gap) - found.start()


def replace_words(caption: str, replacements: Sequence[tuple[int, int, str]]) -> Change:
    """Do all replacements; only their spans and the articles directly before them change.

    Args:
        caption: Any text.
        replacements: One or more, as in `Replacement`, in order and not overlapping.

    Examples:
        >>> replace_words("A red car", [Replacement(2, 5, "orange")])
        Change(text='An orange car', start=0, end=5, old='A red', new='An orange')

    Raises:
        ValueError: If a span is empty, out of order or outside the caption.
    """
    text = ""
    done = 0
    begin = replacements[0][0]
    for start, end, new in replacements:
        if not done <= start < end <= len(caption):
            raise ValueError(f"Replacement {start}:{end} must lie in {done}:{len(caption)} and not be empty.")
        old = caption[start:end]
        new = new if old.islower() else _match_case(new, old)
        gap, article = _match_article(caption[done:start], new)
        if not done:
            begin = start - article  # an article that changed belongs to the span
        text += gap + new
        done = end
    return Change(text + caption[done:], begin, done, caption[begin:done], text[begin:])
