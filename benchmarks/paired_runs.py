"""Runs that are compared: many trainings, one process each, and their outcomes item by item."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from hf_hardneg.evaluation import Outcome
from hf_hardneg.evaluation.results import Outcomes, join_seeds


PARTS = ("values", "groups", "clusters")


def check_commit(work: Path) -> str:
    """The commit that the runs in `work` are of; runs of another one are never mixed in."""
    describe = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    now = subprocess.run(describe, capture_output=True, text=True, check=True).stdout.strip()
    work.mkdir(parents=True, exist_ok=True)
    mark = work / "commit.txt"
    if not mark.is_file():
        mark.write_text(now)
    if mark.read_text() != now:
        sys.exit(f"error: {work} holds runs of commit {mark.read_text()}, the tree is {now}; move or remove it.")
    return now


def run_jobs(jobs: Sequence[tuple[Path, Sequence[Sequence[str]]]]) -> None:
    """Run what is missing, one job for each core at a time.

    Args:
        jobs: For each the file that it makes, and the commands that make it. Their output goes to a .log beside it.
    """
    cores = os.cpu_count() or 1
    threads = max(1, cores // len(jobs))
    with ThreadPoolExecutor(max_workers=cores) as pool:
        for _ in tqdm(pool.map(partial(_run_job, threads), jobs), total=len(jobs), desc="Training runs"):
            pass


def _run_job(threads: int, job: tuple[Path, Sequence[Sequence[str]]]) -> None:
    file, commands = job
    if file.is_file():
        return
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".log").open("w") as log:
        for command in commands:
            subprocess.run([sys.executable, *command], env=environment, stdout=log, stderr=log, check=True)


def save_outcomes(outcomes: Outcomes, file: Path) -> None:
    """Save the outcome of every item of a run."""
    flat: dict[str, np.ndarray] = {}
    for task, scores in outcomes.items():
        for name, outcome in scores.items():
            flat |= {f"{task}/{name}/{part}": getattr(outcome, part) for part in PARTS}
    np.savez(file, **flat)  # type: ignore[arg-type]


def load_outcomes(files: Sequence[Path]) -> Outcomes:
    """The outcomes (S, N) of several seeds, by task and score."""
    runs: dict[str, list[dict[str, Outcome]]] = {}
    for file in files:
        arrays = np.load(file)
        scores = list(dict.fromkeys(tuple(key.split("/")[:2]) for key in arrays.files))
        for task in dict.fromkeys(task for task, _ in scores):
            of_task = {n: Outcome(*(arrays[f"{t}/{n}/{part}"] for part in PARTS)) for t, n in scores if t == task}
            runs.setdefault(task, []).append(of_task)
    return {task: join_seeds(of_task) for task, of_task in runs.items()}
