"""report.html: what an evaluation found, on one page that needs no other file.

It is made of what lies in the evaluation's folder: metrics.json, items.parquet and report_images.parquet.
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from ..evaluation.choice_scores import LOWER_IS_BETTER
from ..evaluation.results import ALL, MACRO
from ..evaluation.tasks import Task
from .charts import Series, draw_interval, draw_plane, draw_scale, key
from .mistakes import SAMPLE_SIZE, SEED, count_mistakes, describe_mistakes, read_choices, read_metrics, sample_mistakes
from .thumbnails import MAX_BYTES, Thumbnails, make_thumbnails, read_thumbnails, save_thumbnails
from .training_curves import Run, draw_training, find_state, read_log


TEMPLATES = Path(__file__).parent / "templates"
FILE = "report.html"
MAIN_SCORES = (
    ("group",),
    ("image_to_text",),
    ("text_to_image",),
    ("top1",),
    ("image_to_text_R@1", "text_to_image_R@1"),
)
"""What stands for a task: the first of these that it has; `interpolate.main_score` takes the same."""
MOST_GROUPS = 12  # of the scores beside the main one; a task with more shows their means only


@dataclass
class Extras:
    """What a page shows beside the evaluation itself: curve.json of an interpolation, and training runs."""

    curve: dict[str, Any] | None = None
    runs: list[Run] = field(default_factory=list)


def main_scores(groups: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the scores that stand for a task, two for retrieval."""
    names = next(iter(groups.values()))
    return next(scores for scores in MAIN_SCORES if all(name in names for name in scores))


def main_group(groups: Mapping[str, Any], is_choice: bool) -> str:
    """The group that stands for a task: the mean of all, and the whole of retrieval rather than its folds."""
    return MACRO if is_choice and MACRO in groups else next(iter(groups))


def model_numbers(metrics: Mapping[str, Any]) -> dict[str, int]:
    """The color and shape of each model; number 0, gray, is the control's, which is the first where there is one."""
    first = 0 if metrics["control"] else 1
    return {name: first + i for i, name in enumerate(metrics["models"])}


def label_score(name: str) -> str:
    """A score's name for people.

    Examples:
        >>> label_score("image_to_text_R@1"), label_score("brittleness")
        ('image → text R@1', 'brittleness ↓')
    """
    words = name.replace("_to_", " → ").replace("_", " ")
    return f"{words} ↓" if name in LOWER_IS_BETTER else words


def score_rows(metrics: Mapping[str, Any], task: str, group: str, score: str) -> dict[str, Any]:
    """A score of all models: chance, n, skipped, and "models", each with value, interval, difference and chart."""
    rows = []
    for model, number in model_numbers(metrics).items():
        value = metrics["results"][model][task][group][score]
        difference = metrics["differences"].get(model, {}).get(task, {}).get(group, {}).get(score)
        rows.append({"name": model, **value, "difference": difference, "svg": draw_interval(value, number)})
    first = rows[0]
    facts = {name: first[name] for name in ("n", "skipped", "chance")}
    return {"task": task, "group": group, "score": score, "label": label_score(score), **facts, "models": rows}


