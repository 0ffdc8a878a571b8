"""What a run saves beside the model: metrics.json, recipe.yaml, training_args.json, the figure and the model card."""

import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from datasets import Dataset

from ..audit.measure import audit_negatives
from ..columns import CAPTION, IMAGE_ID, NEGATIVES
from ..data.coco import is_coco_folder
from ..data.skip_reasons import describe_reasons
from ..evaluation.results import Results
from ..report.model_card import build_model_card
from ..report.table import draw_figure, format_table
from ..versions import package_versions
from .arguments import Arguments, HardNegCLIPTrainingArguments
from .plan import count_twins
from .prepare import TrainingData
from .time_estimate import format_seconds


AUDITED_CAPTIONS = 2000  # takes a few seconds
LIMITS_OF_SCENES = (
    "A miniature for trying things out: trained and judged on rendered scenes of 48 x 48 pixels, whose captions know "
    "a few hundred words. It says nothing about photos."
)
LIMITS_OF_PHOTOS = (
    "Retrieval is judged on held-out images of the training data. Training on hard negatives can cost zero-shot "
    "classification and make a model sensitive to harmless rewrites; neither was measured here."
)


@dataclass(frozen=True)
class RunRecord:
    """A finished run.

    Attributes:
        arguments: As the user gave them.
        data: What was trained and evaluated on.
        results: Scores of the start model, of the control if there is one, and last of the trained model.
        seconds: Training time by model; the start model has none.
        steps: Optimizer steps of one training.
    """

    arguments: Arguments
    data: TrainingData
    results: Mapping[str, Results]
    seconds: Mapping[str, float]
    steps: int

    @property
    def trained(self) -> str:
        """The name of the trained model among the results."""
        return list(self.results)[-1]


def collect_metrics(record: RunRecord) -> dict[str, Any]:
    """Collect the content of metrics.json: results by model, counts, versions, seed, data fingerprint and times."""
    args = record.arguments.training
    return {
        "results": dict(record.results),
        "table": format_table(record.results),
        "data": _data_metrics(record),
        "model": asdict(record.arguments.model),
        "training": {
            "seed": args.seed,
            "steps": record.steps,
            "batch_size": args.train_batch_size * args.world_size,
            "num_negatives": args.num_negatives,
            "twin_share": args.twin_share,
            "twin_weight": args.twin_weight,
            "seconds": {name: round(value, 1) for name, value in record.seconds.items()},
            "hardware": _hardware(args),
        },
        "versions": package_versions(),
    }


def _data_metrics(record: RunRecord) -> dict[str, Any]:
    data = record.data
    return {
        **asdict(record.arguments.data),
        "rows": None if data.stream is not None else len(data.rows),
        "fingerprint": data.rows._fingerprint,
        "twin_pairs": count_twins(data),
        "held_out": len(data.held_out),
        "skipped": dict(data.skipped),
        "negatives": dict(data.negatives),
        "rejections": dict(data.rejections),
        "audit": _audit(data.rows),
    }


def _audit(rows: Dataset) -> dict[str, Any] | None:
    """Measure how many negatives of the first captions readers of text can tell; None if they are too few."""
    if NEGATIVES not in rows.column_names:
        return None
    columns = [name for name in (CAPTION, NEGATIVES, IMAGE_ID) if name in rows.column_names]
    rows = rows.select_columns(columns).select(range(min(AUDITED_CAPTIONS, len(rows))))
    image_ids = rows[IMAGE_ID][:] if IMAGE_ID in columns else None
    try:
        audit = asdict(audit_negatives(rows[CAPTION][:], rows[NEGATIVES][:], image_ids))
    except ValueError:
        return None
    return {name: audit[name] for name in ("captions", "pairs", "pairs_read", "coverage", "readers", "strongest")}


def _hardware(args: HardNegCLIPTrainingArguments) -> str:
    if args.device.type == "cuda":
        return f"{args.world_size} x {torch.cuda.get_device_name(args.device)}"
    device = "" if args.device.type == "cpu" else f", {args.device.type}"
    processes = "1 process" if args.world_size == 1 else f"{args.world_size} processes"
    return f"{platform.machine()}, {os.cpu_count()} cores{device}, {processes}"


