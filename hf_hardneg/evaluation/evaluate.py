"""Run models on benchmarks, beside a control. `hf-hardneg evaluate` calls `evaluate_models`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from ..model.encoding import load_encoder
from ..model.image_features import TowerFeatures
from .benchmarks import benchmark_options, load_benchmark, parse_benchmark
from .embeddings_file import ENDING, read_embeddings
from .results import ALL, MACRO, Outcomes, Results, compare_to_control, join_seeds, summarize_outcomes
from .tasks import Skipped, Task, TaskOutcomes


@dataclass
class Evaluation:
    """All outcomes of several models on several tasks.

    Attributes:
        tasks: The tasks, by name.
        sources: For each task, the benchmark that it belongs to, as the user named it.
        models: For each model, its paths or Hub ids; several are training seeds of one model.
        control: The model that the others are compared with, or None.
        outcomes: By model and task; with S training seeds the values have shape (S, N).
        skipped: For each task, the items that were left out, the same of all models.
        items: One row for each model, seed, task and item.
        cut: For each model, how many texts were longer than its position table and were cut there.
        identical: By model and task, how many items have a wrong answer that the model cannot tell from a right one.
    """

    tasks: dict[str, Task]
    sources: dict[str, str]
    models: dict[str, list[str]]
    control: str | None
    outcomes: dict[str, Outcomes] = field(default_factory=dict)
    skipped: dict[str, Skipped] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    cut: dict[str, int] = field(default_factory=dict)
    identical: dict[str, dict[str, int]] = field(default_factory=dict)

    def results(self) -> dict[str, dict[str, Results]]:
        """Values with intervals, by model and task. Each score has "skipped": the skipped items of its group."""
        results = {}
        for model, outcomes_by_task in self.outcomes.items():
            results[model] = {task: summarize_outcomes(outcomes) for task, outcomes in outcomes_by_task.items()}
            for task, groups in results[model].items():
                for group, scores in groups.items():
                    is_part = len(groups) > 1 and group not in (MACRO, ALL)
                    for name, score in scores.items():
                        is_whole_task = not (is_part and outcomes_by_task[task][name].is_partition)
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

    A path that exists is one path, whatever its name holds.

    Returns:
        The paths of each model, by its name.

    Raises:
        ValueError: If two models have the same name, or a path is empty.

    Examples:
        >>> parse_models(["outputs/k1", "ours=run/0,run/1"])
        {'outputs/k1': ['outputs/k1'], 'ours': ['run/0', 'run/1']}
    """
    models: dict[str, list[str]] = {}
    for spec in specs:
        name, _, paths = spec.partition("=")
        if not paths or Path(spec).expanduser().exists():
            name = paths = spec
        if name in models:
            raise ValueError(f"Two models are called {name!r}; give them different names with NAME=PATH.")
        models[name] = [paths] if Path(paths).expanduser().exists() else paths.split(",")
        if "" in models[name]:
            raise ValueError(f"{spec!r} names an empty path; write NAME=PATH,PATH,... without a comma too many.")
    return models


def load_tasks(
    specs: Sequence[str], columns: Mapping[str, str | None] | None = None
) -> tuple[dict[str, Task], dict[str, str]]:
    """Load benchmarks.

    Args:
        specs: Benchmarks as `load_benchmark` takes them.
        columns: The wished image_column and label_column, for those benchmarks that have such an option; None for the
            usual ones.

    Returns:
        The tasks by name, and for each of them the benchmark that it belongs to.

    Raises:
        ValueError: If two tasks have the same name, the data cannot be used, or no benchmark has such a column.
        FileNotFoundError: If files of a benchmark are missing.
    """
    wishes = {option: column for option, column in (columns or {}).items() if column is not None}
    options = {spec: benchmark_options(parse_benchmark(spec)[0]) for spec in specs}
    for option, column in wishes.items():
        if not any(option in known for known in options.values()):
            raise ValueError(
                f"--{option} {column} fits none of the benchmarks {', '.join(specs)}: they read the files as their "
                "authors publish them."
            )
    tasks: dict[str, Task] = {}
    sources: dict[str, str] = {}
    for spec, known in options.items():
        for task in load_benchmark(spec, **{option: wishes[option] for option in wishes if option in known}):
            if task.name in tasks:
                raise ValueError(f"The benchmark {task.name} is named twice: {sources[task.name]} and {spec}.")
            tasks[task.name], sources[task.name] = task, spec
    return tasks, sources


