"""The scripts that the documentation shows do what they say, and are short."""

import ast
import importlib
import math
import runpy
import sys
from pathlib import Path

import pytest
import torch
from helpers.benchmark_fixtures import make_benchmark
from torch import nn

from hf_hardneg.model import START_MODEL, load_model


EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
MAX_LINES = 20


def run(name, monkeypatch, tmp_path, *argv):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, *map(str, argv)])
    return runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")


def code_lines(file):
    return [line for line in file.read_text().splitlines() if line.strip() and not line.startswith(('"""', "#"))]


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda file: file.stem)
def test_an_example_is_short_and_uses_public_names_only(file):
    assert len(code_lines(file)) <= MAX_LINES
    imports = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
    ours = {node.module: {alias.name for alias in node.names} for node in imports if "hf_hardneg" in node.module}
    assert ours and "import hf_hardneg" not in file.read_text()
    for room, names in ours.items():
        module = importlib.import_module(room)
        public = vars(module) if room == "hf_hardneg.columns" else module.__all__
        assert names <= set(public), (room, names)


def test_negatives_in_somebodys_own_map(monkeypatch, tmp_path):
    rows = run("own_dataset", monkeypatch, tmp_path)["rows"]
    assert any(rows["negatives"]) and all(text != row["caption"] for row in rows for text in row["negatives"])


class OpenClip(nn.Module):
    """Returns what open_clip's CLIP returns: unit-norm features of images and texts, and the scale."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.image, self.text = nn.Linear(12, 8), nn.EmbeddingBag(50, 8)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(14.0)))

    def forward(self, images, texts):
        norm = nn.functional.normalize
        return norm(self.image(images.flatten(1)), dim=-1), norm(self.text(texts), dim=-1), self.logit_scale.exp()


def test_the_losses_in_an_open_clip_style_loop(monkeypatch, tmp_path):
    step = run("open_clip_loop", monkeypatch, tmp_path)["train_step"]
    model = OpenClip()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    mask = torch.tensor([[True, True], [True, False], [False, False], [True, True]])
    images = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    texts = torch.randint(0, 50, (4 + int(mask.sum()), 5), generator=torch.Generator().manual_seed(2))
    losses = [step(model, optimizer, images, texts, mask, torch.arange(4)) for _ in range(40)]
    assert losses[-1] < 0.2 * losses[0] and model.logit_scale <= math.log(100) + 1e-6


def test_the_collator_and_the_trie_with_a_bare_trainer(monkeypatch, tmp_path):
    names = run("bare_trainer", monkeypatch, tmp_path)
    batch = names["collator"]([names["rows"][0]])
    assert "tree_mask" in batch and batch["negative_concepts"].shape == (1, 2)
    start, processor = load_model(START_MODEL)
    names["find_text_format"](start, processor.tokenizer)
    names["take_collated_batches"](start)
    batch = names["collator"]([names["rows"][i] for i in range(128)])

    def loss_of(model):
        with torch.no_grad():
            return float(names["TrieTrainer"].compute_loss(None, model.cpu().eval(), dict(batch)))

    assert loss_of(names["model"]) < loss_of(start) - 0.03
    trained = dict(names["model"].named_parameters())
    assert all(weight.isfinite().all() for weight in trained.values())
    changed = [name for name, weight in start.named_parameters() if not torch.equal(weight, trained[name])]
    assert any("text_model" in name for name in changed) and any("vision_model" in name for name in changed)


def test_sugarcrepe_on_any_clip(monkeypatch, tmp_path, capsys):
    folder = tmp_path / "sugar-crepe"
    make_benchmark("sugarcrepe", folder)
    run("sugarcrepe", monkeypatch, tmp_path, START_MODEL, folder)
    assert "sugarcrepe" in capsys.readouterr().out
    assert (tmp_path / "outputs" / "sugarcrepe" / "metrics.json").is_file()


def test_auditing_a_file_of_negatives(monkeypatch, tmp_path, capsys):
    lines = [f"a red car number {i}\ta red , car number {i}" for i in range(40)]
    (tmp_path / "set.tsv").write_text("\n".join(["title\tneg_caption", *lines]) + "\n")
    assert run("audit_a_file", monkeypatch, tmp_path, "set.tsv")["audit"].readers["n-grams"].share > 90
    assert "set.tsv" in capsys.readouterr().out
