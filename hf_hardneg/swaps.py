"""Where in a caption a concept is named, and what could stand there instead. Pure: a spaCy Doc in, swaps out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .lexicon import Entry, Lexicon


if TYPE_CHECKING:
    from spacy.tokens import Doc


@dataclass(frozen=True)
class Swap:
    """Replace the characters `start:end` of a caption, which read `old`, by `new` (lower case, number agreeing)."""

    start: int
    end: int
    concept: str
    old: str
    new: str
    old_entry: Entry
    new_entry: Entry


def _is_used_as(doc: "Doc", start: int, end: int, entry: Entry, lexicon: Lexicon) -> bool:
    """Whether the tagger agrees that doc[start:end] is meant so: "orange" the color, "left" not the verb."""
    concept = lexicon.concepts[entry.concept]
    follower = doc[end].tag_ if end < len(doc) else ""
    if concept.modifier:
        # The small pipeline tags "orange" in "orange cat" now JJ, now NN: what counts is that it describes a noun,
        # or that it is an adjective after a verb ("the cat is black").
        is_before_noun = follower in ("NN", "NNS", "JJ", "VBN", "VBG") or follower == "HYPH"
        return doc[end - 1].tag_ in concept.tags and (is_before_noun or doc[end - 1].tag_ == "JJ")
    if entry.concept == "object" and follower in ("NN", "NNS"):
        return False  # "horse race", "bus stop": the noun only describes another
    return doc[end - 1].tag_ in concept.tags


def _find_entries(doc: "Doc", lexicon: Lexicon) -> Iterator[tuple[int, int, Entry, int]]:
    """Yield (start token, end token, entry, number) of the longest forms, left to right, never overlapping."""
    words = [token.text.lower() for token in doc]
    start = 0
    while start < len(words):
        length = min(lexicon.longest, len(words) - start)
        while length > 0:
            known = lexicon.forms.get(tuple(words[start : start + length]), ())
            used = [(e, n) for e, n in known if _is_used_as(doc, start, start + length, e, lexicon)]
            if used:
                yield start, start + length, *used[0]
            if used or tuple(words[start : start + length]) in lexicon.idioms:
                break
            length -= 1
        start += max(length, 1)


def _coordinated(doc: "Doc", start: int, end: int) -> set[str]:
    """Words that "and" or "or" joins to doc[start:end]: a "red and white" bus must not become "red and red"."""
    words = [token.text.lower() for token in doc]
    joined = set()
    if start >= 2 and words[start - 1] in ("and", "or"):
        joined.add(words[start - 2])
    if end + 1 < len(words) and words[end] in ("and", "or"):
        joined.add(words[end + 1])
    return joined


def find_swaps(doc: "Doc", lexicon: Lexicon) -> list[Swap]:
    """List every replacement of one concept word by another of its kind and number, in caption order.

    Args:
        doc: A tagged caption (`token.tag_` filled, Penn Treebank tags).
        lexicon: The concepts to look for.

    Returns:
        Swaps with character offsets into `doc.text`; empty where the caption names no concept.
    """
    swaps = []
    for start, end, entry, number in _find_entries(doc, lexicon):
        span = doc[start:end]
        # "sheep" is both: the tagger knows which.
        number = 1 if len(entry.forms) > 1 and doc[end - 1].tag_ == "NNS" else number
        taken = _coordinated(doc, start, end)
        for other in lexicon.opposed(entry):
            # "scissors" has no singular, "luggage" no plural.
            new = other.forms[number] if number < len(other.forms) else ""
            if not new or new in taken:
                continue
            swaps.append(Swap(span.start_char, span.end_char, entry.concept, span.text, new, entry, other))
    return swaps
