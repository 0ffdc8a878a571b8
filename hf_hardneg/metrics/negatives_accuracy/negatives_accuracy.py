"""How often a caption scores above its own hard negatives for its image, by concept."""

from typing import Any

import datasets
import evaluate
import numpy as np

from hf_hardneg.evaluation.negatives_accuracy import negatives_accuracy


_DESCRIPTION = (
    "The share of hard-negative captions that score below the true caption of their image, over all negatives and for "
    "each changed concept. A tie is wrong. Captions may have different numbers of negatives."
)
_CITATION = """\
@inproceedings{rosch2024enhancing,
  title={Enhancing Conceptual Understanding in Multimodal Contrastive Learning through Hard Negative Samples},
  author={R{\\"o}sch, Philipp J. and Oswald, Norbert and Geierhos, Michaela and Libovick{\\'y}, Jind{\\v{r}}ich},
  booktitle={ALVR},
  year={2024}
}
"""
_KWARGS_DESCRIPTION = """
Args:
    predictions: For each image the score of its caption, followed by the scores of its negatives.
    references: For each image the concepts of its negatives, in the same order.

Returns:
    Percentages: "accuracy", and "accuracy_<concept>" for each concept that occurs; empty without negatives.

Raises:
    ValueError: If an image does not have exactly one score more than concepts, or a score is nan or infinite.

Examples:
    >>> import evaluate
    >>> from hf_hardneg.metrics import metric_folder
    >>> metric = evaluate.load(metric_folder("negatives_accuracy"))
    >>> metric.compute(predictions=[[0.5, 0.5], [0.3, 0.1]], references=[["color"], ["object"]])
    {'accuracy': 50.0, 'accuracy_color': 0.0, 'accuracy_object': 100.0}
"""


class NegativesAccuracy(evaluate.Metric):
    """The accuracy of captions against their own negatives."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features(
                {
                    "predictions": datasets.List(datasets.Value("float64")),
                    "references": datasets.List(datasets.Value("string")),
                }
            ),
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        concepts = sorted({concept for row in references for concept in row})
        most = max(map(len, references), default=0)
        scores, ids = np.zeros((len(predictions), 1 + most)), np.full((len(predictions), most), -1)
        for i, (row, labels) in enumerate(zip(predictions, references, strict=True)):
            if len(row) != 1 + len(labels):
                raise ValueError(
                    f"Item {i} has {len(row)} scores and {len(labels)} concepts; expected one score more."
                )
            scores[i, : len(row)] = row
            ids[i, : len(labels)] = [concepts.index(label) for label in labels]
        return negatives_accuracy(scores, ids, concepts)
