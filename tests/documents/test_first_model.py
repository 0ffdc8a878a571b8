"""The commands of docs/first-model.md, in their order, as a newcomer types them, against the tests' Hub server.

The server has what the commands download: a tiny CLIP as `openai/clip-vit-base-patch32`, and a few rendered pairs as
`phiyodr/InpaintCOCO`. `EXTRA` makes the training short. Nothing else differs from the page.
"""

import csv
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from helpers.benchmark_fixtures import make_benchmark
from helpers.captions import scene_captions
from helpers.hub_server import Blob, Hub
from helpers.pushes import TOKEN, fresh_environment
from helpers.quick_python import quick_python

from hf_hardneg.scenes.world import scene_rows
from hf_hardneg.training.make_start_model import build_model, build_processor, build_tokenizer


PAGE = Path(__file__).parents[2] / "docs" / "first-model.md"
PROGRAMS = {"hf-hardneg": ["-m", "hf_hardneg.cli"], "python": []}  # after this environment's Python
EXTRA = ["--max_steps", "4", "--per_device_train_batch_size", "8", "--use_cpu", "true"]
PHOTOS = 48


def commands_of_the_page():
    blocks = re.findall(r"^```bash\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def make_photos(folder):
    """JPEGs and a CSV of their paths and captions, two captions a photo."""
    (folder / "photos").mkdir()
    first, second = scene_rows("first", PHOTOS), scene_rows("first", PHOTOS)
    with (folder / "photos.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["filepath", "caption"])
        for i, (row, other) in enumerate(zip(first, second, strict=True)):
            row["image"].resize((120, 90)).save(folder / "photos" / f"{i:04}.jpg", quality=90)
            table.writerow([f"photos/{i:04}.jpg", f"{row['caption'].capitalize()}."])
            table.writerow([f"photos/{i:04}.jpg", f"A picture of {other['caption']}."])


def offer(hub, kind, repo_id, folder):
    repo = hub.add_repo(kind, repo_id)
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    blobs = {name: Blob(path.read_bytes(), lfs=False) for name, path in files.items()}
    repo.commit("main", "all files", blobs)


@pytest.fixture
def hub(tmp_path):
    """A Hub with what the page downloads."""
    tokenizer = build_tokenizer([*scene_captions(300), "a picture of"])
    build_model(tokenizer, num_hidden_layers=1).save_pretrained(tmp_path / "clip")
    build_processor(tokenizer).save_pretrained(tmp_path / "clip")
    make_benchmark("inpaintcoco", tmp_path / "pairs")
    with Hub() as hub:
        hub.add_token(TOKEN, "ann", orgs=["org"])
        offer(hub, "model", "openai/clip-vit-base-patch32", tmp_path / "clip")
        offer(hub, "dataset", "phiyodr/InpaintCOCO", tmp_path / "pairs")
        yield hub


def test_the_page_goes_from_photos_and_captions_to_a_published_model(hub, tmp_path):
    desk = tmp_path / "desk"
    desk.mkdir()
    make_photos(desk)
    commands = commands_of_the_page()
    assert len(commands) < 10
    told = {}
    for program, *words in commands:
        if program == "pip":
            continue  # what it installs is this package
        extra = EXTRA if "hf_hardneg.train" in words else []
        done = subprocess.run(
            [quick_python(), *PROGRAMS[program], *words, *extra],
            cwd=desk,
            env=fresh_environment(hub, tmp_path / "home"),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        line = " ".join([program, *words[:3]])
        (tmp_path / f"{len(told)}.txt").write_text(f"$ {line}\n{done.stdout}\n--- stderr\n{done.stderr}")
        assert done.returncode == 0, (line, done.stderr[-3000:])
        assert "Traceback" not in done.stderr
        # Neither warnings of what the user cannot mend, nor Trainer's dictionaries.
        assert "UserWarning" not in done.stderr and "{'" not in done.stdout + done.stderr
        told[line] = done.stdout
    negatives, training, evaluation, model, data = told.values()
    assert "Saved in negatives" in negatives and "Saved in my-clip" in training and "Saved in evaluation" in evaluation
    # Each command says what comes next.
    assert "Open negatives/sample.html in a browser" in negatives and "--negatives negatives" in negatives
    assert "hf-hardneg evaluate my-clip --control my-clip/control --benchmarks inpaintcoco=" in training
    assert "hf-hardneg push my-clip OWNER/NAME" in training
    for name in ("negatives/sample.html", "my-clip/control/model.safetensors", "evaluation/report.html"):
        assert (desk / name).is_file(), name
    # The model is the paper's, trained on the negatives that the first command made.
    recorded = json.loads((desk / "my-clip" / "metrics.json").read_text())
    assert "openai/clip-vit-base-patch32" in json.dumps(recorded)
    for repo_type, repo_id, output in (("model", "org/hardneg-clip", model), ("dataset", "org/my-negatives", data)):
        repo = hub.repos[repo_type, repo_id]
        assert repo.private and list(repo.branches) == ["main"] and "read back and equal by SHA-256" in output
    published = hub.repos["model", "org/hardneg-clip"].find("main").files
    assert published["model.safetensors"].data == (desk / "my-clip" / "model.safetensors").read_bytes()
    assert b'from_pretrained("org/hardneg-clip")' in published["README.md"].data
