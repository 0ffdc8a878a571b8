"""Captions with more tokens than the model's position table: they are left out, or cut between two words."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import compress
from typing import Any

from datasets import Dataset

from ..columns import CAPTION, NEGATIVE_FEATURES, NEGATIVES, REJECTIONS
from .skip_reasons import CUT, EQUAL_NEGATIVE, LONG


def fit_captions(
    rows: Dataset, tokenizer: Any, max_tokens: int, cut: bool = False, what: str = "caption"
) -> tuple[Dataset, Counter[str]]:
    """Leave out captions with too many tokens, or cut them.

    Args:
        rows: One row per caption. Only the captions are read.
        tokenizer: The model's tokenizer.
        max_tokens: The most tokens of a caption, with special tokens.
        cut: Whether they are cut, between two words. One whose first word is too long is left out.
        what: What the counts and errors call a caption.

    Returns:
        The rows that are left, and how many captions were left out or cut, by reason.

    Raises:
        ValueError: If no caption is left.
    """
    captions = rows[CAPTION][:]
    lengths = [len(ids) for ids in tokenizer(captions, verbose=False)["input_ids"]]
    too_long = [i for i, length in enumerate(lengths) if length > max_tokens]
    short = {i: cut_text(captions[i], tokenizer, max_tokens) for i in too_long} if cut else {}
    left_out = {i for i in too_long if not short.get(i)}
    if len(left_out) == len(rows):
        raise ValueError(
            f"All {len(rows)} {what}s have more than {max_tokens} tokens, the model's limit. Name a model that reads "
            "more (--model_name_or_path), or cut them: --long_captions cut."
        )
    if any(short.values()):
        texts = [short.get(i) or caption for i, caption in enumerate(captions)]
        own = [name for name in NEGATIVE_FEATURES if name in rows.column_names]

        def shorten(_: str, *values: Any) -> dict[str, Any]:
            # Negatives that a row has are of its whole caption, and may be true of its beginning.
            *of_row, i = values
            kept = [[] for _ in own] if short.get(i) else of_row
            return {CAPTION: texts[i], **dict(zip(own, kept, strict=True))}

        # Only these columns are read, so that no image is decoded and written anew.
        options: dict[str, Any] = {"with_indices": True, "input_columns": [CAPTION, *own], "features": rows.features}
        rows = rows.map(shorten, **options, desc="Cutting captions")
    if left_out:
        rows = rows.select([i for i in range(len(rows)) if i not in left_out])
    reason = LONG.format(what=what)
    counts = {reason: len(left_out), CUT.format(reason=reason): len(too_long) - len(left_out)}
    return rows, +Counter(counts)


def cut_text(text: str, tokenizer: Any, max_tokens: int) -> str:
    """Return the longest beginning of a text, in whole words, of at most `max_tokens` tokens; "" if there is none."""
    ends = [0, *(word.end() for word in re.finditer(r"\S+", text))]
    kept = bisect_right(ends, max_tokens, key=lambda end: len(tokenizer(text[:end], verbose=False)["input_ids"]))
    return text[: ends[max(kept - 1, 0)]].strip()


def tell_apart(
    captions: Sequence[str], negatives: Sequence[Sequence[str]], tokenizer: Any, max_tokens: int
) -> list[list[bool]]:
    """Whether the model can tell each negative from its caption: their tokens differ within the limit.

    Equal are for instance "a cat" and "A Cat" to a tokenizer of lower case.

    Args:
        captions: B captions.
        negatives: B lists of negatives.
        tokenizer: The model's tokenizer.
        max_tokens: The most tokens that the model reads.
    """

    def read(texts: Sequence[str]) -> list[list[int]]:
        return tokenizer(list(texts), truncation=True, max_length=max_tokens)["input_ids"] if texts else []

    of_negatives = iter(read([text for texts in negatives for text in texts]))
    return [[next(of_negatives) != ids for _ in texts] for ids, texts in zip(read(captions), negatives, strict=True)]


def drop_equal_negatives(
    rows: Dataset, tokenizer: Any, max_tokens: int, captions: Sequence[str] | None = None, reason: str = EQUAL_NEGATIVE
) -> tuple[Dataset, Counter[str]]:
    """Remove negatives that the model cannot tell from their caption: see `tell_apart`.

    Args:
        rows: Rows with negatives. Only captions and negatives are read.
        tokenizer: The model's tokenizer.
        max_tokens: The most tokens that the model reads.
        captions: A text for each row that its negatives must differ from; None takes its caption.
        reason: What the count says of negatives that were removed.

    Returns:
        The rows, each with the negatives that are left, and how many negatives were removed.
    """
    names = [name for name in NEGATIVE_FEATURES if name in rows.column_names and name != REJECTIONS]

    def keep(captions: list[str], negatives: list[list[str]], *others: list[list[Any]]) -> dict[str, list[list[Any]]]:
        kept = tell_apart(captions, negatives, tokenizer, max_tokens)
        columns = zip(names, (negatives, *others), strict=True)
        return {name: [list(compress(*pair)) for pair in zip(column, kept, strict=True)] for name, column in columns}

    before = sum(map(len, rows[NEGATIVES]))
    options: dict[str, Any] = {"input_columns": [CAPTION, *names], "features": rows.features}
    if captions is not None:
        options |= {"input_columns": ["compared_with", *names], "remove_columns": ["compared_with"]}
        rows = rows.add_column("compared_with", list(captions))
    rows = rows.map(keep, batched=True, **options, desc="Comparing negatives")
    return rows, +Counter({reason: before - sum(map(len, rows[NEGATIVES]))})
