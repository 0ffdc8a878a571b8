"""The README card of a checkpoint: from numbers to Markdown with valid Hub metadata."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from ..evaluation.results import Results
from .table import format_table


TEMPLATE = Path(__file__).parent / "templates" / "model_card.md"


def build_model_card(results: Mapping[str, Results], model_name: str, dataset: str, facts: Mapping[str, Any]) -> str:
    """Render the card.

    Args:
        results: Results of each model by name; those of `model_name` become the model index.
        model_name: The key of `results` that the card is about.
        dataset: Name of the evaluation data.
        facts: What the template names: title, base, rows, num_negatives, concepts, version, location, has_control,
            steps, batch_size, learning_rate, weight_decay, seed, data, skipped, negatives, rejections, limits, audit
            (None where there is none), lora_towers, temperature, language_model, minutes, hardware, and for the
            metadata license, base_model, dataset_id, pairs_id (each None if it is not known).

    Returns:
        Markdown with a YAML header. The header's model index has the scores on data that is on the Hub; scores on
        other data, such as rendered scenes, are in the card's table alone.
    """
    # Retrieval is measured on held-out rows of the training data, all else on the inpainted pairs.
    evaluations = [
        EvalResult(
            task_type="zero-shot-image-classification" if key != "retrieval" else "image-text-retrieval",
            dataset_type=hub_id,
            dataset_name=f"{dataset} ({key})",
            dataset_config=key,  # huggingface_hub groups metrics by it
            metric_type=name,
            metric_value=round(score["value"], 2),
        )
        for key, scores in results[model_name].items()
        for name, score in scores.items()
        if (hub_id := facts["dataset_id"] if key == "retrieval" else facts["pairs_id"])
    ]
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
    weakest = _weakest_concept(results[model_name])
    card = ModelCard.from_template(
        data, template_path=str(TEMPLATE), table=format_table(results), weakest=weakest, **facts
    )
    return str(card)


def _weakest_concept(results: Results) -> str | None:
    """The concept with the lowest group score and that score, in words."""
    groups = {key: scores["group"] for key, scores in results.items() if "group" in scores and key != "macro"}
    if not groups:
        return None
    concept = min(groups, key=lambda key: groups[key]["value"])
    score = groups[concept]
    return f"{concept}, group score {score['value']:.1f} [{score['low']:.1f}, {score['high']:.1f}]"
