"""Everything a run reports of one model, with intervals: the content of metrics.json."""

from typing import Any

import numpy as np
from datasets import Dataset

from .intervals import bootstrap_interval
from .pairs import score_pairs
from .retrieval import score_retrieval


Results = dict[str, dict[str, dict[str, Any]]]
"""task or concept -> score name -> {"value": percent, "low": percent, "high": percent, "n": items}."""


def with_interval(*parts: np.ndarray) -> dict[str, Any]:
    """Mean of the parts' means and its 95 % bootstrap interval, in percent; values are (N,) or (S, N) in [0, 1]."""
    low, high = bootstrap_interval(*parts)
    value = float(np.mean([part.mean() for part in parts]))
    return {"value": 100 * value, "low": 100 * low, "high": 100 * high, "n": sum(part.shape[-1] for part in parts)}


def summarize(outcomes: dict[str, dict[str, np.ndarray]]) -> Results:
    """Results of outcomes (N,) or (S, N) per concept and score, with "macro", the mean of the concepts."""
    results = {key: {name: with_interval(v) for name, v in scores.items()} for key, scores in outcomes.items()}
    concepts = [key for key in outcomes if key != "retrieval"]
    if concepts:
        names = outcomes[concepts[0]]
        results["macro"] = {name: with_interval(*(outcomes[concept][name] for concept in concepts)) for name in names}
    return results


def collect_outcomes(
    model: Any, processor: Any, pairs: Dataset | None, held_out: Dataset
) -> dict[str, dict[str, np.ndarray]]:
    """Run every task on one model: pairs by concept (if there are any) and "retrieval" on the held-out rows."""
    outcomes = score_pairs(model, processor, pairs) if pairs is not None else {}
    return outcomes | {"retrieval": score_retrieval(model, processor, held_out)}
