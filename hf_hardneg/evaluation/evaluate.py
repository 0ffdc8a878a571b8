"""`hf-hardneg evaluate`: models on benchmarks, beside a control."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from ..model.encoding import Encoder
from ..model.loading import load_model
from .benchmarks import load_benchmark
from .results import ALL, MACRO, Outcomes, Results, compare, join_seeds, summarize
from .tasks import Outcome, Skipped, Task


@dataclass
class Evaluation:
    """Everything that models did on tasks.

    Attributes:
        tasks: By name.
        sources: The benchmark, as the user named it, that each task is of.
        models: Paths or Hub ids of each model, several for training seeds.
        control: Which of the models the others are compared with, or None.
        outcomes: By model and task, (S, N) with several seeds.
        skipped: By task, what was left out.
        items: One row for each model, seed, task and item.
        cut: By model, how many texts were longer than its position table.
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
        """Values with intervals, by model and task; every score says how many items of its group were skipped."""
        results = {}
        for model, of_model in self.outcomes.items():
            results[model] = {task: summarize(of_task) for task, of_task in of_model.items()}
            for task, groups in results[model].items():
                for group, scores in groups.items():
                    whole = len(groups) == 1 or group in (MACRO, ALL)
                    for score in scores.values():
                        score["skipped"] = self._number_skipped(task, group, whole)
        return results

    def _number_skipped(self, task: str, group: str, whole: bool) -> int:
        """How many items of a group, or of the whole task, were left out."""
        return sum(sum(counts.values()) for label, counts in self.skipped[task].items() if whole or label == group)

    def differences(self) -> dict[str, dict[str, Results]]:
        """Differences to the control, by model and task; empty without one."""
        if self.control is None:
            return {}
        control = self.outcomes[self.control]
        others = {model: of_model for model, of_model in self.outcomes.items() if model != self.control}
        return {m: {task: compare(o, control[task]) for task, o in of_model.items()} for m, of_model in others.items()}


def parse_models(specs: Sequence[str]) -> dict[str, list[str]]:
    """Names and paths of "PATH", "NAME=PATH" or "NAME=PATH,PATH,...", which are training seeds of one model.

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
            raise ValueError(f"Two models are called {name!r}; tell them apart with NAME=PATH.")
        models[name] = paths.split(",")
    return models


def load_tasks(specs: Sequence[str]) -> tuple[dict[str, Task], dict[str, str]]:
    """Tasks by name, and the spec that each is of.

    Raises:
        ValueError: If two have the same name.
    """
    tasks: dict[str, Task] = {}
    sources: dict[str, str] = {}
    for spec in specs:
        for task in load_benchmark(spec):
            if task.name in tasks:
                raise ValueError(f"The benchmark {task.name} is named twice: {sources[task.name]} and {spec}.")
            tasks[task.name], sources[task.name] = task, spec
    return tasks, sources


def load_encoder(path: str) -> Encoder:
    """A model and its processor, on the GPU if there is one.

    Raises:
        ValueError: If it is no dual encoder or has no processor.
    """
    model, processor = load_model(path)
    return Encoder(model.to("cuda" if torch.cuda.is_available() else "cpu"), processor, layout="auto")


def evaluate_models(specs: Sequence[str], benchmarks: Sequence[str], control: str | None = None) -> Evaluation:
    """Run every model on every benchmark.

    Args:
        specs: Models as `parse_models` takes them.
        benchmarks: As `load_benchmark` takes them.
        control: A further model, the one that the others are compared with.

    Raises:
        ValueError: On models or data that cannot be used; the message says what to do.
        FileNotFoundError: If a benchmark's files are not there.
    """
    control_model = parse_models([control]) if control else {}
    models = parse_models([*([control] if control else []), *(spec for spec in specs if spec != control)])
    tasks, sources = load_tasks(benchmarks)
    result = Evaluation(tasks, sources, models, next(iter(control_model), None))
    steps = tqdm(total=len(tasks) * sum(map(len, models.values())), desc="Evaluating", disable=None)
    for name, paths in models.items():
        runs: list[dict[str, dict[str, Outcome]]] = []
        for seed, path in enumerate(paths):
            encoder = load_encoder(path)
            run = {}
            for task in tasks.values():
                found = task.run(encoder)
                run[task.name], result.skipped[task.name] = found.scores, found.skipped
                row = {"model": name, "seed": seed, "task": task.name}
                result.items += [row | item for item in found.items]
                steps.update()
            runs.append(run)
            result.cut[name] = encoder.cut
        result.outcomes[name] = {task: join_seeds([run[task] for run in runs]) for task in tasks}
    steps.close()
    return result
