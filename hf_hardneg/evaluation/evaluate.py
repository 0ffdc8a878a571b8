"""Run models on benchmarks, beside a control. `hf-hardneg evaluate` calls `evaluate_models`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from ..model.encoding import load_encoder
from .benchmarks import load_benchmark
from .results import ALL, MACRO, Outcomes, Results, compare_to_control, join_seeds, summarize_outcomes
from .tasks import Skipped, Task


@dataclass
class Evaluation:
    """All outcomes of several models on several tasks.

    Attributes:
        tasks: The tasks, by name.
        sources: For each task, the benchmark that it belongs to, as the user named it.
        models: For each model, its paths or Hub ids; several are training seeds of one model.
        control: The model that the others are compared with, or None.
        outcomes: By model and task; with S training seeds the values have shape (S, N).
        skipped: For each task, the items that were left out.
        items: One row for each model, seed, task and item.
        cut: For each model, how many texts were longer than its position table and were cut there.
    """

    tasks: dict[str, Task]
    sources: dict[str, str]
    models: dict[str, list[str]]
    control: str | None
    outcomes: dict[str, Outcomes] = field(default_factory=dict)
    skipped: dict[str, Skipped] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    cut: dict[str, int] = field(default_factory=dict)

    def results(self) -> dict[str, dict[str, Results]]:
        """Values with intervals, by model and task. Each score has "skipped": the skipped items of its group."""
        results = {}
        for model, outcomes_by_task in self.outcomes.items():
            results[model] = {task: summarize_outcomes(outcomes) for task, outcomes in outcomes_by_task.items()}
            for task, groups in results[model].items():
                for group, scores in groups.items():
                    is_whole_task = len(groups) == 1 or group in (MACRO, ALL)
                    for score in scores.values():
                        score["skipped"] = self._count_skipped(task, None if is_whole_task else group)
        return results

    def _count_skipped(self, task: str, group: str | None) -> int:
        """How many items of a group, or of the whole task (None), were skipped."""
        return sum(sum(counts.values()) for label, counts in self.skipped[task].items() if group in (None, label))

    def differences(self) -> dict[str, dict[str, Results]]:
        """Differences to the control, by model and task; empty without a control."""
        if self.control is None:
            return {}
        control = self.outcomes[self.control]
        return {
            model: {task: compare_to_control(outcomes, control[task]) for task, outcomes in outcomes_by_task.items()}
            for model, outcomes_by_task in self.outcomes.items()
            if model != self.control
        }


def parse_models(specs: Sequence[str]) -> dict[str, list[str]]:
    """Read "PATH", "NAME=PATH" or "NAME=PATH,PATH,..."; several paths are training seeds of one model.

    Returns:
        The paths of each model, by its name.

    Raises:
        ValueError: If two models have the same name.

    Examples:
        >>> parse_models(["outputs/k1", "ours=run/0,run/1"])
        {'outputs/k1': ['outputs/k1'], 'ours': ['run/0', 'run/1']}
    """
    models: dict[str, list[str]] = {}
    for spec in specs:
        name, _, paths = spec.partition("=")
        if not paths or Path(spec).exists():
            name = paths = spec
        if name in models:
            raise ValueError(f"Two models are called {name!r}; give them different names with NAME=PATH.")
        models[name] = paths.split(",")
    return models


def load_tasks(specs: Sequence[str]) -> tuple[dict[str, Task], dict[str, str]]:
    """Load benchmarks.

    Args:
        specs: Benchmarks as `load_benchmark` takes them.

    Returns:
        The tasks by name, and for each of them the benchmark that it belongs to.

    Raises:
        ValueError: If two tasks have the same name, or the data cannot be used.
        FileNotFoundError: If files of a benchmark are missing.
    """
    tasks: dict[str, Task] = {}
    sources: dict[str, str] = {}
    for spec in specs:
        for task in load_benchmark(spec):
            if task.name in tasks:
                raise ValueError(f"The benchmark {task.name} is named twice: {sources[task.name]} and {spec}.")
            tasks[task.name], sources[task.name] = task, spec
    return tasks, sources


def evaluate_models(specs: Sequence[str], benchmarks: Sequence[str], control: str | None = None) -> Evaluation:
    """Run every model on every benchmark.

    Args:
        specs: Models: "PATH", "NAME=PATH", or "NAME=PATH,PATH,..." for training seeds of one model. A path is a folder
            or a Hub id.
        benchmarks: "NAME" or "NAME=SOURCE", such as "scenes" or "sugarcrepe=data/sugar-crepe".
        control: A further model, written like the others. The others are compared with it.

    Returns:
        The outcomes; `results()` has percentages with intervals and `differences()` compares with the control.

    Raises:
        OSError: If there is no such model.
        ValueError: If a model or the data cannot be used; the message says what to do.
        FileNotFoundError: If files of a benchmark are missing; the message says what to download.

    Examples:
        >>> from hf_hardneg.model import START_MODEL
        >>> evaluation = evaluate_models([f"start={START_MODEL}"], ["scenes"])  # doctest: +SKIP
        >>> round(evaluation.results()["start"]["scenes"]["color"]["group"]["value"], 1)  # doctest: +SKIP
        2.0
    """
    control_name = next(iter(parse_models([control])), None) if control else None
    models = parse_models([*([control] if control else []), *(spec for spec in specs if spec != control)])
    tasks, sources = load_tasks(benchmarks)
    evaluation = Evaluation(tasks, sources, models, control_name)
    progress = tqdm(total=len(tasks) * sum(map(len, models.values())), desc="Evaluating", disable=None)
    for name, paths in models.items():
        runs: list[Outcomes] = []
        for seed, path in enumerate(paths):
            encoder = load_encoder(path)
            run: Outcomes = {}
            for task in tasks.values():
                outcomes = task.run(encoder)
                run[task.name], evaluation.skipped[task.name] = outcomes.scores, outcomes.skipped
                row = {"model": name, "seed": seed, "task": task.name}
                evaluation.items += [row | item for item in outcomes.items]
                progress.update()
            runs.append(run)
            evaluation.cut[name] = encoder.cut
        evaluation.outcomes[name] = {task: join_seeds([run[task] for run in runs]) for task in tasks}
    progress.close()
    return evaluation