def headline(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The scores that stand for each task."""
    rows = []
    for task, groups in _of_first_model(metrics).items():
        group = main_group(groups, bool(metrics["benchmarks"][task]["belongs"]))
        rows += [score_rows(metrics, task, group, score) for score in main_scores(groups)]
    return rows


def _of_first_model(metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(iter(metrics["results"].values()))


def panels(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each task its main scores by group, and "more", the others (of many groups only the means)."""
    made = []
    for task, groups in _of_first_model(metrics).items():
        main = main_scores(groups)
        names = list(dict.fromkeys(name for of_group in groups.values() for name in of_group))
        means = [group for group in groups if group in (MACRO, ALL)] or list(groups)
        few = list(groups) if len(groups) <= MOST_GROUPS else means
        by_score = {
            name: [score_rows(metrics, task, g, name) for g in (groups if name in main else few) if name in groups[g]]
            for name in names
        }
        facts = {key: metrics["benchmarks"][task][key] for key in ("source", "items")}
        parts = [{"label": label_score(name), "rows": rows} for name, rows in by_score.items()]
        shown = [part for part, name in zip(parts, by_score, strict=True) if name in main]
        more = [part for part, name in zip(parts, by_score, strict=True) if name not in main]
        made.append({"task": task, **facts, "main": shown, "more": more, "many": len(groups) > MOST_GROUPS})
    return made


def verdicts(metrics: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each model beside the control: which headline scores are better, worse, or neither beyond the interval."""
    found = []
    for i, model in enumerate(metrics["models"]):
        if model == metrics["control"] or not metrics["differences"]:
            continue
        kinds: dict[str, list[str]] = {"better": [], "worse": [], "": []}
        for row in rows:
            difference = row["models"][i]["difference"]
            kinds[difference["mark"]].append(f"{row['task']} {row['label']} ({difference['value']:+.1f})")
        found.append({"model": model, **kinds, "same": kinds[""]})
    return found


def main_value(metrics: Mapping[str, Any], model: str, task: str) -> float:
    """The one number of a task, in percent."""
    groups = metrics["results"][model][task]
    group = groups[main_group(groups, bool(metrics["benchmarks"][task]["belongs"]))]
    names = main_scores(groups)
    return sum(group[name]["value"] for name in names) / len(names)


def tradeoff(metrics: Mapping[str, Any], curve: Mapping[str, Any] | None) -> dict[str, Any]:
    """Gain against retention of each model, with the interpolation's curve where it is of the same tasks.

    Returns:
        "why_not", a sentence, or "svg", "points" (name, number, retention, change of it, gain), "gain_tasks",
        "retention_tasks", "reference" (the model that retention is relative to) and "curve" (a sentence or "").
    """
    tasks = metrics["benchmarks"]
    gain = [task for task, facts in tasks.items() if facts["belongs"]]
    retention = [task for task in tasks if task not in gain]
    told = ""
    if curve is not None:
        named = [*curve["gain_tasks"], *curve["retention_tasks"]]
        other = [task for task in named if task not in tasks]
        if other:
            told = f"The interpolation's curve is left out: it measured {', '.join(other)}, which is not here."
            curve = None
        else:
            gain, retention = curve["gain_tasks"], curve["retention_tasks"]
    if not gain or not retention:
        side = "choices, for the gain" if not gain else "retrieval or classification, for what was forgotten"
        return {"why_not": f"There is no plot of gain against forgetting: no benchmark of {side}."}
    values = {
        model: [sum(main_value(metrics, model, t) for t in side) / len(side) for side in (retention, gain)]
        for model in metrics["models"]
    }
    start = [name for name, model in metrics["models"].items() if curve and model["paths"] == [curve["start"]]]
    reference = (start or [metrics["control"] or next(iter(values))])[0]
    zero = values[reference][0]
    numbers = model_numbers(metrics)
    points = [
        {"name": name, "number": numbers[name], "retention": x, "change": x - zero, "gain": y}
        for name, (x, y) in values.items()
    ]
    series = [Series(p["name"], p["number"], [(p["change"], p["gain"])]) for p in points]
    if curve is not None:
        series.insert(0, _curve_series(curve))
        told = (
            f"Line: weights between {curve['start']} (alpha 0) and {curve['tuned']} (alpha 1), on the photos that did "
            f"not choose alpha, relative to its own start; the ring is alpha {curve['chosen']:g}, which was chosen."
        )
    alt = "; ".join(f"{p['name']}: gain {p['gain']:.1f}, retention {p['change']:+.1f}" for p in points)
    labels = (f"retention: points beside {reference}", "gain (%)")
    facts = {"gain_tasks": gain, "retention_tasks": retention, "reference": reference, "curve": told}
    return {"svg": draw_plane(series, *labels, alt, zero=True), "points": points, **facts}


def _curve_series(curve: Mapping[str, Any]) -> Series:
    test = curve["test"]
    points = [(x - test["retention"][0], y) for x, y in zip(test["retention"], test["gain"], strict=True)]
    return Series(f"α {curve['chosen']:g}", None, points, line=True, ring=list(curve["alphas"]).index(curve["chosen"]))


def list_skipped(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was left out: task, reason, count, and how many of which groups."""
    rows: dict[tuple[str, str], dict[str, int]] = {}
    for task, facts in metrics["benchmarks"].items():
        for group, counts in facts["skipped"].items():
            for reason, count in counts.items():
                rows.setdefault((task, reason), {})[group] = count
    return [
        {"task": task, "reason": reason, "count": sum(groups.values()), "groups": groups}
        for (task, reason), groups in rows.items()
    ]


def embed(thumbnails: Thumbnails) -> dict[tuple[str, str], str]:
    """Data URIs of pictures."""
    return {name: f"data:image/webp;base64,{base64.b64encode(data).decode()}" for name, data in thumbnails.items()}


def build_page(
    metrics: Mapping[str, Any],
    mistakes: Sequence[Mapping[str, Any]],
    counts: Mapping[str, Any],
    thumbnails: Thumbnails,
    extras: Extras,
) -> str:
    """The page, of what `read_metrics`, `describe_mistakes`, `count_mistakes` by task and `find_extras` give."""
    loader = FileSystemLoader(TEMPLATES)
    others = [name for name in metrics["models"] if name != metrics["control"]] or list(metrics["models"])
    template = Environment(autoescape=True, loader=loader, trim_blocks=True, lstrip_blocks=True).get_template(FILE)
    rows, numbers = headline(metrics), model_numbers(metrics)
    missing = {(m["task"], name) for m in mistakes for name in m["images"]} - thumbnails.keys()
    return template.render(
        metrics=metrics,
        control=metrics["control"],
        others=others,
        chosen_from=list(dict.fromkeys([*others, *metrics["models"]])),
        keys={name: key(number) for name, number in numbers.items()},
        scale=draw_scale(),
        headline=rows,
        verdicts=verdicts(metrics, rows),
        panels=panels(metrics),
        tradeoff=tradeoff(metrics, extras.curve),
        skipped=list_skipped(metrics),
        mistakes=mistakes,
        counts=counts,
        pictures=embed(thumbnails),
        missing=len(missing),
        training=draw_training(extras.runs),
        label_score=label_score,
        key=key,
        seed=SEED,
        size=SAMPLE_SIZE,
        megabytes=math.ceil(_most_bytes(metrics) / 1e6),
    )


def _most_bytes(metrics: Mapping[str, Any]) -> int:
    """What all pictures can take in base64."""
    images = max((len(facts["belongs"]) for facts in metrics["benchmarks"].values() if facts["belongs"]), default=0)
    return SAMPLE_SIZE * images * MAX_BYTES * 4 // 3


def find_extras(metrics: Mapping[str, Any], folders: Sequence[Path]) -> Extras:
    """curve.json and trainer_state.json in `folders`, and the latter in those of the models.

    Raises:
        ValueError: If a folder but the first, which is the evaluation's, has neither, or there are two curves.
    """
    numbers, extras, states = model_numbers(metrics), Extras(), {}
    for name, model in metrics["models"].items():
        for seed, path in enumerate(model["paths"]):
            file = find_state(Path(path))
            if file:
                run = name if len(model["paths"]) == 1 else f"{name}, seed {seed}"
                states[file.resolve()] = Run(run, numbers[name], read_log(file))
    for i, folder in enumerate(folders):
        state, curve = find_state(folder), folder / "curve.json"
        if i and not state and not curve.is_file():
            raise ValueError(f"{folder} has neither curve.json of hf-hardneg interpolate nor a trainer_state.json.")
        if state and state.resolve() not in states:
            number = max([*numbers.values(), *(run.number for run in states.values())]) + 1
            states[state.resolve()] = Run(folder.name, number, read_log(state))
        if curve.is_file():
            if extras.curve:
                raise ValueError(f"{curve} is a second curve; a page shows one.")
            extras.curve = json.loads(curve.read_text(encoding="utf-8"))
    extras.runs = list(states.values())
    return extras


def write_report(folder: Path, extra_folders: Sequence[Path] = (), tasks: Mapping[str, Task] | None = None) -> Path:
    """Write report.html from what lies in an evaluation's folder.

    Args:
        folder: With metrics.json and items.parquet.
        extra_folders: With curve.json or trainer_state.json.
        tasks: Where the pictures are still to be made, and saved as report_images.parquet.

    Raises:
        FileNotFoundError, ValueError: If files are missing or are of something else.
    """
    metrics, file = read_metrics(folder), folder / "items.parquet"
    choices = read_choices(file, metrics)
    mistakes = describe_mistakes(choices, sample_mistakes(choices), file, metrics)
    if tasks is not None:
        wanted = ((mistake["task"], name) for mistake in mistakes for name in mistake["images"])
        save_thumbnails(make_thumbnails(tasks, wanted), folder)
    counts = {task: count_mistakes(of_task, metrics["control"]) for task, of_task in choices.items()}
    extras = find_extras(metrics, [folder, *extra_folders])
    page = build_page(metrics, mistakes, counts, read_thumbnails(folder), extras)
    (folder / FILE).write_text(page, encoding="utf-8")
    return folder / FILE
