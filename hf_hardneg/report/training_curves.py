"""Draw what training runs logged, from their trainer_state.json."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..evaluation.wrong_image import BY_LOOKING, WRONG_IMAGE
from .charts import Series, draw_plane, thin_points


STATE_FILE = "trainer_state.json"
MAX_CHARTS = 12
UNRELATED = re.compile(r"runtime|_per_second|^epoch$|^step$|flos|^train_|jit_compilation")
"""Entries of a log that say nothing about the model, such as run times."""
MEANS = [f"eval_accuracy{ending}" for ending in ("", WRONG_IMAGE, BY_LOOKING)]
"""Means over concepts whose names do not end in "_macro"."""

Log = Sequence[Mapping[str, Any]]


@dataclass
class Run:
    """A training run.

    Attributes:
        name: The name of the run.
        number: The number of its model, which gives the color.
        log: The log history of its trainer_state.json.
    """

    name: str
    number: int
    log: Log


def find_state(folder: Path) -> Path | None:
    """The trainer_state.json of a folder, or of its last checkpoint; None if there is none."""
    if (folder / STATE_FILE).is_file():
        return folder / STATE_FILE
    files = [file for file in folder.glob(f"checkpoint-*/{STATE_FILE}") if file.parent.name[11:].isdecimal()]
    return max(files, key=lambda file: int(file.parent.name[11:]), default=None)


def log_series(log: Log) -> dict[str, list[tuple[float, float]]]:
    """Collect the finite numbers of a log: (step, value) by name.

    Examples:
        >>> log_series([{"step": 1, "epoch": 0.1, "loss": 2.5}, {"step": 2, "loss": float("nan")}])
        {'loss': [(1, 2.5)]}
    """
    series: dict[str, list[tuple[float, float]]] = {}
    for entry in log:
        for name, value in entry.items():
            is_finite = isinstance(value, int | float) and math.isfinite(value)
            if is_finite and "step" in entry and not UNRELATED.search(name):
                series.setdefault(name, []).append((entry["step"], value))
    return series


def _sort_key(name: str) -> tuple[int, str]:
    """Losses come first, then means over concepts, then other scores, then values of the optimizer."""
    if name in ("loss", "eval_loss"):
        return 0 if name == "loss" else 1, name
    if name.startswith("eval_"):
        return 2 if name.endswith("_macro") or name in MEANS else 3, name
    return 4, name


def _title(name: str) -> str:
    known = {"loss": "training loss", "eval_loss": "loss on held-out rows"}
    return known.get(name, name.removeprefix("eval_").replace("_", " "))


def draw_training(runs: Sequence[Run]) -> dict[str, Any]:
    """Draw a small chart of each logged value.

    Returns:
        "runs", the runs that logged something; "charts", each with title, SVG and last values; "left_out", the names
        of the values beyond the first `MAX_CHARTS`.
    """
    logged = [(run, series) for run in runs if (series := log_series(run.log))]
    names = sorted({name for _, series in logged for name in series}, key=_sort_key)
    charts = []
    for name in names[:MAX_CHARTS]:
        curves = [(run, series[name]) for run, series in logged if name in series]
        lines = [Series("", run.number, thin_points(points), line=True) for run, points in curves]
        last = ", ".join(f"{run.name} {points[-1][1]:.4g}" for run, points in curves)
        chart = draw_plane(lines, "step", "", f"{_title(name)} over training steps; at the end: {last}")
        charts.append({"title": _title(name), "svg": chart, "last": last})
    return {"runs": [run for run, _ in logged], "charts": charts, "left_out": names[MAX_CHARTS:]}
