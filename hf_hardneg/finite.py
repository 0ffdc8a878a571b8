"""Refuse scores, embeddings and means that are not finite: comparisons with nan would count as right or wrong."""

import numpy as np


def require_finite(values: np.ndarray, what: str) -> None:
    """Raise unless every value is a finite number.

    Args:
        values: Numbers, of any shape.
        what: What they are, in the plural, such as "scores".

    Raises:
        ValueError: If one is nan or infinite. The message says how many are, and what that usually means.

    Examples:
        >>> require_finite(np.array([0.5, 0.1]), "scores")
    """
    bad = values.size - int(np.isfinite(values).sum())
    if bad:
        raise ValueError(
            f"{bad:,} of {values.size:,} {what} are nan or infinite. The usual causes are an overflow in fp16 (use "
            "float32 or bf16) and a training that diverged (train again with a smaller learning rate)."
        )
