"""The paper's comparison on real photos: a start model continued without and with K = 1, 2, 3 hard negatives.

`make photos PHOTOS=DIR` needs a folder in COCO's layout with the splits train and val, such as Flickr8k. It builds a
start model on the training photos, continues it with each arm and each seed on the same rows for the same steps, and
judges all of them on the photos of val. Runs that are already in outputs/photos are not repeated. Writes results.json,
results.md and, of few arms, results.png beside this file.

With `--start openai/clip-vit-base-patch32` the same comparison runs with CLIP in the paper's setting, on a GPU.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hf_hardneg.evaluation import compare_to_control, summarize_outcomes
from hf_hardneg.evaluation.wrong_image import markdown_label
from hf_hardneg.versions import package_versions


HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from paired_runs import check_runs, find_commit, load_outcomes, run_jobs  # noqa: E402, it is in the folder above


START = "start"
LAST_FILE = "README.md"  # what a training writes last
MOST_BARS = 6  # for one score, side by side; more cannot be told apart
MIXED = "mixture_with_start"  # in arms: the arm whose weights are mixed with the start model's, by `alpha`


def read_arms(file: Path, work: Path) -> dict[str, dict[str, Any]]:
    """The arms of a file. `{work}` in a setting is the folder of the runs."""
    arms = yaml.safe_load(file.read_text())
    if START in arms:
        sys.exit(f"error: {file} names an arm {START!r}, which is the name of the start model; choose another.")
    return {
        name: {key: value.format(work=work) if isinstance(value, str) else value for key, value in settings.items()}
        for name, settings in arms.items()
    }


def prepare(photos: str, work: Path, arms: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the held-out tasks; the negatives of all makers and natural twins if an arm trains on them."""
    from judge import prepare_negatives, prepare_tasks, prepare_twins

    prepare_tasks(photos, work / "tasks")
    if any("negatives" in settings for settings in arms.values()):
        prepare_negatives(photos, work / "negatives")
    if any("twins" in settings for settings in arms.values()):
        prepare_twins(photos, work / "twins", "train")


def build_start(photos: str, work: Path) -> Path:
    """Train the start model, unless it is there."""
    folder = work / START
    if not (folder / LAST_FILE).is_file():
        from start_model import build_model

        from hf_hardneg.data import load_coco

        rows, _ = load_coco(photos, "train")
        model, processor = build_model(rows["caption"])
        model.save_pretrained(work / "random")
        processor.save_pretrained(work / "random")
        flags = ["--dataset", photos, "--model_name_or_path", str(work / "random"), "--output_dir", str(folder)]
        run_jobs([(folder / LAST_FILE, [["-m", "hf_hardneg.train", str(HERE / "start.yaml"), *flags]])])
    return folder


def slug(name: str) -> str:
    """A name as a part of a folder's name."""
    return re.sub("[^a-z0-9]+", "_", name.lower()).strip("_")


