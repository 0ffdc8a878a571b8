"""Why a row, a photo or a caption is left out: one sentence for each reason, counted by those who skip."""

from collections.abc import Mapping


MIN_SIDE = 8  # pixels; below this a photo shows nothing, and 1 x 1 images are taken for channel-first arrays
MAX_PIXELS = 89_478_485  # Pillow's own limit against decompression bombs
MISSING, UNREADABLE = "the image is missing", "the image cannot be read"
TOO_SMALL, TOO_LARGE = f"the image is under {MIN_SIDE} pixels a side", "the image is over 89 million pixels"
TOO_DEEP = "the image has more than 8 bits a channel"
NO_IMAGE = "the annotation has no image"
LONG = "the {what} is longer than the model's position table"
TOO_LONG = LONG.format(what="caption")
CUT = "{reason}, and was cut"
EQUAL_NEGATIVE = "a negative has the same tokens as its caption, as far as the model reads"
EMPTY = "the caption is empty"
NEGATIVE_EMPTY, NEGATIVE_IS_CAPTION = "the negative is empty", "the negative is its caption"
NEGATIVE_IS_TWIN = "a negative is the caption of the twin"


def describe_reasons(counts: Mapping[str, int]) -> str:
    """Counts of reasons in one line, the most frequent first.

    Examples:
        >>> describe_reasons({"the image is missing": 1, "the caption is empty": 1200})
        'the caption is empty (1,200), the image is missing (1)'
        >>> describe_reasons({})
        'none'
    """
    ordered = sorted(((count, reason) for reason, count in counts.items() if count), key=lambda one: (-one[0], one[1]))
    return ", ".join(f"{reason} ({count:,})" for count, reason in ordered) or "none"
