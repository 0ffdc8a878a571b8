"""The experiment in miniature: the start model continued with hard negatives, with twins, with both, and with neither.

`make miniature` trains each arm with three seeds for the same steps (recipes/demo.yaml), two runs at a time on a core
each, and judges them on held-out scenes that no setting was chosen on. All arms have as many different images: arms
without twins train on 24,000 scenes, arms with twins on 12,000 scenes and 6,000 pairs. Runs that are already in
outputs/miniature are not repeated. Writes results.json, results.md and results.png beside this file.
"""

import argparse
import json
import os
import platform
import re
import sys
from pathlib import Path

from hf_hardneg.columns import ROW_FEATURES
from hf_hardneg.training.arguments import Arguments
from hf_hardneg.training.recipe import parse_arguments
from hf_hardneg.versions import package_versions


sys.path.insert(0, str(Path(__file__).parents[1]))
from paired_runs import check_runs, find_commit, load_outcomes, run_jobs, save_outcomes  # noqa: E402, it is in the folder above


HERE, WORK = Path(__file__).parent, Path("outputs/miniature")
SEEDS = (0, 1, 2)
# Instead of the loss of twins, the loss of each caption's own negatives.
ALONE = ["--twins", "--twin_share", "0", "--twin_weight", "0", "--own_negatives_weight", "1", "--num_rows", "24000"]
START = "start"
ARMS = {
    "control (K = 0)": [*ALONE, "--num_negatives", "0"],
    "K = 1": [*ALONE, "--num_negatives", "1"],
    "K = 3": [*ALONE, "--num_negatives", "3"],
    "twins": ["--num_negatives", "0"],
    "K = 3, twins": ["--num_negatives", "3"],
}


def arguments(arm: str, seed: int) -> Arguments:
    """The demo recipe with the settings of an arm and a seed."""
    folder = WORK / "run" / outcome_file(arm, seed).stem
    flags = ["--seed", str(seed), "--control", "false", "--output_dir", str(folder)]
    quiet = ["--dataloader_num_workers", "0", "--disable_tqdm", "true", "--num_proc", "1"]
    return parse_arguments(["demo.yaml", *(ARMS[arm] if arm != START else []), *flags, *quiet])


def train_one(arm: str, seed: int) -> None:
    """Train an arm with a seed and save the outcome of every held-out item; the arm "start" is not trained."""
    from hf_hardneg.evaluation.results import collect_outcomes
    from hf_hardneg.model.encoding import text_limit
    from hf_hardneg.model.loading import START_MODEL, load_model
    from hf_hardneg.training.prepare import prepare_data
    from hf_hardneg.training.run import train_model
    from hf_hardneg.training.stop_signals import StopSignals

    of_run = arguments(arm, seed)
    model, processor = load_model(str(START_MODEL))
    data = prepare_data(of_run, processor.tokenizer, text_limit(model))
    if arm != START:
        with StopSignals() as signals:
            model = train_model(arm, of_run, data, signals).model
    # Held-out negatives would be others for each seed.
    held_out = data.held_out.select_columns(list(ROW_FEATURES))
    save_outcomes(collect_outcomes(model, processor, data.pairs, held_out), outcome_file(arm, seed))


def write_results(commit: str) -> None:
    """Summarize all runs in results.json, results.md and results.png."""
    from hf_hardneg.evaluation.results import summarize_run
    from hf_hardneg.report.table import draw_figure, format_table

    results = {START: summarize_run(load_outcomes([outcome_file(START, 0)]))}
    results |= {arm: summarize_run(load_outcomes([outcome_file(arm, seed) for seed in SEEDS])) for arm in ARMS}
    steps = arguments(START, 0).training.max_steps
    report = {
        "command": "make miniature",
        "trained_at_commit": commit,
        "steps": steps,
        "seeds": SEEDS,
        "arms": {arm: " ".join(flags) for arm, flags in ARMS.items()},
        "intervals": "95 %, bootstrap over seeds and items",
        "results": results,
        "versions": package_versions() | {"python": platform.python_version()},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, no accelerator, one core a run",
    }
    (HERE / "results.json").write_text(json.dumps(report, indent=1) + "\n")
    (HERE / "results.md").write_text(format_table(results) + "\n")
    title = f"Hard negatives and twins in miniature ({steps} steps, {len(SEEDS)} seeds)"
    draw_figure(results, HERE / "results.png", title)


def outcome_file(arm: str, seed: int) -> Path:
    """Where the outcomes of a run are."""
    return WORK / f"{re.sub('[^a-z0-9]+', '_', arm.lower()).strip('_')}_seed{seed}.npz"


def main() -> None:
    """Run what is missing and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=2, metavar=("ARM", "SEED"), help="run one training only")
    one = parser.parse_args().one
    commit = find_commit()
    check_runs(WORK, {"commit": commit})
    if one:
        train_one(one[0], int(one[1]))
        return
    runs = [(START, 0), *((arm, seed) for seed in SEEDS for arm in reversed(ARMS))]
    run_jobs([(outcome_file(*run), [[__file__, "--one", *map(str, run)]]) for run in runs])
    write_results(commit)
    print((HERE / "results.md").read_text())


if __name__ == "__main__":
    main()