def save_artifacts(record: RunRecord, metrics: Mapping[str, Any]) -> None:
    """Write the files of a run into its output folder; call it in the first process only.

    Args:
        record: The run.
        metrics: From `collect_metrics`.
    """
    model_args, data_args, args = record.arguments
    folder = Path(str(args.output_dir))
    _write_json(folder / "metrics.json", metrics)
    recipe = {**asdict(model_args), **asdict(data_args), **_changed_arguments(args)}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    _write_json(folder / "training_args.json", _shareable_arguments(args), sort_keys=True)
    title = f"{folder.name}: {data_args.dataset}, {record.steps} steps"
    draw_figure(record.results, folder / "results.png", title)
    evaluated_on = data_args.pairs or data_args.dataset
    card = build_model_card(record.results, record.trained, evaluated_on, _card_facts(record, metrics))
    (folder / "README.md").write_text(card, encoding="utf-8")


def remove_leftovers(folder: Path, has_lora: bool) -> None:
    """Remove what Trainer left beside a saved model and must not be published."""
    # A pickle. recipe.yaml holds the same as text, and this package publishes weights as safetensors only.
    (folder / "training_args.bin").unlink(missing_ok=True)
    if has_lora:
        # When it pushes checkpoints, Trainer leaves an unfinished adapter. It would be loaded before the weights.
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            (folder / name).unlink(missing_ok=True)


def _write_json(file: Path, content: Mapping[str, Any], sort_keys: bool = False) -> None:
    file.write_text(json.dumps(content, indent=1, sort_keys=sort_keys) + "\n", encoding="utf-8")


def _shareable_arguments(args: HardNegCLIPTrainingArguments) -> dict[str, Any]:
    """Training arguments without secrets, without what differs by process, and without where somebody pushed."""
    hidden = {"local_rank", "logging_dir", "push_to_hub"}
    values = json.loads(args.to_json_string())
    return {key: value for key, value in values.items() if key not in hidden and not key.startswith("hub_")}


def _changed_arguments(args: HardNegCLIPTrainingArguments) -> dict[str, Any]:
    """Training arguments that differ from their defaults."""
    defaults = _shareable_arguments(type(args)(output_dir=args.output_dir))
    changed = {key: value for key, value in _shareable_arguments(args).items() if value != defaults.get(key)}
    return {"output_dir": args.output_dir, **changed, "num_negatives": args.num_negatives}


def _card_facts(record: RunRecord, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What the template of the model card needs beside the results."""
    model_args, data_args, args = record.arguments
    data = metrics["data"]
    return {
        "title": Path(str(args.hub_model_id or args.output_dir)).name,
        "base": model_args.model_name_or_path or "The miniature start model of hf_hardneg",
        "location": args.hub_model_id or args.output_dir,
        "rows": "a stream of" if data["rows"] is None else data["rows"],
        "num_negatives": args.num_negatives,
        "concepts": ", ".join(data_args.concepts),
        "version": metrics["versions"]["hf-hardneg"],
        "has_control": len(record.results) > 2,
        "steps": record.steps,
        "batch_size": metrics["training"]["batch_size"],
        "learning_rate": args.learning_rate,
        "weight_decay": args.weight_decay,
        "seed": args.seed,
        "data": data_args.dataset,
        "twin_pairs": 0 if args.twin_share == 0 else data["twin_pairs"],
        "twin_sets": ", ".join(data_args.twins),
        "skipped": describe_reasons(data["skipped"]),
        "negatives": _counts(data["negatives"]),
        "rejections": describe_reasons(data["rejections"]),
        "limits": LIMITS_OF_SCENES if data_args.dataset == "scenes" else LIMITS_OF_PHOTOS,
        "audit": data["audit"],
        "lora_towers": " and ".join(model_args.lora_towers),
        "temperature": data_args.temperature,
        "language_model": data_args.language_model,
        "given_negatives": record.data.given_negatives,
        "is_coco": is_coco_folder(data_args.dataset),
        "time": format_seconds(record.seconds.get(record.trained, 0)),
        "hardware": metrics["training"]["hardware"],
        # The start model and the scenes belong to this package. Other models keep their own license.
        "license": None if model_args.model_name_or_path else "apache-2.0",
        "base_model": _hub_id(model_args.model_name_or_path),
        "dataset_id": None if data_args.dataset == "scenes" else _hub_id(data_args.dataset),
        "pairs_id": _hub_id(data_args.pairs),
    }


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{key} {count}" for key, count in sorted(counts.items())) or "none"


def _hub_id(name: str | None) -> str | None:
    """The name, if it can be an id on the Hub and is no local path."""
    return name if name and re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not Path(name).exists() else None
