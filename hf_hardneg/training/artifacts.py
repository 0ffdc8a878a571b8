"""What a run leaves beside the model: metrics.json, recipe.yaml, the figure and the card."""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml
from datasets import Dataset

from ..audit.readers import audit_negatives
from ..columns import CAPTION, NEGATIVES
from ..evaluation.results import Results
from ..report.model_card import build_model_card, find_hub_id
from ..report.table import draw_figure, format_table
from .recipe import Arguments


if TYPE_CHECKING:
    from transformers import Trainer

    from .prepare import TrainingData
from ..versions import package_versions


AUDITED = 2000  # captions; a second or two
LIMITS_OF_SCENES = (
    "A miniature for trying things out: trained and judged on rendered scenes of 48 x 48 pixels, whose captions know "
    "a few hundred words. It says nothing about photos."
)
LIMITS_OF_PHOTOS = (
    "Retrieval is judged on held-out images of the training data. Training on hard negatives can cost zero-shot "
    "classification and make a model sensitive to harmless rewrites; neither was measured here."
)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{key} {count}" for key, count in sorted(counts.items())) or "none"


def collect_metrics(
    arguments: Arguments,
    data: "TrainingData",
    results: Mapping[str, Results],
    seconds: Mapping[str, float],
    steps: int,
) -> dict[str, Any]:
    """The content of metrics.json: results by model, counts, versions, seed, data fingerprint, training seconds."""
    model_args, data_args, args = arguments
    return {
        "results": dict(results),
        "table": format_table(results),
        "data": {
            **asdict(data_args),
            "rows": len(data.rows),
            "fingerprint": data.rows._fingerprint,
            "held_out": len(data.held_out),
            "skipped": dict(data.skipped),
            "negatives": dict(data.negatives),
            "rejections": dict(data.rejections),
            "audit": _audit(data.rows),
        },
        "model": asdict(model_args),
        "training": {
            "seed": args.seed,
            "steps": steps,
            "batch_size": args.train_batch_size * args.world_size,
            "num_negatives": args.num_negatives,
            "seconds": {name: round(value, 1) for name, value in seconds.items()},
            "hardware": _hardware(args),
        },
        "versions": package_versions(),
    }


def _audit(rows: Dataset) -> dict[str, float] | None:
    """What reading alone tells of the first captions' negatives, or None where there are too few to know."""
    if NEGATIVES not in rows.column_names:
        return None
    rows = rows.select_columns([CAPTION, NEGATIVES]).select(range(min(AUDITED, len(rows))))
    try:
        found = audit_negatives(rows[CAPTION][:], rows[NEGATIVES][:])
    except ValueError:
        return None
    names = ("captions", "pairs", "coverage", "learned", "learned_low", "learned_high", "rules", "length")
    return {name: getattr(found, name) for name in names}


def _hardware(args: Any) -> str:
    if args.device.type == "cuda":
        return f"{args.world_size} x {torch.cuda.get_device_name(args.device)}"
    device = "" if args.device.type == "cpu" else f", {args.device.type}"
    return f"{platform.machine()}, {os.cpu_count()} cores{device}, {args.world_size} process(es)"


def _card_facts(arguments: Arguments, metrics: Mapping[str, Any]) -> dict[str, Any]:
    model_args, data_args, args = arguments
    data = metrics["data"]
    return {
        "title": Path(str(args.hub_model_id or args.output_dir)).name,
        "base": model_args.model_name_or_path or "The miniature start model of hf_hardneg",
        "location": args.hub_model_id or args.output_dir,
        "rows": data["rows"],
        "num_negatives": args.num_negatives,
        "concepts": ", ".join(data_args.concepts),
        "version": metrics["versions"]["hf-hardneg"],
        "has_control": len(metrics["results"]) > 2,
        "steps": metrics["training"]["steps"],
        "batch_size": metrics["training"]["batch_size"],
        "learning_rate": args.learning_rate,
        "weight_decay": args.weight_decay,
        "seed": args.seed,
        "data": data_args.dataset,
        "skipped": _counts(data["skipped"]),
        "negatives": _counts(data["negatives"]),
        "rejections": _counts(data["rejections"]),
        "limits": LIMITS_OF_SCENES if data_args.dataset == "scenes" else LIMITS_OF_PHOTOS,
        "audit": data["audit"],
        "lora_towers": " and ".join(model_args.lora_towers),
        "temperature": data_args.temperature,
        "language_model": data_args.language_model,
        "minutes": f"{metrics['training']['seconds'].get(list(metrics['results'])[-1], 0) / 60:.1f}",
        "hardware": metrics["training"]["hardware"],
        # The start model and the scenes are this package's own; what others made has their license.
        "license": None if model_args.model_name_or_path else "apache-2.0",
        "base_model": find_hub_id(model_args.model_name_or_path),
        "dataset_id": None if data_args.dataset == "scenes" else find_hub_id(data_args.dataset),
    }


def save_outputs(
    trainer: "Trainer",
    arguments: Arguments,
    data: "TrainingData",
    results: Mapping[str, Results],
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """Write metrics.json, recipe.yaml, training_args.json, results.png and README.md; return the metrics."""
    metrics = collect_metrics(arguments, data, results, seconds, trainer.state.global_step)
    if not trainer.is_world_process_zero():
        return metrics
    model_args, data_args, args = arguments
    folder = Path(str(args.output_dir))
    for name in ("", "control"):
        # Trainer pickles its arguments; recipe.yaml says the same as text, and only safetensors leave this house.
        (folder / name / "training_args.bin").unlink(missing_ok=True)
    if model_args.lora_towers:
        # Trainer's pushes of checkpoints leave the unfinished adapter here, which would be loaded before the weights.
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            (folder / name).unlink(missing_ok=True)
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    recipe = {**asdict(model_args), **asdict(data_args), **_changed_arguments(args)}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    settings = json.dumps(_arguments(args), indent=1, sort_keys=True)
    (folder / "training_args.json").write_text(settings + "\n", encoding="utf-8")
    title = f"{folder.name}: {data_args.dataset}, {metrics['training']['steps']} steps"
    draw_figure(results, folder / "results.png", title)
    judged_on = data_args.pairs or data_args.dataset
    card = build_model_card(results, list(results)[-1], judged_on, _card_facts(arguments, metrics))
    (folder / "README.md").write_text(card, encoding="utf-8")
    return metrics


def _arguments(args: Any) -> dict[str, Any]:
    """Training arguments without secrets, per-process state, and where somebody pushed."""
    hidden = {"local_rank", "logging_dir", "push_to_hub"}
    values = json.loads(args.to_json_string())
    return {key: value for key, value in values.items() if key not in hidden and not key.startswith("hub_")}


def _changed_arguments(args: Any) -> dict[str, Any]:
    """Those that differ from their defaults."""
    defaults = _arguments(type(args)(output_dir=args.output_dir))
    changed = {key: value for key, value in _arguments(args).items() if value != defaults.get(key)}
    return {"output_dir": args.output_dir, **changed, "num_negatives": args.num_negatives}
