"""Which words of a caption say what is not in the picture. Pure.

After "no hat", another word for the hat makes no false caption. So words in the scope of a negation are no slots. The
scope is taken wide: a slot too few costs little, a negative that is true does harm.
"""

from collections.abc import Sequence


_VERBS = "is are was were has have had does do did can could would should will ai wo ca".split()
_CONTRACTIONS = {f"{verb}{ending}" for verb in _VERBS for ending in ("n't", "n’t", "nt")} - {"wont"}
# These deny their clause up to its end: "there are no cars on the street", "he is not wearing a hat".
_OF_CLAUSES = frozenset(
    {*_CONTRACTIONS, *"can't can’t cant cannot neither never no nobody none nor not nothing nowhere".split()}
)
# These deny the nouns that follow, up to the next verb: "a man without shirt or hat rides a bike".
_OF_NOUNS = frozenset("lacking lacks minus missing unlike without".split())
# These do so with a second word: "free of cars".
_PAIRS = {"free": "of", "lack": "of", "absence": "of", "devoid": "of", "void": "of", "instead": "of", "rather": "than"}
DENIERS = _OF_CLAUSES | _OF_NOUNS | _PAIRS.keys()
# After these, "no" belongs to a noun: "a truck with no bed is parked".
_OWNERS = frozenset("and had has have having of with".split())
_BREAKS = frozenset([*".;:!?", *"although but except however though whereas while yet".split()])
# "Isn't" ends a scope as "is" does. Where one replaces the other, both must be found.
_FINITE = _CONTRACTIONS.union(
    "are eats has have hold holds is lies rides runs sits stand stands that walks was wears were which who".split()
)
# After an "and", these begin another clause or another thing, which is there.
_NEW_CLAUSE = frozenset(
    "a an another are has have he her his is it one she some the their there they two with".split()
)
_TITLES = frozenset("entry left outlet right stopping turn turns".split())  # "a no entry sign"


def denied_words(words: Sequence[str]) -> frozenset[int]:
    """The indices of the words that a negation denies.

    Args:
        words: The lower-case words of a caption, as `split_words` gives them.

    Examples:
        >>> words = "a man without shirt or hat rides a bike".split()
        >>> [words[i] for i in sorted(denied_words(words))]
        ['shirt', 'or', 'hat']
    """
    denied: set[int] = set()
    for i, word in enumerate(words):
        if word not in DENIERS or i in denied:
            continue
        after = words[i + 1 : i + 2]
        if word in _PAIRS:
            if after == [_PAIRS[word]]:
                denied.update(_scope(words, i + 2, is_clause=False))
        elif word == "no" and after and (after[0] in _TITLES or after[0].endswith("ing")):
            continue
        else:
            is_owned = word == "no" and i > 0 and words[i - 1] in _OWNERS
            denied.update(_scope(words, i + 1, is_clause=word in _OF_CLAUSES and not is_owned))
    return frozenset(denied)


def _scope(words: Sequence[str], start: int, is_clause: bool) -> range:
    """The words from `start` to the end of the clause, or to the next verb."""
    for i in range(start, len(words)):
        word = words[i]
        is_end = (
            word in _BREAKS
            or (word == "," and not {"or", "nor"}.intersection(words[i:]))
            or (word == "and" and i + 1 < len(words) and words[i + 1] in _NEW_CLAUSE)
            or (not is_clause and (word in _FINITE or (word.endswith("ing") and i > start)))
        )
        if is_end:
            return range(start, i)
    return range(start, len(words))
