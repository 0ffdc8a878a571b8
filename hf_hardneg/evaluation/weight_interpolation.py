"""Interpolate between a start model and the model that was fine-tuned from it, to forget less (WiSE-FT).

The weights are averaged, (1 - alpha) x start + alpha x tuned, after WiSE-FT (Wortsman et al. 2022,
https://arxiv.org/abs/2109.01903). Alpha is chosen on the development half of the photos. The reported scores are
measured on the other half. `hf-hardneg interpolate` calls `interpolate`.
"""

import copy
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from ..atomic_folder import check_overwrites
from ..model.encoding import Encoder
from ..model.image_features import TowerFeatures
from ..model.loading import load_model, pick_device
from ..versions import package_versions
from .classification import ClassificationTask
from .evaluate import load_tasks
from .results import MACRO, mean_scores
from .retrieval import RetrievalTask
from .tasks import Task


INTERPOLATION_SCHEMA = "hf_hardneg.interpolation/1"
ALPHAS = tuple(i / 10 for i in range(11))
HALVES = ("dev", "test")
RETENTION_TASKS = (RetrievalTask, ClassificationTask)


def is_dev(photo: str) -> bool:
    """Whether a photo belongs to the development half.

    The hash of its name decides, so that the halves are the same in all tasks and on every machine.
    """
    return hashlib.sha256(photo.encode()).digest()[0] % 2 == 0


def mix_weights(start: Any, tuned: Any, alpha: float) -> dict[str, torch.Tensor]:
    """Average the weights of two models, (1 - alpha) x start + alpha x tuned.

    Args:
        start: A model (torch.nn.Module).
        tuned: A model of the same shape. Its weights that are not floating-point numbers are taken as they are.
        alpha: From 0, the start model, to 1, the tuned model.

    Returns:
        A state dict.

    Raises:
        ValueError: If a weight is in one model only, or its shapes differ.

    Examples:
        >>> zeros, ones = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
        >>> _ = torch.nn.init.zeros_(zeros.weight), torch.nn.init.ones_(ones.weight)
        >>> mix_weights(zeros, ones, alpha=0.25)["weight"].item()
        0.25
    """
    start_weights, tuned_weights = start.state_dict(), tuned.state_dict()
    shared = start_weights.keys() & tuned_weights.keys()
    different = sorted(start_weights.keys() ^ tuned_weights.keys())
    different += [name for name in shared if start_weights[name].shape != tuned_weights[name].shape]
    if different:
        raise ValueError(
            f"The two models have different weights ({', '.join(different[:3])}); the second must be fine-tuned from "
            "the first."
        )
    return {
        name: torch.lerp(weight.float(), tuned_weights[name].float(), alpha).to(weight.dtype)
        if weight.is_floating_point()
        else tuned_weights[name]
        for name, weight in start_weights.items()
    }


def main_score(task: Task, encoder: Encoder) -> float:
    """Run a task and return its main score in percent.

    That is the group score or the accuracy of choices, the mean of R@1 in both directions, or the top-1 accuracy.
    """
    means = mean_scores(task.run(encoder).scores)
    scores = means[next(iter(means))] if isinstance(task, RETENTION_TASKS) else means[MACRO]
    if isinstance(task, RetrievalTask):
        return (scores["image_to_text_R@1"] + scores["text_to_image_R@1"]) / 2
    return next(scores[name] for name in ("top1", "group", "image_to_text", "text_to_image") if name in scores)


def choose_alpha(alphas: Sequence[float], gain: Sequence[float], retention: Sequence[float], max_loss: float) -> float:
    """Choose the alpha of the greatest gain among those that keep enough retention.

    Args:
        alphas: From the start model on.
        gain: In percent, by alpha.
        retention: In percent, by alpha.
        max_loss: How many points of the retention at `alphas[0]` may be lost.

    Examples:
        >>> choose_alpha([0, 0.5, 1], gain=[50, 70, 75], retention=[60, 59.5, 40], max_loss=1.0)
        0.5
    """
    allowed = [i for i, value in enumerate(retention) if value >= retention[0] - max_loss]
    return alphas[max(allowed, key=lambda i: (gain[i], retention[i]))]


def measure_curve(start: Any, tuned: Any, processor: Any, tasks: Sequence[Task]) -> dict[str, Any]:
    """Measure gain and retention at each alpha, on both halves of the photos.

    Gain is the mean over the tasks of choices. Retention is the mean over retrieval and classification.

    Args:
        start: The model at alpha 0.
        tuned: The model at alpha 1.
        processor: The processor of both.
        tasks: At least one of choices and one of retrieval or classification.

    Returns:
        For each half {"gain": percent by alpha, "retention": percent by alpha, "tasks": task -> percent by alpha}, and
        the names of the "gain_tasks" and "retention_tasks".

    Raises:
        ValueError: If a kind of task is missing.
    """
    retention = [task.name for task in tasks if isinstance(task, RETENTION_TASKS)]
    gain = [task.name for task in tasks if task.name not in retention]
    if not retention or not gain:
        raise ValueError(
            f"The benchmarks {', '.join(task.name for task in tasks)} measure only one side. Name one of choices, "
            "such as sugarcrepe or inpaintcoco, and one that shows forgetting: coco, flickr30k or zero_shot (scenes "
            "has both)."
        )
    halves = {
        "dev": [task.select(is_dev) for task in tasks],
        "test": [task.select(lambda photo: not is_dev(photo)) for task in tasks],
    }
    mixed = copy.deepcopy(start)  # a copy, because the encoder changes the layout of its towers
    curve: dict[str, Any] = {half: {"tasks": {task.name: [] for task in tasks}} for half in HALVES}
    tower_features = TowerFeatures()
    for alpha in tqdm(ALPHAS, desc="Interpolating", disable=None):
        mixed.load_state_dict(mix_weights(start, tuned, alpha))
        encoder = Encoder(mixed, processor, "auto", tower_features)
        for half in HALVES:
            for task in halves[half]:
                curve[half]["tasks"][task.name].append(main_score(task, encoder))
    for half in HALVES:
        for side, names in (("gain", gain), ("retention", retention)):
            curve[half][side] = np.mean([curve[half]["tasks"][name] for name in names], axis=0).tolist()
    return curve | {"gain_tasks": gain, "retention_tasks": retention}


