"""The workflows and forms on GitHub: they parse, and what they call is there."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml


ROOT = Path(__file__).parents[2]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read(file):
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def commands(file):
    return [step["run"] for job in read(file)["jobs"].values() for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_calls_what_is_there_and_may_do_no_more_than_it_needs(file):
    workflow = read(file)
    assert workflow["permissions"] == {"contents": "read"}
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)[1].split()
    for command in commands(file):
        for target in re.findall(r"^make (\S+)", command, re.M):
            assert target in targets
    for job in workflow["jobs"].values():
        assert all(re.search(r"@(v\d+|release/v1)$", step["uses"]) for step in job["steps"] if "uses" in step)
        assert set(job.get("permissions", {})) <= {"pages", "id-token"}


def test_the_tests_run_on_all_versions_of_python_that_the_package_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [name.split(" :: ")[-1] for name in project["classifiers"] if re.search(r":: 3\.\d+$", name)]
    jobs = read(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]
    assert jobs["pinned"]["strategy"]["matrix"]["python"] == named and project["requires-python"] == f">={named[0]}"
    assert any("lowest-direct" in step.get("run", "") for step in jobs["lowest"]["steps"])


def test_a_release_is_published_without_a_stored_token():
    publish = read(ROOT / ".github" / "workflows" / "release.yml")["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"} and "secrets" not in str(publish)


@pytest.mark.parametrize(
    "file", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda file: file.stem
)
def test_issue_forms_parse(file):
    form = read(file)
    if file.stem == "config":
        assert form["contact_links"]
        return
    assert form["name"] and form["description"]
    names = [field["id"] for field in form["body"]]
    assert len(names) == len(set(names)) and all(field["attributes"]["label"] for field in form["body"])


def test_pre_commit_runs_the_programs_of_make_quality():
    repos = read(ROOT / ".pre-commit-config.yaml")["repos"]
    hooks = [hook["entry"] for repo in repos if repo["repo"] == "local" for hook in repo["hooks"]]
    for program in ("ruff check", "ruff format", "mypy", "lint-imports"):
        assert any(f".venv/bin/{program}" in entry for entry in hooks)
        assert f"$(BIN)/{program}" in (ROOT / "Makefile").read_text()
