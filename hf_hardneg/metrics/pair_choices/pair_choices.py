"""Text, image and group score of choices between images and texts, by concept."""

from typing import Any

import datasets
import evaluate
import numpy as np

from hf_hardneg.evaluation.choice_scores import choice_outcomes


_DESCRIPTION = (
    "Does a model choose the texts and images that belong together? This computes Winoground's text, image and group "
    "score, the accuracy in each direction, and for two true texts of one image the original accuracy and "
    "brittleness. A tie is wrong."
)
_CITATION = """\
@inproceedings{thrush2022winoground,
  title={Winoground: Probing Vision and Language Models for Visio-Linguistic Compositionality},
  author={Thrush, Tristan and Jiang, Ryan and Bartolo, Max and Singh, Amanpreet and Williams, Adina and Kiela, Douwe
    and Ross, Candace},
  booktitle={CVPR},
  year={2022}
}
"""
_KWARGS_DESCRIPTION = """
Args:
    predictions: For each item a matrix of n x m scores: how well image i fits text j.
    references: The concept or subset of each item.
    belongs: n x m booleans, which texts are true of which images, the same for all items. By default two images and
        two texts in the same order.

Returns:
    Percentages, over all items ("group") and over the items of each concept ("group_color"). image_to_text and
    text_to_image are the shares of right choices in each direction. text, image and group count the items whose
    choices are all right. original and brittleness are for several true texts of one image.

Raises:
    ValueError: If a score is nan or infinite, the items have different numbers of images or texts, or there is none.

Examples:
    >>> import evaluate
    >>> from hf_hardneg.metrics import metric_folder
    >>> metric = evaluate.load(metric_folder("pair_choices"))
    >>> scores = [[[0.9, 0.1], [0.2, 0.8]], [[0.9, 0.1], [0.9, 0.3]]]
    >>> results = metric.compute(predictions=scores, references=["color", "size"])
    >>> results["text"], results["image"], results["group"]
    (50.0, 50.0, 50.0)
    >>> results["image_to_text_size"], results["group_color"]
    (50.0, 100.0)
    >>> one_image = metric.compute(predictions=[[[0.9, 0.1]]], references=["color"], belongs=[[True, False]])
    >>> one_image["image_to_text"]
    100.0
"""


class PairChoices(evaluate.Metric):
    """Text, image and group score of items with any number of images and texts."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features(
                {
                    "predictions": datasets.List(datasets.List(datasets.Value("float64"))),
                    "references": datasets.Value("string"),
                }
            ),
        )

    def _compute(self, predictions: Any, references: Any, belongs: Any = None) -> dict[str, float]:
        shapes = {(len(item), *{len(row) for row in item}) for item in predictions}
        if len(shapes) != 1:
            raise ValueError(
                f"Items have scores of the shapes {sorted(shapes)}; every item must have the same n x m, and "
                "there must be one item or more."
            )
        scores = np.array(predictions, dtype=np.float64)
        truth = np.eye(2, dtype=bool) if belongs is None else np.array(belongs, dtype=bool)
        groups, results = np.array(references), {}
        for name, values in choice_outcomes(scores, truth).items():
            results[name] = 100 * float(values.mean())
            results |= {f"{name}_{group}": 100 * float(values[groups == group].mean()) for group in np.unique(groups)}
        return results
