"""Runs that are compared: many trainings, one process each, and their outcomes item by item."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from hf_hardneg.evaluation import Outcome
from hf_hardneg.evaluation.results import Outcomes, join_seeds


PARTS = ("values", "groups", "clusters")


# Written by the runs themselves, and read by none.
RESULTS = ":(exclude,top,glob)benchmarks/**/results.*"


def find_commit() -> str:
    """The commit of the tree; with changes that are not committed, also a digest of them. Results do not count."""
    commit = _git("rev-parse", "--short", "HEAD").decode().strip()
    changes = _git("diff", "HEAD", "--", ":/", RESULTS)
    return f"{commit}-dirty-{hashlib.sha256(changes).hexdigest()[:8]}" if changes else commit


def _git(*words: str) -> bytes:
    return subprocess.run(["git", *words], capture_output=True, check=True).stdout


def check_runs(work: Path, made_with: Mapping[str, Any]) -> None:
    """Refuse to mix the runs in `work` with others.

    Args:
        work: Where the runs go. It keeps in made_with.json what they were made with.
        made_with: What the runs to come are made with: the commit, and whatever else all of them share.
    """
    work.mkdir(parents=True, exist_ok=True)
    mark = work / "made_with.json"
    if not mark.is_file():
        mark.write_text(json.dumps(made_with, indent=1) + "\n")
    before = json.loads(mark.read_text())
    for name in made_with:
        if before.get(name) != made_with[name]:
            sys.exit(
                f"error: the runs in {work} have the {name} {before.get(name)}, now it is {made_with[name]}; "
                "move or remove them."
            )


def run_jobs(jobs: Sequence[tuple[Path, Sequence[Sequence[str]]]]) -> None:
    """Run what is missing, one job for each core at a time.

    Args:
        jobs: For each the file that it makes, and the commands that make it. Their output goes to a .log beside it.
    """
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for _ in tqdm(pool.map(_run_job, jobs), total=len(jobs), desc="Training runs"):
            pass


def _run_job(job: tuple[Path, Sequence[Sequence[str]]]) -> None:
    file, commands = job
    if file.is_file():
        return
    environment = {
        **os.environ,
        # Also if it is alone: two threads wait for each other, and beside other work that takes four times as long.
        "OMP_NUM_THREADS": "1",
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
    part = file.with_suffix(".part.npz")
    np.savez(part, **flat)  # type: ignore[arg-type]
    part.replace(file)  # a file that is there is complete


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
