"""Apply one swap to a caption without a trace: article, number and capitals agree, all else stays byte for byte."""

import re

from .swaps import Swap


# Spelled with a vowel but spoken with a consonant, and the reverse: the usual exceptions to the a/an rule.
_CONSONANT_SOUND = re.compile(r"(uni([^nm]|$)|use|usu|eu|one([^a-z]|$)|once|ukulele)", re.IGNORECASE)
_VOWEL_SOUND = re.compile(r"(hour|honest|honor|heir)", re.IGNORECASE)
_ARTICLE = re.compile(r"\b(an?)(\s+)$", re.IGNORECASE)


def article_for(word: str) -> str:
    """Return "a" or "an", whichever stands before `word`.

    Example:
        >>> [article_for(word) for word in ("umbrella", "unicorn", "hour", "red")]
        ['an', 'a', 'an', 'a']
    """
    if _VOWEL_SOUND.match(word):
        return "an"
    return "an" if word[:1].lower() in "aeiou" and not _CONSONANT_SOUND.match(word) else "a"


def _match_case(new: str, old: str) -> str:
    if old.isupper() and len(old) > 1:
        return new.upper()
    return new[0].upper() + new[1:] if old[0].isupper() else new


def _match_article(before: str, new: str) -> str:
    found = _ARTICLE.search(before)
    if not found:
        return before
    old, gap = found.groups()
    article = article_for(new)
    is_capital = old[0].isupper()
    article = article.upper() if is_capital and (len(old) > 1 and old.isupper()) else article
    article = "A" + article[1:] if is_capital else article
    # A lone "A" says nothing of ALL CAPS; the word that follows does.
    if is_capital and new.isupper() and len(new) > 1:
        article = article.upper()
    return before[: found.start()] + article + gap


def apply_swap(caption: str, swap: Swap) -> str:
    """Return `caption` with the swap done; only the span and an article directly before it change.

    Raises:
        ValueError: If the caption does not read `swap.old` at the swap's offsets.
    """
    if caption[swap.start : swap.end] != swap.old:
        got = caption[swap.start : swap.end]
        raise ValueError(f"Swap expects {swap.old!r} at {swap.start}:{swap.end}, the caption has {got!r} there.")
    new = _match_case(swap.new, swap.old)
    return _match_article(caption[: swap.start], new) + new + caption[swap.end :]
