"""A model and a benchmark by ID@REVISION, in a process that knows nothing but a Hub on loopback."""

import json
import os
import subprocess

from datasets import ClassLabel, Dataset, Features, Image
from helpers.benchmark_fixtures import save_parquet, scene
from helpers.hub_server import Blob, Hub
from helpers.quick_python import quick_python

from hf_hardneg.commands.evaluate import evaluate_to_folder
from hf_hardneg.training.make_start_model import build_model


def commit(repo, folder, tag):
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    blobs = {name: Blob(path.read_bytes(), lfs=False) for name, path in files.items()}
    repo.tags[tag] = repo.commit("main", tag, blobs)


def items(folder):
    import pyarrow.parquet as pq

    return [(item["item"], item["texts"]) for item in pq.read_table(folder / "items.parquet").to_pylist()]


def test_models_and_datasets_are_evaluated_at_the_revision_and_split_that_are_named(processor, tmp_path):
    names = ["cup", "sun", "dog", "kite"]
    for tag, size, layers in (("v1", 12, 1), ("v2", 5, 2)):
        model = build_model(processor.tokenizer, num_hidden_layers=layers)
        model.save_pretrained(tmp_path / tag / "model")
        processor.save_pretrained(tmp_path / tag / "model")
        rows = [{"img": scene(i), "label": i % 4} for i in range(size)]
        table = Dataset.from_list(rows, features=Features({"img": Image(), "label": ClassLabel(names=names)}))
        save_parquet(tmp_path / tag / "set", table, "validation")
        save_parquet(tmp_path / tag / "set", table.select([0]), "test")
    spec = f"zero_shot={tmp_path}/v1/set:validation"
    evaluate_to_folder([f"clip={tmp_path}/v1/model"], [spec], None, tmp_path / "local")
    with Hub() as hub:
        model, data = hub.add_repo("model", "org/clip"), hub.add_repo("dataset", "org/birds")
        for tag in ("v1", "v2"):
            commit(model, tmp_path / tag / "model", tag)
            commit(data, tmp_path / tag / "set", tag)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "XDG"))}
        own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        argv = ["evaluate", "clip=org/clip@v1", "--benchmarks", "zero_shot=org/birds@v1:validation"]
        command = [quick_python(), "-m", "hf_hardneg.cli", *argv, "--out", str(tmp_path / "hub")]
        done = subprocess.run(command, env=kept | own, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    assert items(tmp_path / "hub") == items(tmp_path / "local") and len(items(tmp_path / "hub")) == 12
    metrics = json.loads((tmp_path / "hub" / "metrics.json").read_text())
    assert metrics["models"]["clip"]["paths"] == ["org/clip@v1"]
    assert metrics["benchmarks"]["zero_shot"]["source"] == "zero_shot=org/birds@v1:validation"
