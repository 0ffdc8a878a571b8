"""Is a swapped caption false of its image? Pure; every rejection has a reason, which is counted and reported."""

from typing import Literal

from .lexicon import Lexicon
from .swaps import Swap


Mentions = frozenset[tuple[str, str]]
"""(concept, name) pairs, as `Lexicon.mentions` gives them."""

IN_CAPTION = "the new word is in the caption"
IN_OTHER_CAPTION = "the new word is in another caption of the image"
IN_CATEGORIES = "the new word is an annotated category of the image"


def is_false(
    swap: Swap, in_caption: Mentions, in_other_captions: Mentions, in_categories: Mentions, lexicon: Lexicon
) -> Literal[True] | tuple[bool, str]:
    """Judge whether a caption is no longer true of its image once `swap` is applied.

    Args:
        swap: The replacement.
        in_caption: What the caption mentions, `Lexicon.mentions(caption)`.
        in_other_captions: What the image's further captions mention.
        in_categories: What the image's annotated object names mention.
        lexicon: Knows which words can be true together.

    Returns:
        True, or (False, reason): the new word, or one that can name the same thing, is known to be true of the image.
    """
    risky = {(swap.concept, name) for name in lexicon.implied(swap.new_entry)}
    # Two things of one picture may differ in color, size or place, so that only objects are looked for in the caption
    # itself: "a red car and a blue bus" makes "a blue car and a blue bus" no truer.
    if swap.concept == "object" and risky & in_caption:
        return False, IN_CAPTION
    if risky & in_other_captions:
        return False, IN_OTHER_CAPTION
    if risky & in_categories:
        return False, IN_CATEGORIES
    return True
