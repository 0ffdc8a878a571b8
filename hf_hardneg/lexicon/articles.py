"""The a/an rule: which article stands before a word. Pure."""

import re


# Spelled with a vowel but spoken with a consonant, and the reverse: the usual exceptions to the a/an rule.
_CONSONANT_SOUND = re.compile(r"(uni([^nm]|$)|use|usu|eu|one([^a-z]|$)|once|ukulele)", re.IGNORECASE)
_VOWEL_SOUND = re.compile(r"(hour|honest|honor|heir)", re.IGNORECASE)


def article_for(word: str) -> str:
    """Return "a" or "an", whichever stands before `word`.

    Examples:
        >>> [article_for(word) for word in ("umbrella", "unicorn", "hour", "red")]
        ['an', 'a', 'an', 'a']
    """
    if _VOWEL_SOUND.match(word):
        return "an"
    return "an" if word[:1].lower() in "aeiou" and not _CONSONANT_SOUND.match(word) else "a"
