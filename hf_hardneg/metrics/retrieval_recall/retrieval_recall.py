"""Recall of image-text retrieval in both directions, with several captions of an image."""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

from hf_hardneg.evaluation.retrieval import KS, retrieval_outcomes


_DESCRIPTION = (
    "R@k of image-text retrieval: how often a query has a match among its k best results. Computed from the scores of "
    "all images and texts. An image may have several texts. A tie counts against the match."
)
_CITATION = """\
@inproceedings{karpathy2015deep,
  title={Deep Visual-Semantic Alignments for Generating Image Descriptions},
  author={Karpathy, Andrej and Fei-Fei, Li},
  booktitle={CVPR},
  year={2015}
}
"""
_KWARGS_DESCRIPTION = """
Args:
    predictions: For each image its scores with all T texts.
    references: For each image the numbers of its own texts, from 0 to T - 1. Every text belongs to one image.
    ks: Cut-offs, whole numbers from 1 on, by default 1, 5 and 10.

Returns:
    Percentages: "image_to_text_R@k" and "text_to_image_R@k" for each k.

Raises:
    ValueError: If a text belongs to no image or to several, a score is nan or infinite, or a cut-off is
        below 1 or no whole number.

Examples:
    >>> import evaluate
    >>> from hf_hardneg.metrics import metric_folder
    >>> metric = evaluate.load(metric_folder("retrieval_recall"))
    >>> scores = [[0.9, 0.1, 0.5, 0.2], [0.8, 0.3, 0.6, 0.7]]
    >>> metric.compute(predictions=scores, references=[[0, 1], [2, 3]], ks=[1])
    {'image_to_text_R@1': 50.0, 'text_to_image_R@1': 75.0}
"""


class RetrievalRecall(evaluate.Metric):
    """R@k from a matrix of scores."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features(
                {
                    "predictions": datasets.List(datasets.Value("float64")),
                    "references": datasets.List(datasets.Value("int64")),
                }
            ),
        )

    def _compute(self, predictions: Any, references: Any, ks: Sequence[int] = KS) -> dict[str, float]:
        if len({len(row) for row in predictions}) != 1:
            raise ValueError("Every image needs its scores with all texts: as many numbers as there are texts.")
        scores = np.array(predictions, dtype=np.float64)
        text_numbers = [int(number) for numbers in references for number in numbers]
        if sorted(text_numbers) != list(range(scores.shape[1])):
            raise ValueError(
                f"References name the texts {sorted(text_numbers)[:10]}...; each of 0 to {scores.shape[1] - 1} must "
                "belong to exactly one image."
            )
        owner = np.empty(len(text_numbers), dtype=np.int64)
        owner[text_numbers] = np.repeat(np.arange(len(references)), [len(numbers) for numbers in references])
        return {name: 100 * float(values.mean()) for name, values in retrieval_outcomes(scores, owner, ks).items()}
