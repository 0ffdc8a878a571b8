"""An HTML page on which a person judges a random sample of negatives: can it be true, and is it fluent? Pure."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment

from ..columns import CAPTION, NEGATIVE_CONCEPTS, NEGATIVE_NEWS, NEGATIVE_SPANS


TEMPLATE = Path(__file__).parent / "templates" / "judge_page.html"
SAMPLE_SIZE = 200


def sample_negatives(
    rows: Mapping[str, Sequence[Any]], size: int = SAMPLE_SIZE, seed: int = 0
) -> list[dict[str, Any]]:
    """Draw negatives evenly.

    Args:
        rows: The caption and the columns of `AddHardNegatives`.
        size: The number of negatives, at most.
        seed: Another seed gives another sample.

    Returns:
        For each negative its "id" from 1, its "concept", the caption's text "before" and "after" the change, and the
        "old" and "new" text between them.
    """
    negatives = [(i, k) for i, spans in enumerate(rows[NEGATIVE_SPANS]) for k in range(len(spans))]
    chosen = sorted(random.Random(seed).sample(negatives, min(size, len(negatives))))
    sample = []
    for number, (i, k) in enumerate(chosen, 1):
        caption, (start, end) = rows[CAPTION][i], rows[NEGATIVE_SPANS][i][k]
        sample.append(
            {
                "id": number,
                "concept": rows[NEGATIVE_CONCEPTS][i][k],
                "before": caption[:start],
                "old": caption[start:end],
                "new": rows[NEGATIVE_NEWS][i][k],
                "after": caption[end:],
            }
        )
    return sample


def build_sample_page(rows: Mapping[str, Sequence[Any]], title: str, size: int = SAMPLE_SIZE, seed: int = 0) -> str:
    """Build the page: the sample by concept, with marked changes, boxes to tick and a tally.

    It needs no other file. Arguments are those of `sample_negatives`, and the page's title.
    """
    groups = defaultdict(list)
    sample = sample_negatives(rows, size, seed)
    for row in sample:
        groups[row["concept"]].append(row)
    template = Environment(autoescape=True).from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(title=title, seed=seed, total=len(sample), groups=sorted(groups.items()))
