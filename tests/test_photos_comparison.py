"""benchmarks/photos/run.py on a small folder, as its command runs it; the real comparison takes most of an hour."""

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from helpers.coco_folder import write_split
from helpers.photos import encoded
from helpers.quick_python import quick_python

from hf_hardneg.model.loading import START_MODEL


ROOT = Path(__file__).parents[1]
COLORS, THINGS = ("red", "blue", "green", "white", "black"), ("car", "dog", "chair", "boat")
TASKS = {"own negatives", "drawn evenly", "NegCLIP's recipe", "natural twins", "retrieval"}
pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="the command records the commit of a checkout")


def write_photos(folder, split, first):
    """20 photos with two captions each; captions of different photos differ in one word or two."""
    captions = {
        number: (f"A {color} {thing} is near a man and a woman .", f"Somebody looks at the {color} {thing} .")
        for number, (color, thing) in enumerate(product(COLORS, THINGS), first)
    }
    write_split(folder, split, captions, lambda number, file: file.write_bytes(encoded(number)))


def compare(folder, work, arms):
    """Run the command with one seed."""
    (work / "arms.yaml").write_text(arms)
    recipe = {"dataset_split": "train", "held_out_images": 4, "max_steps": 2, "per_device_train_batch_size": 8,
              "report_to": "none", "use_cpu": True, "eval_strategy": "no", "save_strategy": "no"}  # fmt: skip
    (work / "recipe.yaml").write_text(json.dumps(recipe))  # JSON is YAML
    flags = {"start": START_MODEL, "recipe": work / "recipe.yaml", "arms": work / "arms.yaml", "seeds": 0,
             "work": work / "runs", "results": work / "results"}  # fmt: skip
    words = [str(word) for name, value in flags.items() for word in (f"--{name}", value)]
    script = ROOT / "benchmarks/photos/run.py"
    return subprocess.run([quick_python(), script, folder, *words], cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    work = tmp_path_factory.mktemp("comparison")
    for split, first in (("train", 0), ("val", 100)):
        write_photos(work / "photos", split, first)
    given = "{work}/negatives/drawn_evenly.jsonl"
    arms = (
        f'control: {{num_negatives: 0}}\n"other negatives": {{num_negatives: 1, negatives: "{given}"}}\n'
        'start again: {mixture_with_start: "other negatives", alpha: 0}\n'
    )
    done = compare(work / "photos", work, arms)
    logs = "".join(file.read_text() for file in work.glob("runs/**/*.log"))
    assert done.returncode == 0, done.stderr[-2000:] + logs[-4000:]
    return work


@pytest.fixture(scope="module")
def results(folders):
    return folders / "results"


def test_every_arm_is_judged_on_every_task_with_the_right_and_the_wrong_image(results):
    report = json.loads((results / "results.json").read_text())
    assert list(report["results"]) == ["start", "control", "other negatives", "start again"]
    assert all(set(tasks) == TASKS for tasks in report["results"].values())
    for tasks in report["results"].values():
        for maker in TASKS - {"natural twins", "retrieval"}:
            right, wrong = (
                next(iter(tasks[maker].values()))[name]["value"]
                for name in ("image_to_text", "image_to_text_wrong_image")
            )
            looking = next(iter(tasks[maker].values()))["image_to_text_by_looking"]["value"]
            assert right - wrong == pytest.approx(looking)
        assert all(scores["group"]["n"] > 0 for scores in tasks["natural twins"].values())
        assert {f"text_to_image_R@{k}" for k in (1, 5, 10)} <= set(tasks["retrieval"]["all"])


def test_arms_are_compared_with_the_control_and_told_by_name(results):
    report = json.loads((results / "results.json").read_text())
    assert list(report["differences"]) == ["other negatives", "start again"]
    assert report["arms"]["other negatives"]["negatives"] == "{work}/negatives/drawn_evenly.jsonl"
    lines = (results / "results.md").read_text().splitlines()
    assert lines[0] == "| task | score | n | start | control | other negatives | start again |"
    assert (results / "results.png").read_bytes().startswith(b"\x89PNG")


def test_a_mixture_with_nothing_of_the_trained_model_scores_as_the_start_model(results):
    report = json.loads((results / "results.json").read_text())
    assert report["results"]["start again"] == report["results"]["start"]
    assert report["results"]["start again"] != report["results"]["other negatives"]


def test_runs_of_other_photos_are_never_taken_for_those_that_are_asked(folders):
    (folders / "other").mkdir()
    done = compare(folders / "other", folders, "control: {num_negatives: 0}")
    assert done.returncode == 1
    assert f"have the photos {folders / 'photos'}, now it is {folders / 'other'}; move or remove" in done.stderr


def test_an_arm_with_other_settings_is_another_run():
    sys.path.insert(0, str(ROOT / "benchmarks/photos"))
    from run import run_name

    assert run_name("K = 1", {"num_negatives": 1}) == run_name("K = 1", {"num_negatives": 1})
    assert len({run_name(name, {"num_negatives": k}) for name in ("K = 1", "K > 1") for k in (1, 2)}) == 2


def test_results_that_a_comparison_wrote_do_not_make_the_tree_another_one(tmp_path, monkeypatch):
    """Else no second comparison could go on with the start model of the first."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from paired_runs import find_commit

    for words in (["init", "-q"], ["config", "user.name", "A"], ["config", "user.email", "a@example.org"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    settings, results = tmp_path / "benchmarks/photos/arms.yaml", tmp_path / "benchmarks/photos/results.json"
    settings.parent.mkdir(parents=True)
    for file in (settings, results):
        file.write_text("before")
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    subprocess.run(["git", "commit", "-qm", "both"], cwd=tmp_path, check=True)
    monkeypatch.chdir(settings.parent)
    commit = find_commit()
    results.write_text("after")
    assert find_commit() == commit
    settings.write_text("after")
    assert find_commit().startswith(f"{commit}-dirty-")
