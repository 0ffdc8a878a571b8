"""A stream of a Hub id, at main and at a revision, in a process that knows nothing but a Hub on loopback."""

import json
import os
import subprocess

import pytest
from helpers.hub_server import Blob, Hub
from helpers.quick_python import quick_python
from helpers.streams import photos, write_parquet


def commit(repo, folder, tag):
    files = {f"data/{path.name}": Blob(path.read_bytes(), lfs=True) for path in folder.iterdir()}
    repo.tags[tag] = repo.commit("main", tag, files)
    return {blob.describe("")["lfs"]["oid"]: blob.data for blob in files.values()}


@pytest.mark.parametrize("revision", ["", "@v1"])
def test_a_hub_id_is_streamed_at_the_revision_that_is_named(tmp_path, start, revision):
    with Hub() as hub:
        repo = hub.add_repo("dataset", "org/photos")
        for tag, name in (("v1", "first"), ("v2", "second")):
            write_parquet(tmp_path / name, photos(12, name), [7, 5])
            hub.objects |= commit(repo, tmp_path / name, tag)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "XDG"))}
        own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        argv = [
            "--dataset",
            f"org/photos{revision}",
            "--streaming",
            "true",
            "--num_negatives",
            "1",
            "--max_steps",
            "4",
        ]
        argv += ["--model_name_or_path", start, "--output_dir", str(tmp_path / "out"), "--held_out_images", "3"]
        argv += ["--per_device_train_batch_size", "4", "--dataloader_num_workers", "0", "--use_cpu", "true"]
        argv += ["--report_to", "none", "--shuffle_buffer", "0", "--long_captions", "cut"]
        command = [quick_python(), "-m", "hf_hardneg.train", *argv]
        done = subprocess.run(command, env=kept | own, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["training"]["steps"] == 4 and metrics["training"]["num_negatives"] == 1
    assert metrics["data"]["dataset"] == f"org/photos{revision}" and metrics["data"]["negatives"]
    assert metrics["data"]["held_out"] == 3
    asked = {path for method, path, *_ in hub.requests if "/resolve/" in path}
    commits = {path.split("/resolve/")[1].split("/")[0] for path in asked if path.endswith(".parquet")}
    assert commits == {repo.tags["v1" if revision else "v2"]}
