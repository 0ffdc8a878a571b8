"""The paper's experiment in miniature: the start model continued without and with K = 1, 2, 3 hard negatives.

`make miniature` trains each K with three seeds on the same rows for the same steps (recipes/demo.yaml but for the
steps), two runs at a time on a core each, and judges them on held-out scenes that no setting was chosen on. Runs that
are already in outputs/miniature are not repeated. Writes results.json, results.md and results.png beside this file.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from hf_hardneg.evaluation.results import Outcomes
from hf_hardneg.training.arguments import Arguments
from hf_hardneg.training.recipe import parse_arguments
from hf_hardneg.versions import package_versions


HERE, WORK = Path(__file__).parent, Path("outputs/miniature")
STEPS, SEEDS, KS = 1500, (0, 1, 2), (0, 1, 2, 3)
PARTS = ("values", "groups", "clusters")
NAMES = {0: "control (K = 0)", 1: "K = 1", 2: "K = 2", 3: "K = 3"}


def arguments(seed: int) -> Arguments:
    """The demo recipe with the miniature's steps and a seed."""
    flags = ["--seed", str(seed), "--max_steps", str(STEPS), "--control", "false", "--output_dir", str(WORK / "run")]
    quiet = ["--dataloader_num_workers", "0", "--disable_tqdm", "true", "--num_proc", "1"]
    return parse_arguments(["demo.yaml", *flags, *quiet])


def train_one(k: int, seed: int) -> None:
    """Train with K and seed and save the outcome of every held-out item; K = -1 judges the start model."""
    from hf_hardneg.evaluation.results import collect_outcomes
    from hf_hardneg.model.encoding import text_limit
    from hf_hardneg.model.loading import START_MODEL, load_model
    from hf_hardneg.training.prepare import prepare_data
    from hf_hardneg.training.run import train_model

    of_seed = arguments(seed)
    most_negatives = of_seed._replace(training=replace(of_seed.training, num_negatives=max(KS)))
    model, processor = load_model(str(START_MODEL))
    data = prepare_data(most_negatives, processor.tokenizer, text_limit(model))
    if k >= 0:
        training = replace(of_seed.training, num_negatives=k)
        model = train_model(NAMES[k], of_seed._replace(training=training), data).model
    outcomes = collect_outcomes(model, processor, data.pairs, data.held_out)
    flat = {
        f"{task}/{name}/{part}": getattr(outcome, part)
        for task, scores in outcomes.items()
        for name, outcome in scores.items()
        for part in PARTS
    }
    np.savez(WORK / f"k{k}_seed{seed}.npz", **flat)


def run_job(job: tuple[int, int]) -> None:
    """Run `train_one` in a process of its own on one core, unless its outcome is there."""
    k, seed = job
    if (WORK / f"k{k}_seed{seed}.npz").is_file():
        return
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with open(WORK / f"k{k}_seed{seed}.log", "w") as log:
        command = [sys.executable, __file__, "--one", str(k), str(seed)]
        subprocess.run(command, env=environment, stdout=log, stderr=log, check=True)


def check_commit() -> str:
    """The commit that the runs in outputs/miniature are of; runs of another one are never mixed in."""
    describe = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    now = subprocess.run(describe, capture_output=True, text=True, check=True).stdout.strip()
    WORK.mkdir(parents=True, exist_ok=True)
    mark = WORK / "commit.txt"
    if not mark.is_file():
        mark.write_text(now)
    if mark.read_text() != now:
        sys.exit(f"error: {WORK} holds runs of commit {mark.read_text()}, the tree is {now}; move or remove it.")
    return now


def write_results(commit: str) -> None:
    """Summarize all runs in results.json, results.md and results.png."""
    from hf_hardneg.evaluation.results import summarize_run
    from hf_hardneg.report.table import draw_figure, format_table

    results = {"start": summarize_run(load_outcomes(-1, (0,)))}
    results |= {NAMES[k]: summarize_run(load_outcomes(k, SEEDS)) for k in KS}
    report = {
        "command": "make miniature",
        "trained_at_commit": commit,
        "steps": STEPS,
        "seeds": SEEDS,
        "rows": arguments(0).data.num_rows,
        "intervals": "95 %, bootstrap over seeds and items",
        "results": results,
        "versions": package_versions() | {"python": platform.python_version()},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, no accelerator, one core a run",
    }
    (HERE / "results.json").write_text(json.dumps(report, indent=1) + "\n")
    (HERE / "results.md").write_text(format_table(results) + "\n")
    title = f"The paper's experiment in miniature ({STEPS} steps, {len(SEEDS)} seeds)"
    draw_figure(results, HERE / "results.png", title)


def load_outcomes(k: int, seeds: tuple[int, ...]) -> Outcomes:
    """Outcomes (S, N) of all seeds, by task and score."""
    from hf_hardneg.evaluation.results import join_seeds
    from hf_hardneg.evaluation.tasks import Outcome

    files = [np.load(WORK / f"k{k}_seed{seed}.npz") for seed in seeds]
    runs: dict[str, list[dict[str, Outcome]]] = {}
    for file in files:
        scores = sorted({tuple(key.split("/")[:2]) for key in file.files})
        for task in {task for task, _ in scores}:
            of_task = {n: Outcome(*(file[f"{t}/{n}/{p}"] for p in PARTS)) for t, n in scores if t == task}
            runs.setdefault(task, []).append(of_task)
    return {task: join_seeds(of_task) for task, of_task in runs.items()}


def main() -> None:
    """Run what is missing and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", type=int, nargs=2, metavar=("K", "SEED"), help="run one training only")
    one = parser.parse_args().one
    commit = check_commit()
    if one:
        train_one(*one)
        return
    jobs = [(-1, 0), *((k, seed) for seed in SEEDS for k in reversed(KS))]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for _ in tqdm(pool.map(run_job, jobs), total=len(jobs), desc="Training runs"):
            pass
    write_results(commit)
    print((HERE / "results.md").read_text())


if __name__ == "__main__":
    main()