def _require_same_items(
    task: str, first: str, first_items: Sequence[dict[str, Any]], other: str, other_items: Sequence[dict[str, Any]]
) -> None:
    """Refuse two models that stand in one table and were scored on different items.

    A file of embeddings has a row for an image that a model cannot read. So the file would be scored on more items.
    """
    keys, other_keys = ([(item["item"], *item["images"]) for item in items] for items in (first_items, other_items))
    if keys != other_keys:
        images, other_images = ({image for _, *names in part for image in names} for part in (keys, other_keys))
        differing = ", ".join(sorted(images ^ other_images)[:3]) or "some of the images"
        raise ValueError(
            f"{task}: {first} was scored on {len(keys):,} items and {other} on {len(other_keys):,}, but models in one "
            f"table need the same ones; only one of them has {differing}. Repair or remove "
            "images that cannot be read (and their rows in .npz files), or evaluate these models apart."
        )


def evaluate_models(
    specs: Sequence[str],
    benchmarks: Sequence[str],
    control: str | None = None,
    *,
    image_column: str | None = None,
    label_column: str | None = None,
) -> Evaluation:
    """Run every model on every benchmark.

    Args:
        specs: Models: "PATH", "NAME=PATH", or "NAME=PATH,PATH,..." for training seeds of one model. A path is a
            folder, a Hub id, ID@REVISION, or a .npz file of embeddings (`embeddings_file.read_embeddings`).
        benchmarks: "NAME", "NAME=SOURCE" or "NAME=SOURCE:SPLIT", such as "scenes", "sugarcrepe=data/sugar-crepe" or
            "zero_shot=org/birds:validation".
        control: A further model, written like the others. The others are compared with it.
        image_column: The column of the images, in benchmarks that are datasets of one's own; by default it is found.
        label_column: The column of the labels, in zero_shot; by default it is found.

    Returns:
        The outcomes; `results()` has percentages with intervals and `differences()` compares with the control.

    Raises:
        OSError: If there is no such model.
        ValueError: If a model or the data cannot be used, or two models were scored on different items; the message
            says what to do.
        FileNotFoundError: If files of a benchmark are missing; the message says what to download.

    Examples:
        >>> from hf_hardneg.model import START_MODEL
        >>> evaluation = evaluate_models([f"start={START_MODEL}"], ["scenes"])  # doctest: +SKIP
        >>> round(evaluation.results()["start"]["scenes"]["color"]["group"]["value"], 1)  # doctest: +SKIP
        2.0
    """
    control_name = next(iter(parse_models([control])), None) if control else None
    models = parse_models([*([control] if control else []), *(spec for spec in specs if spec != control)])
    tasks, sources = load_tasks(benchmarks, {"image_column": image_column, "label_column": label_column})
    evaluation = Evaluation(tasks, sources, models, control_name)
    progress = tqdm(total=len(tasks) * sum(map(len, models.values())), desc="Evaluating", disable=None)
    first: dict[str, tuple[str, list[dict[str, Any]]]] = {}  # by task, the first path and its items
    tower_features = TowerFeatures()
    for name, paths in models.items():
        runs: list[Outcomes] = []
        for seed, path in enumerate(paths):
            encoder = None if path.endswith(ENDING) else load_encoder(path, tower_features)
            run: dict[str, TaskOutcomes] = {}
            # Sorted, because what shares a batch decides the last digits: the order of the benchmarks must not matter.
            for task in sorted(tasks):
                run[task] = tasks[task].run(encoder or read_embeddings(path, tasks[task], len(tasks) == 1))
                _require_same_items(task, *first.setdefault(task, (path, run[task].items)), path, run[task].items)
                progress.update()
            for task in tasks:
                row = {"model": name, "seed": seed, "task": task}
                evaluation.items += [row | item for item in run[task].items]
                evaluation.skipped[task] = run[task].skipped
            runs.append({task: outcomes.scores for task, outcomes in run.items()})
            evaluation.identical[name] = {task: run[task].identical for task in tasks}
            evaluation.cut[name] = encoder.cut if encoder else 0
        evaluation.outcomes[name] = {task: join_seeds([run[task] for run in runs]) for task in tasks}
    progress.close()
    return evaluation
