"""The a/an rule: which article stands before a word. Pure.

The sound decides, not the letter: "an hour", "a uniform", "an SUV", "an 8". The rule and its exceptions were checked
against a pronouncing dictionary of American English; docs/negatives.md has the figures.
"""

import re


# Spelled with a vowel but spoken with a consonant: "a use", "a European", "a one-way street".
_CONSONANT_SOUND = re.compile(
    r"u(?![a-z])|u(ni(?![mn])(?!d)|nanim|nit|s[aeiu]|r(i|ol|an|e|u)|b(iq|ol|un)|gand|k[eru]|t[aeio])"
    r"|(us|u[kv]|ufo|us[abs]|usda|usmc|ussr)s?(?![a-z])"
    r"|eu|ew|(one|ones|oneself|onetime|once)(?![a-z])|oui|ouija",
    re.IGNORECASE,
)
# Spelled with a consonant but spoken with a vowel: "an hour", "an herb".
_VOWEL_SOUND = re.compile(r"hour|honest|honou?r|heir|herb(?!ert|ie)|hors\b", re.IGNORECASE)
# Letters spoken one by one that begin with a vowel sound ("an LCD"): without a vowel, a word is spoken so.
_LETTERS = re.compile(r"[fhlmnrsx](?=$|[^a-z]|[bcdfghjklmnpqrstvwxz]{1,4}s?(?![a-z]))", re.IGNORECASE)
_SPOKEN_AS_WORDS = re.compile(
    r"(mrs?|ms|ms?gr|mme|st|sr|sgt|ft|mt|lbs?|ltd|rd|rte|mph|ml|mm+|hm+|sh+|f[lr]y|sh?y|s[klp]y|my)(?![a-z])",
    re.IGNORECASE,
)
_ACRONYMS = re.compile(
    r"(suv|led|mri|fbi|nba|mba|ncaa|naacp|lapd|rca|rna|sos|hiv|hbo|nyu|usaf|ngo|mit|lax|xl+|xbox|nvidia)s?(?![a-z])",
    re.IGNORECASE,
)
_YV = re.compile(r"y[bcdfghjklmnpqrstvwxz]", re.IGNORECASE)  # "an Yves Klein"
_VOWEL_NUMBER = re.compile(r"8|1[18](?=(\d{3})*(\D|$)|\d\d(\D|$))|1[18],\d{3}(\D|$)")


def article_for(word: str) -> str:
    """Return "a" or "an", whichever stands before `word`.

    Examples:
        >>> [article_for(word) for word in ("umbrella", "unicorn", "hour", "red", "SUV", "8", "urinal")]
        ['an', 'a', 'an', 'a', 'an', 'an', 'a']
    """
    first = word[:1].lower()
    if first in "aeiou" and first:
        return "a" if first in "ueo" and _CONSONANT_SOUND.match(word) else "an"
    if first.isdigit():
        return "an" if _VOWEL_NUMBER.match(word) else "a"
    if first == "h" and _VOWEL_SOUND.match(word):
        return "an"
    if first in "fhlmnrsx" and first:
        is_spelled = _ACRONYMS.match(word) or (_LETTERS.match(word) and not _SPOKEN_AS_WORDS.match(word))
        return "an" if is_spelled else "a"
    return "an" if _YV.match(word) else "a"
