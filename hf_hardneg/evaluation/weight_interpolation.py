"""`hf-hardneg interpolate`: between a start model and what was tuned of it, against forgetting.

Weights of the two are averaged, (1 - alpha) x start + alpha x tuned (WiSE-FT, Wortsman et al. 2022, arXiv 2109.01903),
and alpha is chosen on a development half of the photos; what is reported is measured on the other half.
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

from ..atomic_folder import check_writable
from ..model.encoding import Encoder
from ..model.loading import load_model
from ..versions import package_versions
from .classification import ClassificationTask
from .evaluate import load_tasks
from .results import mean_scores
from .retrieval import RetrievalTask
from .tasks import Task


SCHEMA = "hf_hardneg.interpolation/1"
ALPHAS = tuple(i / 10 for i in range(11))
HALVES = ("dev", "test")
RETENTION_TASKS = (RetrievalTask, ClassificationTask)


def is_dev(photo: str) -> bool:
    """Whether a photo is of the development half: decided by its name alone, alike in all tasks and on any machine."""
    return hashlib.sha256(photo.encode()).digest()[0] % 2 == 0


def mix_weights(start: Any, tuned: Any, alpha: float) -> dict[str, torch.Tensor]:
    """(1 - alpha) x start + alpha x tuned of all floating-point weights of two models of one shape.

    Raises:
        ValueError: If a weight is in one model only, or its shapes differ.
    """
    first, second = start.state_dict(), tuned.state_dict()
    odd = sorted(first.keys() ^ second.keys())
    odd += [name for name in first.keys() & second.keys() if first[name].shape != second[name].shape]
    if odd:
        raise ValueError(f"The two models have different weights ({', '.join(odd[:3])}); tune the start model itself.")
    return {
        name: torch.lerp(weight.float(), second[name].float(), alpha).to(weight.dtype)
        if weight.is_floating_point()
        else second[name]
        for name, weight in first.items()
    }


def main_score(task: Task, encoder: Encoder) -> float:
    """The one number of a task, in percent: the group score or the accuracy, R@1 both ways, or top 1."""
    means = mean_scores(task.run(encoder).scores)
    scores = means[next(iter(means))] if isinstance(task, RETENTION_TASKS) else means["macro"]
    if isinstance(task, RetrievalTask):
        return (scores["image_to_text_R@1"] + scores["text_to_image_R@1"]) / 2
    return next(scores[name] for name in ("top1", "group", "image_to_text", "text_to_image") if name in scores)


def choose_alpha(alphas: Sequence[float], gain: Sequence[float], retention: Sequence[float], max_loss: float) -> float:
    """The alpha of the greatest gain among those that lose at most `max_loss` points of the retention at `alphas[0]`.

    Examples:
        >>> choose_alpha([0, 0.5, 1], gain=[50, 70, 75], retention=[60, 59.5, 40], max_loss=1.0)
        0.5
    """
    allowed = [i for i, value in enumerate(retention) if value >= retention[0] - max_loss]
    return alphas[max(allowed, key=lambda i: (gain[i], retention[i]))]


def measure_curve(start: Any, tuned: Any, processor: Any, tasks: Sequence[Task]) -> dict[str, Any]:
    """Gain (mean of the choice tasks) and retention (of the others) at each alpha, on both halves of the photos.

    Args:
        start: The model at alpha 0.
        tuned: The model at alpha 1.
        processor: Of both.
        tasks: At least one of choices and one of retrieval or classification.

    Returns:
        half -> {"gain": percent by alpha, "retention": the same, "tasks": task -> percent by alpha}, and which tasks
        are "gain_tasks" and "retention_tasks".

    Raises:
        ValueError: If a kind of task is missing.
    """
    retention = [task.name for task in tasks if isinstance(task, RETENTION_TASKS)]
    gain = [task.name for task in tasks if task.name not in retention]
    if not retention or not gain:
        raise ValueError(
            f"The benchmarks {[task.name for task in tasks]} measure only one side; name one of choices, such as "
            "sugarcrepe or inpaintcoco, and one that shows forgetting: coco, flickr30k or zero_shot (scenes has both)."
        )
    halves = {
        "dev": [task.select(is_dev) for task in tasks],
        "test": [task.select(lambda photo: not is_dev(photo)) for task in tasks],
    }
    mixed = copy.deepcopy(start)  # is prepared for token tries, which `start` need not be
    curve: dict[str, Any] = {half: {"tasks": {task.name: [] for task in tasks}} for half in HALVES}
    for alpha in tqdm(ALPHAS, desc="Interpolating", disable=None):
        mixed.load_state_dict(mix_weights(start, tuned, alpha))
        encoder = Encoder(mixed, processor, layout="auto")
        for half in HALVES:
            for task in halves[half]:
                curve[half]["tasks"][task.name].append(main_score(task, encoder))
    for half in HALVES:
        for side, names in (("gain", gain), ("retention", retention)):
            curve[half][side] = np.mean([curve[half]["tasks"][name] for name in names], axis=0).tolist()
    return curve | {"gain_tasks": gain, "retention_tasks": retention}


def draw_curve(curve: dict[str, Any], chosen: float, file: Path) -> None:
    """Gain against retention, a line for each half of the photos, a point for each alpha."""
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


def interpolate(start: str, tuned: str, out: str | Path, benchmarks: Sequence[str], max_loss: float = 1.0) -> str:
    """Measure the curve, choose alpha on the development half, save the model, curve.json and curve.png.

    Args:
        start: Path or Hub id of the model that was tuned.
        tuned: Of what became of it; its processor is saved.
        out: The folder to write.
        benchmarks: As for `hf-hardneg evaluate`.
        max_loss: Points of retention that may be given up on the development half.

    Returns:
        What was chosen, in a sentence.

    Raises:
        ValueError: If the models do not match or the benchmarks measure only one side.
    """
    folder = Path(out)
    check_writable(folder)
    tasks = list(load_tasks(benchmarks)[0].values())
    device = "cuda" if torch.cuda.is_available() else "cpu"
    start_model, (tuned_model, processor) = load_model(start)[0].to(device), load_model(tuned)
    tuned_model = tuned_model.to(device)
    curve = measure_curve(start_model, tuned_model, processor, tasks)
    chosen = choose_alpha(ALPHAS, curve["dev"]["gain"], curve["dev"]["retention"], max_loss)
    draw_curve(curve, chosen, folder / "curve.png")
    content = {
        "schema": SCHEMA,
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
    i, test = ALPHAS.index(chosen), curve["test"]
    gain, retention = (", ".join(f"{test[side][j]:.1f}" for j in (0, i, -1)) for side in ("gain", "retention"))
    return (
        f"alpha {chosen:g}, chosen on dev. On test at the start, here and tuned: gain {gain}; retention {retention}. "
        f"Saved in {folder}"
    )
