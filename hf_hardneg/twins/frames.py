"""The frames of a caption: what is left of it beside one concept word. Twins are two captions of one frame. Pure.

A frame leaves out what does not change the meaning: articles, forms of "be", punctuation, and whether a verb reads
"runs" or "running". Nouns keep their number: "dog" and "dogs" are two words. The concept word is a slot of
`negatives.slots`, and the class of words that fit into it belongs to the frame.

A view is the whole caption, or its beginning up to the end of a thing that it names: "A man rides a horse on the
beach" begins with "A man rides a horse".
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..negatives.slots import Analysis, Slot


ARTICLES = frozenset("a an the".split())
BE = frozenset("am is are was were be being been".split())
# Words that a phrase can end before, so that what comes before them is true alone. Not "of": "a field of flowers".
BREAKS = frozenset(
    "above across against along and as at atop behind beneath beside by during from in inside into near next on onto "
    "outside over that through under underneath where which while who with , ; .".split()
)
JOINS = frozenset(("and", ","))  # after a plural, these go on with what it counts: "three men and women"
# A beginning that holds one of these can be false: "between a car and a bus", "no dog and no cat".
OPEN_WORDS = frozenset("between both either neither no nor not or without".split())
MOST_WORDS = 20  # of a beginning; keeps the cost of a long text linear
FEWEST_WORDS = 3  # of a beginning's frame: "two dogs" says too little
VERB = "~"  # marks a verb, so that "run" of "runs" is no noun
EDGE = "\0"

Frame = tuple[str, ...]
"""The class of the concept word, the words before it, `EDGE`, and the words after it."""


class View(NamedTuple):
    """A caption, or its beginning, beside one concept word.

    Attributes:
        slot: The concept word.
        end: Index after the last word of the view.
        is_whole: Whether the view is the whole caption.
        frame: What two twins have in common.
    """

    slot: Slot
    end: int
    is_whole: bool
    frame: Frame


def _stem(word: str) -> str:
    """The stem of a word in -s or -ing, marked; other words as they are.

    Only the third person and the present participle are joined, which say the same in a caption.

    Examples:
        >>> [_stem(word) for word in ("rides", "riding", "runs", "running", "catches", "carries", "dog", "string")]
        ['rid~', 'rid~', 'run~', 'run~', 'catch~', 'carry~', 'dog', 'string']
    """
    if word.endswith("ing") and not set("aeiouy").isdisjoint(word[:-3]) and len(word) > 4:
        stem = word[:-3]
        if len(stem) > 2 and stem[-1] == stem[-2] and stem[-1] not in "aeioulsz":
            stem = stem[:-1]
    elif word.endswith("ies") and len(word) > 4:
        stem = word[:-3] + "y"
    elif word.endswith(("ches", "shes", "sses", "xes", "zzes")):
        stem = word[:-2]
    elif word.endswith("s") and not word.endswith("ss") and len(word) > 2:
        stem = word[:-1]
    else:
        return word
    return stem.rstrip("e") + VERB


def frame_words(analysis: Analysis) -> list[str]:
    """The words of a caption as frames have them; "" for those that are left out.

    Examples:
        >>> from hf_hardneg.lexicon.index import load_index
        >>> from hf_hardneg.negatives.slots import analyze
        >>> frame_words(analyze(["The dogs are running, two men sit."], load_index())[0])
        ['', 'dog~', '', 'run~', '', 'two', 'men', 'sit~', '']
    """
    words = analysis.words
    after_plural = {slot.end for slot in analysis.slots if slot.reading.is_noun and slot.reading.number == 1}
    found = []
    for i, word in enumerate(words):
        if word in ARTICLES and i and words[i - 1] in ("and", "or"):
            found.append("a")  # "a black and a white dog" are two
        elif word in ARTICLES or word in BE or not word[0].isalnum():
            found.append("")
        elif word == "there" and i + 1 < len(words) and words[i + 1] in BE:
            found.append("")
        elif i in after_plural and word not in BREAKS and not word.endswith(("s", "ing")):
            found.append(word.rstrip("e") + VERB)  # "two dogs run"
        else:
            found.append(_stem(word))
    return found


def _ends(analysis: Analysis) -> list[int]:
    """Where the caption can be cut so that its beginning is true alone, in order."""
    words = analysis.words
    ends = []
    for slot in analysis.slots:
        end = slot.end
        if end > MOST_WORDS or not slot.reading.is_noun or end >= len(words) - 1 or words[end] not in BREAKS:
            continue
        if slot.reading.number == 0 or words[end] not in JOINS:
            ends.append(end)
    first = next((i for i, word in enumerate(words) if word in OPEN_WORDS), len(words))
    return [end for end in ends if end <= first]


def find_views(analysis: Analysis) -> Iterator[View]:
    """All views of a caption, each frame of a slot once; the whole caption comes first."""
    words = frame_words(analysis)
    ends = _ends(analysis)
    for slot in analysis.slots:
        of_class = str(slot.reading.of_class)
        before = [word for word in words[: slot.start] if word]
        after = [word for word in words[slot.end :] if word]
        whole = (of_class, *before, EDGE, *after)
        yield View(slot, len(words), True, whole)
        for end in ends:
            if end < slot.end:
                continue
            frame = (of_class, *before, EDGE, *(word for word in words[slot.end : end] if word))
            if len(frame) - 2 >= FEWEST_WORDS and frame != whole:
                yield View(slot, end, False, frame)


def hash_frame(frame: Frame) -> int:
    """64 bits, alike in every process."""
    text = "\n".join(frame).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def plain_words(words: Sequence[str]) -> list[str]:
    """Words without punctuation, "an" as "a": two captions that differ in one word only are equal beside it.

    Examples:
        >>> plain_words(["an", "orange", "cat", "."])
        ['a', 'orange', 'cat']
    """
    return ["a" if word == "an" else word for word in words if word[0].isalnum()]
