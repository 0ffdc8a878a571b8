"""The paper's experiment in miniature: the start model continued without and with K = 1, 2, 3 hard negatives.

`make miniature` trains each K with three seeds on the same rows for the same steps (recipes/demo.yaml but for the
steps), two runs at a time on a core each, and judges them on held-out scenes that no setting was chosen on. Runs that
are already in outputs/miniature are not repeated. Writes results.json, results.md and results.png beside this file.
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import replace
from pathlib import Path

from hf_hardneg.training.arguments import Arguments
from hf_hardneg.training.recipe import parse_arguments
from hf_hardneg.versions import package_versions


sys.path.insert(0, str(Path(__file__).parents[1]))
from paired_runs import check_runs, find_commit, load_outcomes, run_jobs, save_outcomes  # noqa: E402, it is in the folder above


HERE, WORK = Path(__file__).parent, Path("outputs/miniature")
STEPS, SEEDS, KS = 1500, (0, 1, 2), (0, 1, 2, 3)
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
    from hf_hardneg.training.stop_signals import StopSignals

    of_seed = arguments(seed)
    most_negatives = of_seed._replace(training=replace(of_seed.training, num_negatives=max(KS)))
    model, processor = load_model(str(START_MODEL))
    data = prepare_data(most_negatives, processor.tokenizer, text_limit(model))
    if k >= 0:
        training = replace(of_seed.training, num_negatives=k)
        with StopSignals() as signals:
            model = train_model(NAMES[k], of_seed._replace(training=training), data, signals).model
    outcomes = collect_outcomes(model, processor, data.pairs, data.held_out)
    save_outcomes(outcomes, outcome_file(k, seed))


def write_results(commit: str) -> None:
    """Summarize all runs in results.json, results.md and results.png."""
    from hf_hardneg.evaluation.results import summarize_run
    from hf_hardneg.report.table import draw_figure, format_table

    results = {"start": summarize_run(load_outcomes([outcome_file(-1, 0)]))}
    results |= {NAMES[k]: summarize_run(load_outcomes([outcome_file(k, seed) for seed in SEEDS])) for k in KS}
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


def outcome_file(k: int, seed: int) -> Path:
    """Where the outcomes of a run are."""
    return WORK / f"k{k}_seed{seed}.npz"


def main() -> None:
    """Run what is missing and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", type=int, nargs=2, metavar=("K", "SEED"), help="run one training only")
    one = parser.parse_args().one
    commit = find_commit()
    check_runs(WORK, {"commit": commit})
    if one:
        train_one(*one)
        return
    runs = [(-1, 0), *((k, seed) for seed in SEEDS for k in reversed(KS))]
    run_jobs([(outcome_file(*run), [[__file__, "--one", *map(str, run)]]) for run in runs])
    write_results(commit)
    print((HERE / "results.md").read_text())


if __name__ == "__main__":
    main()
