"""Write the model card (README.md) of a checkpoint, with metadata that the Hub reads. Template: model_card.md."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from ..evaluation.results import Results
from .table import format_table


TEMPLATE = Path(__file__).parent / "templates" / "model_card.md"
PROJECT_URL = "https://github.com/org/hf-hardneg"
DOCUMENTATION_URL = "https://org.github.io/hf-hardneg/"
NOT_ON_HUB = "unknown"
"""The model index's dataset type of data that has no id on the Hub, such as rendered scenes or a local folder."""


def find_hub_id(name: str | None) -> str | None:
    """The name, if it has the form of a Hub id and is no local path, else None.

    Examples:
        >>> find_hub_id("phiyodr/InpaintCOCO"), find_hub_id("scenes")
        ('phiyodr/InpaintCOCO', None)
    """
    return name if name and re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not Path(name).exists() else None


def build_model_card(results: Mapping[str, Results], model_name: str, dataset: str, facts: Mapping[str, Any]) -> str:
    """Render the model card.

    Args:
        results: Results by model, in percent. Those of `model_name` become the model index.
        model_name: The model that the card is about.
        dataset: The data of the results by concept: a Hub id, a folder, or "scenes". Retrieval is measured on held-out
            rows of the training data, `facts["data"]`.
        facts: What the template names: title, base, rows, num_negatives, concepts, version, location, has_control,
            steps, batch_size, learning_rate, weight_decay, seed, data, skipped, negatives, rejections, limits, audit
            (None without one), lora_towers, temperature, language_model, minutes, hardware. For the metadata: license,
            base_model and dataset_id, each None if it is not known.

    Returns:
        Markdown with a YAML header.
    """
    data = ModelCardData(
        language="en",
        license=facts["license"],
        base_model=facts["base_model"],
        datasets=facts["dataset_id"] and [facts["dataset_id"]],
        library_name="transformers",
        pipeline_tag="zero-shot-image-classification",
        tags=["clip", "hard-negatives", "hf_hardneg"],
        model_name=facts["title"],
        eval_results=_model_index(results[model_name], dataset, facts["data"]),
    )
    card = ModelCard.from_template(
        data,
        template_path=str(TEMPLATE),
        table=format_table(results),
        weakest=_weakest_concept(results[model_name]),
        project_url=PROJECT_URL,
        documentation_url=DOCUMENTATION_URL,
        **facts,
    )
    return str(card)


def _model_index(results: Results, pairs: str, rows: str) -> list[EvalResult]:
    """The entries of the model index. The Hub links a dataset whose type is its id.

    Args:
        results: By concept, and "retrieval".
        pairs: The data of the results by concept.
        rows: The data of retrieval.
    """
    entries = []
    for key, scores in results.items():
        is_retrieval = key == "retrieval"
        dataset = rows if is_retrieval else pairs
        entries += [
            EvalResult(
                task_type="image-text-retrieval" if is_retrieval else "zero-shot-image-classification",
                dataset_type=find_hub_id(dataset) or NOT_ON_HUB,
                dataset_name=f"{dataset} ({key})",
                dataset_config=key,  # huggingface_hub groups the metrics by it
                metric_type=name,
                metric_value=round(score["value"], 2),
            )
            for name, score in scores.items()
        ]
    return entries


def _weakest_concept(results: Results) -> str | None:
    """The concept with the lowest group score and that score, as text; None without group scores."""
    scores = {key: scores["group"] for key, scores in results.items() if "group" in scores and key != "macro"}
    if not scores:
        return None
    concept = min(scores, key=lambda key: scores[key]["value"])
    weakest = scores[concept]
    return f"{concept}, group score {weakest['value']:.1f} [{weakest['low']:.1f}, {weakest['high']:.1f}]"
