"""The files that a report is made from, each against the shape that it must have."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, cast

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ConfigDict
from typing_extensions import TypedDict

from ..json_files import Count, Id, Number, Rows, read_json
from ..user_errors import naming


AGAIN = "write one by: hf-hardneg evaluate MODEL --out DIR"


class Head(TypedDict):
    """What says which file it is."""

    schema: NotRequired[object]


class Model(TypedDict):
    """An evaluated model."""

    paths: list[str]
    texts_cut: Count


class Benchmark(TypedDict):
    """An evaluated benchmark."""

    source: str
    fingerprint: str
    items: Count
    belongs: list[list[bool]] | None
    skipped: dict[str, dict[str, Count]]


class Score(TypedDict):
    """A score of a model, in percent."""

    value: Number
    low: Number
    high: Number
    n: Count
    chance: Number | None
    skipped: Count


class Difference(TypedDict):
    """A difference to the control, in points."""

    value: Number
    low: Number
    high: Number
    n: Count
    p: Number
    mark: Literal["better", "worse", ""]


class Bootstrap(TypedDict):
    """How the intervals were made."""

    resamples: Count
    level: Number
    seed: Id


class Metrics(TypedDict):
    """metrics.json, as `evaluation.result_files` describes it."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    schema: str
    models: dict[str, Model]
    control: str | None
    date: str
    benchmarks: dict[str, Benchmark]
    results: dict[str, dict[str, dict[str, dict[str, Score]]]]
    differences: dict[str, dict[str, dict[str, dict[str, Difference]]]]
    bootstrap: Bootstrap
    versions: dict[str, str]


class CurveSide(TypedDict):
    """Gain and retention at each alpha, in percent."""

    gain: list[Number]
    retention: list[Number]


class Curve(TypedDict):
    """curve.json of `hf-hardneg interpolate`."""

    start: str
    tuned: str
    alphas: list[Number]
    chosen: Number
    gain_tasks: list[str]
    retention_tasks: list[str]
    test: CurveSide


class State(TypedDict):
    """trainer_state.json of a training run."""

    log_history: Rows[dict[str, float | bool | str | None | list[object] | dict[str, object]]]


def read_metrics(folder: Path) -> dict[str, Any]:
    """Read metrics.json of an evaluation.

    Raises:
        FileNotFoundError: If the folder has none.
        ValueError: If it is of something else, such as a training run, or of an older version, or is damaged.
    """
    file = folder / "metrics.json"
    if not file.is_file():
        raise FileNotFoundError(f"There is no {file}; write it by: hf-hardneg evaluate MODEL --out {folder}")
    if not str(read_json(file, Head).get("schema", "")).startswith("hf_hardneg.evaluation/"):
        raise ValueError(
            f"{file} is not that of an evaluation (its schema says so), but perhaps of a training; {AGAIN}"
        )
    metrics = cast(dict[str, Any], read_json(file, Metrics))
    _check_names(metrics, file)
    return metrics


def _check_names(metrics: Mapping[str, Any], file: Path) -> None:
    """Check that all parts name the same models, benchmarks, groups and scores."""
    models, results = list(metrics["models"]), metrics["results"]
    if not models or sorted(results) != sorted(models):
        raise ValueError(f"{file} has results of {sorted(results)}, but its models are {models}; {AGAIN}")
    if metrics["control"] is not None and metrics["control"] not in models:
        raise ValueError(f"{file} has control = {metrics['control']!r}, which must be one of {models}; {AGAIN}")
    others = set(models) - {metrics["control"]} if metrics["control"] is not None else set()
    for model in metrics["differences"].keys() - others:
        raise ValueError(
            f"{file} has differences.{model}, but its control is {metrics['control']!r} and its models are {models}; "
            f"{AGAIN}"
        )
    names = {model: _score_names(results[model]) for model in models}
    for model in models:
        for task, group, name in names[model] ^ names[models[0]]:
            raise ValueError(
                f"{file} has results.{models[0]} and results.{model}, of which only one has {task}.{group}.{name}; "
                f"{AGAIN}"
            )
    for model in models:
        for task in {task for task, *_ in names[model]} ^ set(metrics["benchmarks"]):
            raise ValueError(f"{file} has {task} in only one of benchmarks and results.{model}; {AGAIN}")


def _score_names(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> set[tuple[str, str, str]]:
    return {(task, group, name) for task, groups in results.items() for group in groups for name in groups[group]}


def read_curve(file: Path) -> dict[str, Any]:
    """Read curve.json of `hf-hardneg interpolate`.

    Raises:
        ValueError: If it is of something else, or its lists are not of one length.
    """
    curve = cast(dict[str, Any], read_json(file, Curve))
    lengths = {len(curve["alphas"]), len(curve["test"]["gain"]), len(curve["test"]["retention"])}
    if lengths == {0} or len(lengths) > 1:
        raise ValueError(f"{file} has alphas, test.gain and test.retention of the lengths {sorted(lengths)}; mend it.")
    if curve["chosen"] not in curve["alphas"]:
        raise ValueError(f"{file} has chosen = {curve['chosen']}, which must be one of its alphas; mend it.")
    return curve


def read_log(file: Path) -> Sequence[Mapping[str, Any]]:
    """Read the log history of a trainer_state.json.

    Raises:
        ValueError: If it is something else.
    """
    log = read_json(file, State)["log_history"]
    for i, entry in enumerate(log):
        step = entry.get("step", 0)
        if not isinstance(step, int | float) or not math.isfinite(step):
            raise ValueError(f"{file} has log_history[{i}].step = {step!r}, which must be a finite number; mend it.")
    return log


def require_parquet(file: Path, columns: Mapping[str, pa.DataType | None]) -> None:
    """Raise unless a Parquet file has columns of the given types; None stands for any type.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no Parquet, or a column is missing or of another type.
    """
    if not file.is_file():
        raise FileNotFoundError(f"There is no {file}; {AGAIN}")
    with naming(file):
        schema = pq.read_schema(file)
    for name, wanted in columns.items():
        if name not in schema.names:
            raise ValueError(f"{file} lacks the column {name!r}; it has {', '.join(schema.names)}. {AGAIN}")
        if wanted is not None and schema.field(name).type != wanted:
            raise ValueError(f"{file} has {schema.field(name).type} in the column {name!r}, not {wanted}; {AGAIN}")
