"""Write the model card (README.md) of a checkpoint, with metadata that the Hub reads. Template: model_card.md."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from ..card_metadata import DOCUMENTATION_URL, PROJECT_URL
from ..evaluation.results import HELD_OUT_NEGATIVES, Results
from .table import format_table


TEMPLATE = Path(__file__).parent / "templates" / "model_card.md"


def build_model_card(results: Mapping[str, Results], model_name: str, dataset: str, facts: Mapping[str, Any]) -> str:
    """Render the model card.

    Args:
        results: Results by model, in percent. Those of `model_name` become the model index.
        model_name: The model that the card is about.
        dataset: The name of the data that the results by concept are measured on. Retrieval is measured on held-out
            rows of the training data, `facts["data"]`.
        facts: What the template names: title, base, rows, num_negatives, concepts, version, location, has_control,
            steps, batch_size, learning_rate, weight_decay, seed, data, skipped, negatives, rejections, limits, audit
            (None without one), lora_towers, temperature, language_model, given_negatives (where they come from, None
            if they were made), twin_pairs (how many, 0 if twins were not kept together), twin_sets, is_coco,
            time, hardware. For the metadata: license, base_model, dataset_id and pairs_id (the Hub ids of the training
            data and of the pairs), each None if it is not known.

    Returns:
        Markdown with a YAML header. The model index in the header has the scores on data that is on the Hub. Scores on
        other data, such as rendered scenes, are only in the card's table.
    """
    evaluations = _model_index(results[model_name], dataset, facts)
    data = ModelCardData(
        language="en",
        license=facts["license"],
        base_model=facts["base_model"],
        datasets=facts["dataset_id"] and [facts["dataset_id"]],
        library_name="transformers",
        pipeline_tag="zero-shot-image-classification",
        tags=["clip", "hard-negatives", "hf_hardneg"],
        model_name=facts["title"] if evaluations else None,
        eval_results=evaluations or None,
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


def _model_index(results: Results, dataset: str, facts: Mapping[str, Any]) -> list[EvalResult]:
    """The entries of the model index, for scores on data with a Hub id. The Hub links each entry to its dataset."""
    entries = []
    for key, scores in results.items():
        is_retrieval = key == "retrieval"
        is_held_out = is_retrieval or key.startswith(HELD_OUT_NEGATIVES)
        hub_id = facts["dataset_id"] if is_held_out else facts["pairs_id"]
        entries += [
            EvalResult(
                task_type="image-text-retrieval" if is_retrieval else "zero-shot-image-classification",
                dataset_type=hub_id,
                dataset_name=f"{facts['data'] if is_held_out else dataset} ({key})",
                dataset_config=key,  # huggingface_hub groups the metrics by it
                metric_type=name,
                metric_value=round(score["value"], 2),
            )
            for name, score in scores.items()
            if hub_id
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
