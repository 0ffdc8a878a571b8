"""Everything a run reports of one model, with intervals: the content of metrics.json."""

from typing import Any

import numpy as np
from datasets import Dataset

from .intervals import bootstrap_interval
from .pairs import score_pairs
from .retrieval import score_retrieval


Results = dict[str, dict[str, dict[str, Any]]]
"""task or concept -> score name -> {"value": percent, "low": percent, "high": percent, "n": items}."""


def with_interval(values: np.ndarray) -> dict[str, Any]:
    """Mean and 95 % bootstrap interval, in percent, of values in [0, 1] of shape (N,) or (S, N)."""
    low, high = bootstrap_interval(values)
    return {"value": 100 * float(np.mean(values)), "low": 100 * low, "high": 100 * high, "n": int(values.shape[-1])}


def summarize(outcomes: dict[str, dict[str, np.ndarray]]) -> Results:
    """Results of outcomes (N,) or (S, N) per concept and score, with "macro", the mean of the concepts."""
    results = {key: {name: with_interval(v) for name, v in scores.items()} for key, scores in outcomes.items()}
    concepts = [key for key in outcomes if key != "retrieval"]
    if concepts:
        # A stratified bootstrap: the interval of the mean over concepts from the variances of its independent parts.
        macro = {}
        for name in outcomes[concepts[0]]:
            parts = [results[concept][name] for concept in concepts]
            value = float(np.mean([part["value"] for part in parts]))
            half = float(np.sqrt(np.sum([((part["high"] - part["low"]) / 2) ** 2 for part in parts]))) / len(parts)
            macro[name] = {"value": value, "low": value - half, "high": value + half, "n": sum(p["n"] for p in parts)}
        results["macro"] = macro
    return results


def collect_outcomes(
    model: Any, processor: Any, pairs: Dataset | None, held_out: Dataset
) -> dict[str, dict[str, np.ndarray]]:
    """Run every task on one model: pairs by concept (if there are any) and "retrieval" on the held-out rows."""
    outcomes = score_pairs(model, processor, pairs) if pairs is not None else {}
    return outcomes | {"retrieval": score_retrieval(model, processor, held_out)}
