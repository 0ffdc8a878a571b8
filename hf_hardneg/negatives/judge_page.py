"""A page with a random sample of negatives for people to judge: can it be true? would anybody write it? Pure."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment

from ..columns import CAPTION, NEGATIVE_CONCEPTS, NEGATIVE_NEWS, NEGATIVE_SPANS


TEMPLATE = Path(__file__).parent / "templates" / "judge_page.html"
SIZE = 200


def sample_negatives(rows: Mapping[str, Sequence[Any]], size: int = SIZE, seed: int = 0) -> list[dict[str, Any]]:
    """Draw negatives, each as likely as any other.

    Args:
        rows: Columns of `AddHardNegatives`, captions included.
        size: How many at most.
        seed: Another seed, another sample.

    Returns:
        For each its number, concept, the caption's text before and after the change, and what was and is between.
    """
    places = [(i, k) for i, spans in enumerate(rows[NEGATIVE_SPANS]) for k in range(len(spans))]
    chosen = sorted(random.Random(seed).sample(places, min(size, len(places))))
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


def build_sample_page(rows: Mapping[str, Sequence[Any]], title: str, size: int = SIZE, seed: int = 0) -> str:
    """One HTML page that needs no other file: the sample by concept, changed words marked, boxes to tick, a tally."""
    groups = defaultdict(list)
    sample = sample_negatives(rows, size, seed)
    for row in sample:
        groups[row["concept"]].append(row)
    template = Environment(autoescape=True).from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(title=title, seed=seed, total=len(sample), groups=sorted(groups.items()))
