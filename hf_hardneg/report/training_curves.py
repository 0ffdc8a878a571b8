"""What trainers logged on the way, from their trainer_state.json."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .charts import Series, draw_plane, thin


FILE = "trainer_state.json"
MOST_CHARTS = 12
UNTOLD = re.compile(r"runtime|_per_second|^epoch$|^step$|flos|^train_|jit_compilation")
"""Entries of a log that say nothing of the model."""

Log = Sequence[Mapping[str, Any]]


@dataclass
class Run:
    """A training run: its name, the number of its model's color, and its log."""

    name: str
    number: int
    log: Log


def find_state(folder: Path) -> Path | None:
    """A folder's trainer_state.json, or that of its last checkpoint."""
    if (folder / FILE).is_file():
        return folder / FILE
    files = [file for file in folder.glob(f"checkpoint-*/{FILE}") if file.parent.name[11:].isdecimal()]
    return max(files, key=lambda file: int(file.parent.name[11:]), default=None)


def read_log(file: Path) -> Log:
    """The log history of a trainer_state.json.

    Raises:
        ValueError: If it is something else.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))["log_history"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is no trainer_state.json: it has no log_history.") from error


def log_series(log: Log) -> dict[str, list[tuple[float, float]]]:
    """(step, value) of each finite number that was logged, by its name.

    Examples:
        >>> log_series([{"step": 1, "epoch": 0.1, "loss": 2.5}, {"step": 2, "loss": float("nan")}])
        {'loss': [(1, 2.5)]}
    """
    series: dict[str, list[tuple[float, float]]] = {}
    for entry in log:
        for name, value in entry.items():
            number = isinstance(value, int | float) and math.isfinite(value)
            if number and "step" in entry and not UNTOLD.search(name):
                series.setdefault(name, []).append((entry["step"], value))
    return series


def _rank(name: str) -> tuple[int, str]:
    """The losses first, then means over concepts, then the other scores, then what the optimizer did."""
    if name in ("loss", "eval_loss"):
        return 0 if name == "loss" else 1, name
    if name.startswith("eval_"):
        return 2 if name.endswith(("_macro", "eval_accuracy")) else 3, name
    return 4, name


def _title(name: str) -> str:
    known = {"loss": "training loss", "eval_loss": "loss on held-out rows"}
    return known.get(name, name.removeprefix("eval_").replace("_", " "))


def draw_training(runs: Sequence[Run]) -> dict[str, Any]:
    """Small charts of what runs logged.

    Returns:
        "runs", those that logged something; "charts", title, SVG and last values of each; "left_out", names of logged
        values beyond `MOST_CHARTS`.
    """
    logged = [(run, series) for run in runs if (series := log_series(run.log))]
    names = sorted({name for _, series in logged for name in series}, key=_rank)
    charts = []
    for name in names[:MOST_CHARTS]:
        having = [(run, series[name]) for run, series in logged if name in series]
        lines = [Series("", run.number, thin(points), line=True) for run, points in having]
        last = ", ".join(f"{run.name} {points[-1][1]:.4g}" for run, points in having)
        chart = draw_plane(lines, "step", "", f"{_title(name)} over training steps; at the end: {last}")
        charts.append({"title": _title(name), "svg": chart, "last": last})
    return {"runs": [run for run, _ in logged], "charts": charts, "left_out": names[MOST_CHARTS:]}