def run_name(arm: str, settings: Mapping[str, Any]) -> str:
    """A folder's name for an arm; other settings have another one."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return f"{slug(arm)}_{digest[:6]}"


def find_runs(
    work: Path, start: str, arms: Mapping[str, Mapping[str, Any]], seeds: Sequence[int]
) -> dict[str, list[tuple[str, Path]]]:
    """For the start model and each arm: for each seed the model and the file of its outcomes."""
    outcomes = work / "outcomes"
    runs = {START: [(start, outcomes / "start.npz")]}
    for name, settings in arms.items():
        if MIXED in settings:  # other settings of the arm that is mixed make another mixture
            settings = {**settings, MIXED: arms[settings[MIXED]]}
        names = [f"{run_name(name, settings)}_seed{seed}" for seed in seeds]
        runs[name] = [(str(work / one), outcomes / f"{one}.npz") for one in names]
    return runs


def train_arms(
    photos: str,
    start: str,
    recipe: Path,
    arms: Mapping[str, Mapping[str, Any]],
    seeds: Sequence[int],
    runs: Mapping[str, Sequence[tuple[str, Path]]],
) -> None:
    """Train what is missing: each arm with each seed. An arm that is a mixture is not trained."""
    jobs = []
    for name, settings in arms.items():
        if MIXED in settings:
            continue
        for seed, (folder, _) in zip(seeds, runs[name], strict=True):
            flags = {"dataset": photos, "model_name_or_path": start, "output_dir": folder, "seed": seed, **settings}
            words = [word for key, value in flags.items() for word in (f"--{key}", *_words(value))]
            jobs.append((Path(folder, LAST_FILE), [["-m", "hf_hardneg.train", str(recipe), *words]]))
    run_jobs(jobs)


def mix_arms(
    start: str, arms: Mapping[str, Mapping[str, Any]], runs: Mapping[str, Sequence[tuple[str, Path]]]
) -> None:
    """Save the mixtures that are missing: between the start model and the trained models of another arm."""
    from hf_hardneg.evaluation.weight_interpolation import mix_weights
    from hf_hardneg.model import load_model

    for name, settings in arms.items():
        if MIXED not in settings:
            continue
        for (tuned, _), (folder, file) in zip(runs[settings[MIXED]], runs[name], strict=True):
            if not file.is_file():
                model, processor = load_model(start)
                model.load_state_dict(mix_weights(model, load_model(tuned)[0], settings["alpha"]))
                model.save_pretrained(folder)
                processor.save_pretrained(folder)


def judge_models(tasks: Path, runs: Mapping[str, Sequence[tuple[str, Path]]]) -> None:
    """Judge what is missing. A process for each core: its models share what their vision tower makes of the photos."""
    missing = [run for of_arm in runs.values() for run in of_arm if not run[1].is_file()]
    cores = os.cpu_count() or 1
    jobs = []
    for share in filter(None, (missing[core::cores] for core in range(cores))):
        words = [str(word) for model, file in share for word in (model, file)]
        jobs.append((share[-1][1], [[str(HERE / "judge.py"), str(tasks), *words]]))  # makes the last file last
    run_jobs(jobs)


def _words(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def write_results(report: dict[str, Any], files: Mapping[str, Sequence[Path]], place: Path) -> None:
    """Summarize all runs in results.json, results.md and results.png."""
    from figure import draw_results

    outcomes = {name: load_outcomes(of_arm) for name, of_arm in files.items()}
    control = next(name for name in files if name != START)
    results = {
        name: {task: summarize_outcomes(scores) for task, scores in tasks.items()} for name, tasks in outcomes.items()
    }
    differences = {
        name: {task: compare_to_control(scores, outcomes[control][task]) for task, scores in tasks.items()}
        for name, tasks in outcomes.items()
        if name not in (START, control)
    }
    over = "seeds and photos" if len(report["seeds"]) > 1 else "photos; one seed says nothing about other seeds"
    report |= {"intervals": f"95 %, bootstrap over {over}"}
    report |= {"results": _for_json(results), "differences": _for_json(differences)}
    place.mkdir(parents=True, exist_ok=True)
    # Further digits are noise. With them and with indents, the file has more than the 100 kB that a source package
    # takes.
    rounded = json.loads(json.dumps(report), parse_float=lambda number: round(float(number), 8))
    (place / "results.json").write_text(json.dumps(rounded, indent=0) + "\n")
    (place / "results.md").write_text(format_results(results, differences) + "\n")
    if len(results) <= MOST_BARS:
        draw_results(results, place / "results.png", f"Held-out photos, seeds: {len(report['seeds'])}")


def _for_json(by_arm: Mapping[str, Any]) -> dict[str, Any]:
    """Of many arms the scores of all items only, since the file must stay small; results.md has all groups."""
    return {
        arm: {
            t: {g: of for g, of in groups.items() if g == "all" or len(by_arm) <= MOST_BARS}
            for t, groups in tasks.items()
        }
        for arm, tasks in by_arm.items()
    }


def format_results(results: Mapping[str, Any], differences: Mapping[str, Any]) -> str:
    """A Markdown table: a line for each score, a column for each arm."""
    lines = ["| task | score | n | " + " | ".join(results) + " |", "|---" * (3 + len(results)) + "|"]
    for task, groups in results[START].items():
        for group, scores in groups.items():
            for name, first in scores.items():
                cells = [task if group == "all" else f"{task}, {group}", markdown_label(name), f"{first['n']:,}"]
                for arm, tasks in results.items():
                    score = tasks[task][group][name]
                    cell = f"{score['value']:.1f} [{score['low']:.1f}, {score['high']:.1f}]"
                    difference = differences.get(arm, {}).get(task, {}).get(group, {}).get(name)
                    sign = {"better": " ▲", "worse": " ▼"}.get(difference["mark"], "") if difference else ""
                    cells.append(cell + sign)
                lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", help="a folder in COCO's layout, with the splits train and val")
    parser.add_argument("--start", help="a model to start from (default: one is built and trained)")
    parser.add_argument("--recipe", type=Path, help="settings of all arms (default: continue.yaml, or clip.yaml)")
    parser.add_argument("--arms", type=Path, default=HERE / "arms.yaml", help="what is compared")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--work", type=Path, help="where models and outcomes go (default: in outputs)")
    parser.add_argument("--results", type=Path, help="where the results go (default: here; with --start in --work)")
    args = parser.parse_args()
    name = f"photos_{slug(args.start)}" if args.start else "photos"
    args.work = args.work or Path("outputs", name)
    args.results = args.results or (args.work / "results" if args.start else HERE)
    recipe = args.recipe or HERE / ("clip.yaml" if args.start else "continue.yaml")
    made_with = {
        "commit": find_commit(),
        "photos": str(Path(args.photos).resolve()),
        "start": args.start,
        "recipe": yaml.safe_load(recipe.read_text()),
    }
    check_runs(args.work, made_with)
    arms = read_arms(args.arms, args.work)
    prepare(args.photos, args.work, arms)
    start = args.start or str(build_start(args.photos, args.work))
    runs = find_runs(args.work, start, arms, args.seeds)
    train_arms(args.photos, start, recipe, arms, args.seeds, runs)
    mix_arms(start, arms, runs)
    judge_models(args.work / "tasks", runs)
    report = {
        "command": "make photos" if args.arms == HERE / "arms.yaml" else f"make photos ARMS={args.arms.name}",
        "trained_at_commit": made_with["commit"],
        "photos": Path(args.photos).name,
        "start": args.start or "start.yaml",
        "recipe": made_with["recipe"],
        "arms": yaml.safe_load(args.arms.read_text()),
        "seeds": args.seeds,
        "versions": package_versions() | {"python": platform.python_version()},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one core a run",
    }
    write_results(report, {name: [file for _, file in of_arm] for name, of_arm in runs.items()}, args.results)
    print((args.results / "results.md").read_text())


if __name__ == "__main__":
    main()
