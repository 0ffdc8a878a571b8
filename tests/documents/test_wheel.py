"""The package as people install it: built, checked, and used outside of the checkout."""

import importlib.metadata
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def run(*command, cwd, env=None):
    # A PYTHONPATH that leads to the checkout would win over what is installed.
    env = {name: value for name, value in (env or os.environ).items() if name != "PYTHONPATH"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def tracked_files():
    """What git knows and the checkout still has. A file that was just removed may not be committed yet."""
    return {name for name in run("git", "ls-files", cwd=ROOT).splitlines() if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The files that git knows, as they are in the checkout, in a folder of their own: a build leaves files behind."""
    if not (ROOT / ".git").exists():
        pytest.skip("the files of the package are listed by git, and this is no checkout")
    folder = tmp_path_factory.mktemp("source")
    for name in tracked_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


@pytest.fixture(scope="module")
def dist(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, cwd=source)
    return folder


@pytest.fixture(scope="module")
def python(dist, tmp_path_factory):
    """Python of a new environment with the wheel. All other packages are those installed here, without a network."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    program = folder / "bin" / "python"
    [wheel] = dist.glob("*.whl")
    pip = (sys.executable, "-m", "pip", "--python", program)
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=folder)
    own = Path(run(program, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])", cwd=folder).strip())
    # A plain line in a .pth file comes after the environment's own packages and runs no .pth file of the other place:
    # the editable install that is there stays out.
    (own / "others.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    where = run(program, "-c", "import hf_hardneg; print(hf_hardneg.__file__)", cwd=folder).strip()
    assert Path(where).is_relative_to(own)
    return program


def test_wheel_and_sdist_pass_twine(dist):
    assert run(sys.executable, "-m", "twine", "check", "--strict", *dist.iterdir(), cwd=dist).count("PASSED") == 2


def test_the_wheel_holds_what_git_knows_of_the_package_and_nothing_else(dist):
    [wheel] = dist.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == {name for name in tracked_files() if name.startswith("hf_hardneg/")}


def test_the_sdist_holds_what_git_knows_and_is_small(dist):
    """So its tests run as they do in a checkout."""
    [sdist] = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        sizes = {file.name.split("/", 1)[1]: file.size for file in archive.getmembers() if file.isfile()}
    made = {name for name in sizes if name.startswith("hf_hardneg.egg-info/")} | {"PKG-INFO", "setup.cfg"}
    assert set(sizes) - made == tracked_files()
    assert {name for name, size in sizes.items() if size > 100_000} == {"hf_hardneg/start_model/model.safetensors"}


def test_the_metadata_name_license_authors_and_addresses(dist):
    [wheel] = dist.glob("*.whl")
    [name] = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("METADATA")]
    metadata = importlib.metadata.PathDistribution(zipfile.Path(wheel, name.split("/")[0] + "/")).metadata
    assert metadata["License-Expression"] == "Apache-2.0" and metadata.get_all("License-File") == ["LICENSE", "NOTICE"]
    assert metadata["Author"] and len(metadata.get_all("Project-URL")) >= 4
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert metadata["Requires-Python"] == project["requires-python"]
    assert metadata.get_all("Classifier") == project["classifiers"]


def test_the_installed_package_trains_makes_negatives_audits_and_evaluates(python, tmp_path):
    environment = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
        "PATH": "/usr/bin:/bin",
    }
    program = python.parent / "hf-hardneg"
    colors, things = ("red", "blue", "green"), ("car", "bus", "dog", "cat")
    captions = [f"A {color} {thing} next to a {other}." for color in colors for thing in things for other in things]
    (tmp_path / "captions.jsonl").write_text("".join(json.dumps({"caption": text}) + "\n" for text in captions))
    demo = ["demo.yaml", "--max_steps", "5", "--num_rows", "300", "--held_out_images", "40", "--output_dir", "demo"]
    demo += ["--pairs_per_concept", "10"]
    commands = [
        ["negatives", "captions.jsonl", "--out", "negatives", "-k", "2", "--no_audit"],
        ["audit", "negatives"],
        ["evaluate", "demo", "--out", "evaluation"],
    ]
    # In one process, since each would import torch, transformers and spaCy anew.
    code = f"""
import runpy, sys
from hf_hardneg.cli import main
sys.argv = ["hf_hardneg.train", *{demo}]
runpy.run_module("hf_hardneg.train", run_name="__main__")
for words in {commands}:
    main(words)
"""
    said = run(python, "-c", code, cwd=tmp_path, env=environment)
    assert "| score | start | control | K = 3 and twins |" in said and "told" in said.split("Saved in demo")[1]
    assert "README.md" in {file.name for file in (tmp_path / "negatives").iterdir()}
    assert (tmp_path / "evaluation" / "report.html").stat().st_size > 10_000
    config = run(program, "config", "multi_gpu", cwd=tmp_path, env=environment).strip()
    assert Path(config).is_file() and Path(config).is_relative_to(python.parents[1])
