"""What people will type, in fresh processes with fresh caches, against a server that speaks the Hub's protocol."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from datasets import load_dataset
from helpers.captions import CAPTIONS
from helpers.hub_server import Hub
from helpers.inpainting_folder import make_folder
from helpers.pushes import TOKEN, fresh_environment
from helpers.quick_python import quick_python
from safetensors.numpy import load

from hf_hardneg.cli import main as cli
from hf_hardneg.inpainting.build import build_pairs
from hf_hardneg.inpainting.edit.classical import ClassicalEditor
from hf_hardneg.metrics import metric_folder


SCRIPT = Path(__file__).parents[2] / "dataset_scripts" / "inpaintcoco.py"
TRAINING = ["--num_rows", "60", "--max_steps", "4", "--pairs_per_concept", "2", "--held_out_images", "8"]
TRAINING += ["--control", "false", "--use_cpu", "true", "--dataloader_num_workers", "0"]
# Goes on from the code in the card.
SHOW_MODEL = """
import sys, hashlib
assert "hf_hardneg" not in sys.modules
for name, weights in sorted(model.state_dict().items()):
    print(name, hashlib.sha256(weights.numpy().tobytes()).hexdigest())
print("ids", processor(text=["a red car"])["input_ids"])
"""
LOAD_DATA = """
import hashlib
from datasets import load_dataset
data = load_dataset("org/inpaintcoco")
assert list(data) == ["test"], data
for row in data["test"]:
    images = [row[name] for name in ("coco_image", "inpaint_image", "mask")]
    print(row["concept"], row["coco_caption"], *(hashlib.sha256(image.tobytes()).hexdigest() for image in images))
