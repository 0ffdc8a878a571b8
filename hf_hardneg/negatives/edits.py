"""Replace words of a caption, so that the new words fit in. Pure.

Input are a caption and the characters that become other words. Output is the new caption and the span that changed.
The a/an before a new word follows `lexicon.articles`. Its capitals are its own ("TV"), or those of a sentence's first
word, of a title, or of a caption in capitals. All other characters stay.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..lexicon.articles import article_for
from ..lexicon.words import is_title, written_words


_ENDS_IN_ARTICLE = re.compile(r"\b(an?)$", re.IGNORECASE)
_ARTICLE = re.compile(r"\b(an?)(\s+)$", re.IGNORECASE)
_SENTENCE_START = re.compile(r"(^[\W\d]*|[.!?:][\W\d]*)$")
LONGEST_ACRONYM = 3  # a longer word in capitals is stressed: "a GREEN car"


class Replacement(NamedTuple):
    """Characters `start:end` of a caption become `new`, given as it is written within a sentence."""

    start: int
    end: int
    new: str


class Change(NamedTuple):
    """A changed caption `text`: the characters `start:end` of the caption were `old` and became `new`."""

    text: str
    start: int
    end: int
    old: str
    new: str


def _match_case(new: str, caption: str, start: int, end: int) -> str:
    """Write `new` as the caption needs it in place of the characters `start:end`."""
    old = caption[start:end]
    if old.islower():
        # Who writes no capitals at all writes "tv".
        return new if new.islower() or not caption.islower() else new.lower()
    if caption.isupper() or (old.isupper() and max(map(len, old.split())) > LONGEST_ACRONYM):
        return new.upper()
    starts = _SENTENCE_START.search(caption, 0, start) is not None
    return (
        new[0].upper() + new[1:]
        if old[0].isupper() and (starts or is_title(written_words(caption[:start] + caption[end:])))
        else new
    )


def _match_article(gap: str, new: str, is_capitals: bool) -> tuple[str, int]:
    """Adapt the article at the end of `gap`, the text before `new`; `is_capitals` of a caption all in capitals.

    Returns:
        The new gap, and how many of the old gap's last characters belong to an article that changed.
    """
    # Most gaps end in no article; a look at one character is cheaper than the expression.
    end = len(gap.rstrip())
    if gap[end - 1 : end] not in ("a", "A", "n", "N"):
        return gap, 0
    match = _ARTICLE.search(gap, max(0, end - 2))
    if not match:
        return gap, 0
    old, space = match.groups()
    article = article_for(new)
    if old[0].isupper():
        article = article.upper() if is_capitals else article.capitalize()
    if article == old:
        return gap, 0
    return gap[: match.start()] + article + space, len(gap) - match.start()


def _end_article(new: str, after: str) -> str:
    """Adapt an article that `new` ends with to the text after it: "with a" before "umbrella"."""
    match = _ENDS_IN_ARTICLE.search(new) if new[-2:].lower() in (" a", "an") else None
    if not match or not after.strip():
        return new
    article = article_for(after.lstrip())
    return new[: match.start(1)] + (article.upper() if match[1].isupper() and len(new) > 2 else article)


def replace_words(caption: str, replacements: Sequence[tuple[int, int, str]]) -> Change:
    """Make all replacements. Only their spans and the articles directly before them change.

    Args:
        caption: Any text.
        replacements: At least one `Replacement`, in order and without overlap.

    Examples:
        >>> replace_words("A red car", [Replacement(2, 5, "orange")])
        Change(text='An orange car', start=0, end=5, old='A red', new='An orange')

    Raises:
        ValueError: If a span is empty, out of order or outside the caption.
    """
    text = ""
    done = 0
    is_capitals = caption.isupper()
    begin = replacements[0][0]
    for start, end, new in replacements:
        if not done <= start < end <= len(caption):
            raise ValueError(f"Replacement {start}:{end} must lie in {done}:{len(caption)} and not be empty.")
        new = _end_article(_match_case(new, caption, start, end), caption[end:])
        gap, article = _match_article(caption[done:start], new, is_capitals)
        if not done:
            begin = start - article  # an article that changed belongs to the span
        text += gap + new
        done = end
    return Change(text + caption[done:], begin, done, caption[begin:done], text[begin:])
