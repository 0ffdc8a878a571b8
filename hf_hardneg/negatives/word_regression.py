"""The regressions that a slot model is made of: which word stands in a slot, and which of two was there. Pure."""

from typing import TYPE_CHECKING

import numpy as np


if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

PENALTY = 3.0  # half the weight of the squared coefficients; of 1, 2, 3, 4 and 6 the best on captions of other images
STEPS = 15  # of L-BFGS; 40 steps gain 0.01 nats


def log_softmax(scores: np.ndarray) -> np.ndarray:
    """Log-probabilities of the last axis."""
    shifted = scores - scores.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def fit_words(features: "csr_matrix", form: np.ndarray, intercepts: np.ndarray) -> np.ndarray:
    """Fit p(form | features), a multinomial logistic regression with an L2 penalty and fixed intercepts.

    Args:
        features: (N, P).
        form: (N,) the forms, indices below V.
        intercepts: (V,) log-probabilities of the forms where no feature is known.

    Returns:
        (P, V) coefficients. A form's score is `features @ coefficients + intercepts`.
    """
    from scipy.optimize import minimize

    size, shape = len(form), (features.shape[1], len(intercepts))
    if not size or not shape[0]:
        return np.zeros(shape, np.float32)
    rows, transposed = np.arange(size), features.T.tocsr()

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        coefficients = flat.reshape(shape).astype(np.float32)
        log_p = log_softmax(features @ coefficients + intercepts.astype(np.float32))
        errors = np.exp(log_p)
        errors[rows, form] -= 1
        gradient = transposed @ errors + PENALTY * coefficients
        value = -log_p[rows, form].sum(dtype=np.float64) + PENALTY / 2 * np.square(flat).sum()
        return float(value), gradient.ravel().astype(np.float64)

    options = {"maxiter": STEPS, "maxcor": 5}
    found = minimize(loss, np.zeros(shape[0] * shape[1]), jac=True, method="L-BFGS-B", options=options)
    return found.x.reshape(shape).astype(np.float32)


def fit_pairs(differences: np.ndarray, penalty: float = 10.0) -> np.ndarray:
    """Fit which of two texts is the caption: a logistic regression without an intercept, with an L2 penalty.

    Args:
        differences: (N, F) features of the caption minus those of its negative.
        penalty: Half the weight of the squared coefficients.

    Returns:
        (F,) coefficients. `differences @ coefficients` are log-odds that the caption is the caption.
    """
    from scipy.optimize import minimize

    def loss(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        margins = differences @ coefficients
        value = np.logaddexp(0, -margins).sum() + penalty / 2 * np.square(coefficients).sum()
        return float(value), -differences.T @ (1 / (1 + np.exp(margins))) + penalty * coefficients

    return minimize(loss, np.zeros(differences.shape[1]), jac=True, method="L-BFGS-B").x