def draw_curve(curve: dict[str, Any], chosen: float, file: Path) -> None:
    """Draw gain against retention: a line for each half of the photos, a point for each alpha.

    Args:
        curve: From `measure_curve`.
        chosen: The chosen alpha, which gets a ring.
        file: The PNG file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    for half, color in zip(HALVES, ("#999999", "#D55E00"), strict=True):
        gain, retention = curve[half]["gain"], curve[half]["retention"]
        axes.plot(retention, gain, marker="o", markersize=4, color=color, label=half)
        for alpha in (ALPHAS[0], chosen, ALPHAS[-1]):
            i = ALPHAS.index(alpha)
            axes.annotate(f"{alpha:g}", (retention[i], gain[i]), textcoords="offset points", xytext=(5, 4), fontsize=8)
    i = ALPHAS.index(chosen)
    test = curve["test"]
    axes.plot(test["retention"][i], test["gain"][i], "o", markersize=11, fillstyle="none", color="black")
    axes.set_xlabel("retention (%): " + ", ".join(curve["retention_tasks"]))
    axes.set_ylabel("gain (%): " + ", ".join(curve["gain_tasks"]))
    axes.set_title(f"start (0) to tuned (1); alpha {chosen:g} chosen on dev")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(file, dpi=150)


def interpolate(
    start: str,
    tuned: str,
    out: str | Path,
    benchmarks: Sequence[str],
    max_loss: float = 1.0,
    *,
    image_column: str | None = None,
    label_column: str | None = None,
) -> str:
    """Measure the curve, choose alpha on the development half, and save the model, curve.json and curve.png.

    Args:
        start: Folder or Hub id of the model that training started from.
        tuned: Folder or Hub id of the fine-tuned model; its processor is saved.
        out: The folder to write.
        benchmarks: As in `evaluate_models`; at least one of choices and one of retrieval or classification.
        max_loss: How many points of retention may be lost on the development half.
        image_column: As in `evaluate_models`.
        label_column: As in `evaluate_models`.

    Returns:
        A sentence with the chosen alpha and its scores.

    Raises:
        OSError: If there is no such model.
        ValueError: If the models do not match, the benchmarks measure only one side, `max_loss` is not 0 or more, or
            `out` holds another model.

    Examples:
        >>> interpolate("outputs/start", "outputs/demo", "outputs/mixed", ["scenes"])  # doctest: +SKIP
    """
    if not 0 <= max_loss <= 100:
        raise ValueError(f"max_loss is {max_loss}; it must be a number of points from 0 to 100.")
    check_overwrites(out, ["curve.json"], ["config.json", "curve.png"])
    folder = Path(out)
    columns = {"image_column": image_column, "label_column": label_column}
    tasks = list(load_tasks(benchmarks, columns)[0].values())
    device = pick_device()
    start_model, (tuned_model, processor) = load_model(start)[0].to(device), load_model(tuned)
    tuned_model = tuned_model.to(device)
    curve = measure_curve(start_model, tuned_model, processor, tasks)
    chosen = choose_alpha(ALPHAS, curve["dev"]["gain"], curve["dev"]["retention"], max_loss)
    draw_curve(curve, chosen, folder / "curve.png")
    content = {
        "schema": INTERPOLATION_SCHEMA,
        "start": start,
        "tuned": tuned,
        "alphas": ALPHAS,
        "chosen": chosen,
        "max_loss": max_loss,
        "rule": "greatest gain on dev among the alphas that lose at most max_loss points of retention on dev",
        "fingerprints": {task.name: task.fingerprint() for task in tasks},
        **curve,
        "versions": package_versions(),
    }
    (folder / "curve.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    start_model.load_state_dict(mix_weights(start_model, tuned_model, chosen))
    start_model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return _describe_choice(curve, chosen, folder)


def _describe_choice(curve: dict[str, Any], chosen: float, folder: Path) -> str:
    i, test = ALPHAS.index(chosen), curve["test"]
    gain, retention = (", ".join(f"{test[side][j]:.1f}" for j in (0, i, -1)) for side in ("gain", "retention"))
    return (
        f"alpha {chosen:g}, chosen on dev. On test, at the start, at this alpha and tuned: gain {gain}; retention "
        f"{retention}. Saved in {folder}"
    )