"""


@pytest.fixture(scope="module")
def hub():
    with Hub() as hub:
        hub.add_token(TOKEN, "ann", orgs=["org"])
        yield hub


@pytest.fixture
def fresh(hub, tmp_path):
    """Run a command in a fresh process with a fresh cache that knows nothing but the server and the token."""

    def run(*command, **environment):
        home = tmp_path / f"home{len(list(tmp_path.iterdir()))}"
        done = subprocess.run(
            [quick_python(), *command],
            env=fresh_environment(hub, home, **environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done

    return run


def remote_files(hub, kind, repo_id, revision="main"):
    return {path: blob.data for path, blob in hub.repos[kind, repo_id].find(revision).files.items()}


def assert_no_token(hub, *texts):
    """The token is nowhere but in the Authorization header."""
    bodies = [part for method, path, headers, body in hub.requests for part in (path, repr(headers), repr(body))]
    stored = [
        repr(blob.data) for repo in hub.repos.values() for c in repo.commits.values() for blob in c.files.values()
    ]
    assert not [text[:200] for text in (*bodies, *stored, *texts) if TOKEN in text]


def test_training_pushes_a_model_that_loads_bit_for_bit(hub, fresh, tmp_path):
    out = tmp_path / "out"
    line = ["-m", "accelerate.commands.launch", "-m", "hf_hardneg.train", "--push_to_hub"]
    line += ["--hub_model_id", "org/hardneg-clip"]
    done = fresh(*line, "--hub_tag", "v1", "--output_dir", str(out), *TRAINING)
    repo = hub.repos["model", "org/hardneg-clip"]
    assert [commit.title for commit in repo.history()][1:] == ["initial commit"]
    assert repo.tags == {"v1": repo.branches["main"]} and list(repo.branches) == ["main"]
    files = remote_files(hub, "model", "org/hardneg-clip")
    expected = {"model.safetensors", "config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json"}
    expected |= {
        "metrics.json",
        "recipe.yaml",
        "training_args.json",
        "trainer_state.json",
        "results.png",
        "README.md",
        ".hf_hardneg.json",
    }
    assert set(files) == expected | {".gitattributes"}
    assert all((out / path).read_bytes() == files[path] for path in expected - {".hf_hardneg.json"})
    assert repo.branches["main"][:12] in done.stdout and "read back and equal by SHA-256" in done.stdout
    assert "hub_" not in files["recipe.yaml"].decode() + files["training_args.json"].decode()
    local = sorted(load((out / "model.safetensors").read_bytes()).items())
    code = files["README.md"].decode().split("```python\n")[1].split("```")[0]
    assert 'model = CLIPModel.from_pretrained("org/hardneg-clip")\n' in code
    told = fresh("-c", code + SHOW_MODEL).stdout.splitlines()
    hashes = {name: hashlib.sha256(weights.tobytes()).hexdigest() for name, weights in local}
    assert hashes.items() <= dict(line.split(" ", 1) for line in told).items() and len(hashes) > 50
    again = fresh("-m", "hf_hardneg.cli", "push", str(out), "org/hardneg-clip", "--tag", "v1")
    assert "were there already" in again.stdout and len(list(repo.history())) == 2
    texts = [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    assert_no_token(hub, done.stdout, done.stderr, again.stdout, *texts)


def test_checkpoints_go_to_their_branch_and_lora_leaves_a_plain_model_and_its_adapter(hub, fresh, tmp_path):
    out = tmp_path / "out"
    line = ["-m", "hf_hardneg.train", "--push_to_hub", "--hub_model_id", "lora", "--hub_token", TOKEN]
    line += ["--hub_private_repo", "true", "--hub_strategy", "checkpoint", "--hub_always_push", "true"]
    line += ["--save_strategy", "steps", "--save_steps", "2", "--lora_towers", "text"]
    done = fresh(*line, "--output_dir", str(out), *TRAINING, HF_TOKEN="")
    repo = hub.repos["model", "ann/lora"]
    assert repo.private and len(list(repo.history())) == 2
    assert "last-checkpoint/trainer_state.json" in remote_files(hub, "model", "ann/lora", "checkpoints")
    files = remote_files(hub, "model", "ann/lora")
    assert {"model.safetensors", "adapter/adapter_model.safetensors", "adapter/adapter_config.json"} <= set(files)
    assert not [path for path in files if "checkpoint" in path or path.startswith("adapter_") or path.endswith(".bin")]
    assert (out / "checkpoint-4" / "training_args.bin").is_file()
    texts = [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    assert_no_token(hub, done.stdout, done.stderr, *texts)


@pytest.fixture
def scenes(tmp_path):
    cli(["scenes", "--out", str(tmp_path / "scenes"), "--rows", "20", "--pairs_per_concept", "2"])
    return tmp_path / "scenes"


def test_a_pushed_inpaintcoco_loads_pixel_for_pixel(hub, fresh, tmp_path):
    wanted = {"color": 1, "object": 1, "size": 1}
    build_pairs(make_folder(tmp_path / "coco"), tmp_path / "pairs", ClassicalEditor, wanted=wanted)
    out = tmp_path / "inpaintcoco"
    line = [str(SCRIPT), str(tmp_path / "pairs"), "--unreviewed", "--out", str(out)]
    done = fresh(*line, "--push_to_hub", "org/inpaintcoco")
    assert "read back and equal by SHA-256" in done.stdout
    repo = hub.repos["dataset", "org/inpaintcoco"]
    assert len(list(repo.history())) == 2 and "scripts/inpaintcoco.py" in remote_files(
        hub, "dataset", "org/inpaintcoco"
    )
    told = fresh("-c", LOAD_DATA).stdout.splitlines()
    expected = []
    for row in load_dataset(str(out), split="test"):
        images = [row[name] for name in ("coco_image", "inpaint_image", "mask")]
        hashes = [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
        expected.append(" ".join([row["concept"], row["coco_caption"], *hashes]))
    assert told == expected and len(told) > 4
    again = fresh("-m", "hf_hardneg.cli", "push", str(out), "org/inpaintcoco", "--public", "--tag", "v1")
    assert "were there already" in again.stdout and len(list(repo.history())) == 2 and "v1" in repo.tags
    assert not repo.private and fresh("-c", LOAD_DATA, HF_TOKEN="").stdout.splitlines() == expected


def test_negatives_and_scenes_are_pushed_by_one_command_and_their_cards_code_runs(hub, fresh, scenes, tmp_path):
    (tmp_path / "captions.jsonl").write_text("\n".join(json.dumps({"caption": caption}) for caption in CAPTIONS * 4))
    made = ["negatives", str(tmp_path / "captions.jsonl"), "--out", str(tmp_path / "negatives"), "--no_audit"]
    cli(made)
    for folder in ("negatives", "scenes"):
        fresh("-m", "hf_hardneg.cli", "push", str(tmp_path / folder), f"org/my-{folder}", "--private")
        card = remote_files(hub, "dataset", f"org/my-{folder}")["README.md"].decode()
        code = card.split("```python\n")[1].split("```")[0]
        assert f'load_dataset("org/my-{folder}"' in code
        fresh("-c", f"{code}\nassert len(rows) == 20")


@pytest.mark.parametrize("name", ["pair_choices", "winoground-score"])
def test_a_metric_is_pushed_as_a_space_and_loads_under_the_name_of_the_space(hub, fresh, name):
    fresh("-m", "hf_hardneg.cli", "push", metric_folder("pair_choices"), f"org/{name}")
    assert [path for path in remote_files(hub, "space", f"org/{name}") if path.endswith(".py")] == [f"{name}.py"]
    code = f"import evaluate; metric = evaluate.load('org/{name}')\n"
    code += "print(metric.compute(predictions=[[[2.0, 1.0], [0.0, 1.0]]], references=['color']))"
    assert "'group'" in fresh("-c", code, HF_TOKEN="").stdout
