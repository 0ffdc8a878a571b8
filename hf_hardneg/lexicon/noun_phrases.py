"""Which noun do words stand before? What "on" means, and what excludes it, depends on the noun after it. Pure.

"On a table" excludes "under a table"; "on a sunny day" is no place. Only the words around the phrase decide, never the
phrase. So a caption and its negative, which differ in the phrase, have the same answer.
"""

from collections.abc import Mapping, Sequence

from .index import NounChoice, Phrase
from .tagging import may_be_noun
from .vocabulary_files import NO_NOUN, OTHER, PLURAL, PRONOUN


LONGEST = 6  # words of a noun phrase after its determiner that are looked at
_DETERMINERS = frozenset(
    "a an the his her its their our your my this that these those some any another each every both one two three four "
    "five six several many all".split()
)
_PRONOUNS = frozenset(
    "it them him her me us you they he she himself herself itself themselves of what which who".split()
)
# Words that may follow a whole noun phrase and look like nouns.
_AFTER_NOUN = frozenset(
    "alone already also available away back close containing doing each eats enjoying everywhere facing full holds "
    "half have here high like look located low made mostly not only open outdoors outside overlooking posed ready "
    "reads rest run sit sleep stand so talk there they today together using wait walk walks wear wears well were "
    "where whilst who eat lay lays lies play play play sleeps sleeping displayed filled hanging piled arranged placed "
    "surrounded topped covered followed attached left leading during past amid amidst among amongst per plus via "
    "versus throughout but except".split()
)
# Words within noun phrases that are no nouns.
_WITHIN = frozenset("very covered filled lined stuffed".split())
_IRREGULAR_PLURALS = frozenset(
    "people men women children sheep geese mice deer fish oxen cattle policemen firemen salesmen snowmen teeth feet "
    "zebra giraffe elk moose buffalo aircraft policewomen businessmen fishermen horsemen workmen".split()
)
_NOT_PLURAL = ("ss", "us", "is", "'s", "’s")


def is_plural(word: str) -> bool:
    """Whether a word looks like a plural noun: "dogs" and "people", not "grass", "bus", "tennis" and "dog's"."""
    return word in _IRREGULAR_PLURALS or (
        len(word) > 3 and word[-1] == "s" and not word.endswith(_NOT_PLURAL) and may_be_noun(word)
    )


def _continues(words: Sequence[str], at: int, known: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a noun phrase goes on after word `at`, which is no noun: "dining table", "snow covered field"."""
    word, after = words[at], "".join(words[at + 1 : at + 2])
    if word in _WITHIN:
        return bool(after) and may_be_noun(after)
    return f"{word} {after}" in known


def noun_types(words: Sequence[str], start: int, known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The types of the noun in the noun phrase that starts at `start`.

    Args:
        words: Of a caption, as `split_words` gives them, and at least one "" as its end.
        start: The first word of the noun phrase.
        known: Types of nouns, by one or two words.

    Returns:
        The types of `known`. Of another noun `PLURAL`, if it is one without a determiner, or `OTHER`. `PRONOUN` of a
        pronoun or a determiner alone, and `NO_NOUN` if no noun phrase starts here.

    Examples:
        >>> known = {"table": ("table",)}
        >>> texts = ("a small table with food ", "a table top ", "dogs ", "it ", "while ")
        >>> [noun_types(text.split(" "), 0, known) for text in texts]
        [('table',), ('other',), ('plural',), ('pronoun',), ('none',)]
    """
    first = words[start]
    if first in _PRONOUNS:
        return (PRONOUN,)
    has_determiner = first in _DETERMINERS
    begin = start + has_determiner
    found: tuple[str, ...] = ()
    for at in range(begin, min(begin + LONGEST, len(words))):
        word = words[at]
        types = (at > begin and known.get(f"{words[at - 1]} {word}")) or known.get(word)
        if types:
            found = types
        elif is_plural(word):
            found = (OTHER if has_determiner else PLURAL,)
        elif may_be_noun(word) and word not in _AFTER_NOUN:
            # After a plural, a word is a verb. After a singular it may be the head of a name: "table top".
            if found == (PLURAL,):
                break
            found = (OTHER,)
        elif not _continues(words, at, known):
            break
    return found or ((PRONOUN,) if has_determiner else (NO_NOUN,))


def choose_by_noun(choice: NounChoice, words: Sequence[str], start: int, end: int) -> Phrase | None:
    """The meaning of the phrase `words[start:end]` before the noun that follows it; None if it has none."""
    if words[start - 1] not in choice.concept.not_after and words[end] not in choice.concept.not_before:
        for of_type in noun_types(words, end, choice.concept.noun_types):
            if of_type in choice.phrases:
                return choice.phrases[of_type]
    return choice.plain
