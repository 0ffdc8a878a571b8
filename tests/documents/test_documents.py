"""Every code block of the documentation is run, or at least read by the program that it calls.

`BLOCKS` says of each block what is done with it; a block that is not in it fails, so that none is skipped in silence:

    run         every line runs, in the order of the documents, in one folder with small stand-ins for the files named
    parsed      every line goes through the real argparse of the command it calls; what tests run it is said beside it
    python      is executed in that same folder
    vocabulary  is YAML that the lexicon reads
    drawing     is no code
"""

import argparse
import json
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import evaluate
import pandas as pd
import pytest
from accelerate.commands.launch import launch_command_parser
from helpers.captions import scene_captions
from helpers.inpainting_folder import accepted_pairs, make_folder
from packaging.requirements import Requirement

from hf_hardneg import cli
from hf_hardneg.commands.inpaint.build import describe_run
from hf_hardneg.evaluation.benchmarks import benchmark_names
from hf_hardneg.inpainting.journal import JOURNAL
from hf_hardneg.lexicon.concepts import load_lexicon
from hf_hardneg.training.recipe import parse_arguments


ROOT = Path(__file__).parents[2]
METRICS = "hf_hardneg/metrics"
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(f"{METRICS}/{name}/README.md" for name in ("pair_choices", "retrieval_recall", "negatives_accuracy")),
]
# Markdown that is no documentation: templates and published cards, which other tests make, and a table of results.
NO_DOCUMENTS = {"hf_hardneg/templates", "benchmarks/miniature", "model_cards"}
BLOCKS = {
    ("README.md", "make demo"): "parsed",  # test_train.py runs the demo recipe, made short
    ("README.md", "accelerate launch -m hf_hardneg.train"): "parsed",  # test_train.py
    ("README.md", "from transformers import CLIPModel, CLIPProcessor"): "python",
    ("README.md", "from datasets import Dataset"): "python",
    ("README.md", "hf-hardneg negatives captions.jsonl --out negatives -k 3"): "run",
    ("README.md", "hf-hardneg audit pairs.parquet"): "run",
    ("README.md", "concept: material"): "vocabulary",
    (
        "README.md",
        'accelerate launch --config_file "$(hf-hardneg config multi_gpu)" --num_processes 4 -m hf_hardneg.train '
        "coco_vit_b32.yaml",
    ): "parsed",  # test_accelerate_configs.py
    ("README.md", "pip install 'hf-hardneg[inpaint]'"): "run",
    ("README.md", "pip install 'hf-hardneg[diffusers]'"): "parsed",  # test_inpainting_diffusers.py, on tiny models
    ("README.md", "pip install 'hf-hardneg[review]'"): "run",
    ("README.md", "hf-hardneg inpaint export pairs --out inpaintcoco"): "run",
    ("README.md", "hf-hardneg inpaint validate phiyodr/InpaintCOCO --out clean --json report.json"): "run",
    (
        "README.md",
        "hf-hardneg evaluate outputs/demo --control outputs/demo/control --out outputs/evaluation",
    ): "parsed",  # test_evaluate_command.py, test_interpolate.py
    (
        "README.md",
        "accelerate launch -m hf_hardneg.train --push_to_hub --hub_model_id org/hardneg-clip --hub_tag v1",
    ): "parsed",  # test_hub_lines.py, against a server
    ("README.md", "caption --words, usage (spaCy)--> slots --slot model, filters--> rates --one draw--> negatives "
    "--dataset.map--> rows"): "drawing",
    ("CONTRIBUTING.md", "make test"): "parsed",
    ("CONTRIBUTING.md", ".venv/bin/python -m pytest tests/test_losses.py"): "parsed",
    **{(file, "import evaluate"): "python" for file in DOCUMENTS if file.startswith(METRICS)},
}  # fmt: skip
# Lines of "run" blocks that are only parsed, and why.
ONLY_PARSED = {
    "hf-hardneg negatives captions/ --out negatives --engine ray": "test_ray_engine.py starts a cluster",
    "hf-hardneg negatives captions.jsonl --out negatives --language_model openai-community/gpt2": "downloads GPT-2; "
    "test_language_model.py has a tiny one",
    "python dataset_scripts/inpaintcoco.py inpaintcoco --push_to_hub org/inpaintcoco --private": "needs a Hub",
}
INSTEAD = {"phiyodr/InpaintCOCO": "inpaintcoco"}  # what was exported above, for what would be downloaded


class Block(NamedTuple):
    document: str
    language: str
    text: str

    @property
    def lines(self):
        """Commands without comments, continued lines joined."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        return [line for line in (re.sub(r"(^|\s+)#.*", "", row).strip() for row in joined.splitlines()) if line]

    @property
    def key(self):
        return self.document, self.lines[0]


def blocks_of(document):
    found = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / document).read_text(encoding="utf-8"), re.M | re.S)
    return [Block(document, language, text) for language, text in found]


ALL_BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]


def blocks_that_are(kind):
    return [block for block in ALL_BLOCKS if BLOCKS.get(block.key) == kind]


# How a command is read without being run.


class _Parsed(Exception):
    """Carries what argparse made of the arguments."""


def _parse_with_argparse(program: Callable[[], None], argv: list[str]) -> argparse.Namespace:
    original = argparse.ArgumentParser.parse_args

    def stop(self, args=None, namespace=None):
        raise _Parsed(original(self, argv, namespace))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        with pytest.raises(_Parsed) as found:
            program()
    return found.value.args[0]


def _check_make(argv):
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)[1].split()
    assert set(argv) <= set(targets)


def _check_pip(argv):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert argv[0] == "install" and len(argv) == 2
    wanted = Requirement(argv[1])
    assert wanted.name == project["name"] and wanted.extras <= set(project["optional-dependencies"])


def _check_hf_hardneg(argv):
    args = _parse_with_argparse(cli.main, argv)
    for spec in getattr(args, "benchmarks", []):
        assert spec.partition("=")[0] in benchmark_names()
    if hasattr(args, "editor"):
        describe_run(args)  # which flags go together


def _check_accelerate(argv):
    assert argv[0] == "launch"
    args = launch_command_parser().parse_args(argv[1:])
    assert args.module and args.training_script == "hf_hardneg.train"
    assert args.config_file is None or Path(args.config_file).is_file()
    parse_arguments(args.training_script_args)


def _check_python(argv):
    if argv[:2] == ["-m", "pytest"]:
        assert all((ROOT / name).exists() for name in argv[2:] if not name.startswith("-"))
    else:
        script = ROOT / argv[0]
        _parse_with_argparse(lambda: runpy.run_path(str(script), run_name="__main__"), argv[1:])


CHECKS = {
    "make": _check_make,
    "pip": _check_pip,
    "hf-hardneg": _check_hf_hardneg,
    "accelerate": _check_accelerate,
    "python": _check_python,
    ".venv/bin/python": _check_python,
}


def words_of(line, capsys):
    """The words of a command, `$(hf-hardneg config NAME)` replaced by what it prints."""
    for inner in re.findall(r"\$\((.*?)\)", line):
        capsys.readouterr()
        cli.main(shlex.split(inner)[1:])
        line = line.replace(f"$({inner})", capsys.readouterr().out.strip())
    return shlex.split(line)


# How a command is run: in one folder, with stand-ins for what its user has.


@pytest.fixture(scope="module")
def desk(tmp_path_factory, own_cache):
    """A folder with the files that the documents name, small, and an `outputs/demo` that is the start model."""
    folder = tmp_path_factory.mktemp("desk")
    texts = [text.capitalize() + "." for text in scene_captions(600, "readme")]
    for name, part in (("captions", texts[:300]), ("more", texts[300:])):
        lines = "".join(json.dumps({"caption": text}) + "\n" for text in part)
        (folder / f"{name}.jsonl").write_text(lines)
    negatives = [text.replace(" a ", " another ", 1) for text in texts]
    pd.DataFrame({"caption": texts, "negatives": [[text] for text in negatives]}).to_parquet(folder / "pairs.parquet")
    pd.DataFrame({"title": texts, "neg_caption": [str([text]) for text in negatives]}).to_csv(
        folder / "valid_neg_clip.tsv", sep="\t"
    )
    pairs = zip(texts, negatives, strict=True)
    rows = {str(i): {"filename": f"{i}.jpg", "caption": a, "negative_caption": b} for i, (a, b) in enumerate(pairs)}
    (folder / "swap_att.json").write_text(json.dumps(rows))
    (folder / "data").mkdir()
    make_folder(folder / "data" / "coco")
    (folder / "outputs").mkdir()
    (folder / "outputs" / "demo").symlink_to(ROOT / "hf_hardneg" / "start_model")
    for name in ("pair_choices", "retrieval_recall", "negatives_accuracy"):
        (folder / name).symlink_to(ROOT / METRICS / name)
    return folder


def review_all(argv):
    """What people do on the page of `hf-hardneg inpaint review`: here somebody accepts everything."""
    with (Path(argv[-1]) / JOURNAL).open("a") as journal:
        for item, made in accepted_pairs(Path(argv[-1])):
            about = {"candidate": item.candidates.index(made), "caption": made.proposal.new_caption, "quality": 4}
            line = {"kind": "review", "key": item.proposal.key, "worker": "ann", "verdict": "accept", "seconds": 1.0}
            journal.write(json.dumps(line | about) + "\n")


def run_line(words):
    words = [INSTEAD.get(word, word) for word in words]
    if words[0] == "pip":
        return  # what it installs is in constraints.txt and here
    assert words[0] == "hf-hardneg", f"no way to run {words}: add it to ONLY_PARSED, or to run_line"
    if words[1:3] == ["inpaint", "review"]:
        review_all(words[1:])
    else:
        cli.main(words[1:])


def test_every_block_is_classified_and_every_classification_has_its_block():
    for document in DOCUMENTS:  # indented or with other fences, a block would not be found
        text = (ROOT / document).read_text(encoding="utf-8")
        assert text.count("```") == 2 * len(blocks_of(document)) and "~~~" not in text, document
    assert {block.key for block in ALL_BLOCKS} == set(BLOCKS)
    assert {len([b for b in ALL_BLOCKS if b.key == key]) for key in BLOCKS} == {1}  # told apart by their first line
    run = {line for block in blocks_that_are("run") for line in block.lines}
    assert set(ONLY_PARSED) <= run


def test_every_document_is_looked_at():
    folders = ("", "hf_hardneg/**/", "benchmarks/**/", "notebooks/", "docs/**/", "model_cards/**/", "tests/**/")
    found = {file.relative_to(ROOT) for folder in folders for file in ROOT.glob(f"{folder}*.md")}
    rest = {file for file in found if not any(file.is_relative_to(folder) for folder in NO_DOCUMENTS)}
    assert {str(file) for file in rest} == set(DOCUMENTS)


@pytest.mark.parametrize("block", blocks_that_are("run") + blocks_that_are("parsed"), ids=lambda block: block.lines[0])
def test_commands_are_understood_by_the_program_they_call(block, capsys):
    assert block.language == "bash"
    for line in block.lines:
        words = words_of(line, capsys)
        CHECKS[words[0]](words[1:])


def test_commands_run_in_the_order_of_the_documents(desk, monkeypatch, capsys):
    monkeypatch.chdir(desk)
    for block in blocks_that_are("run"):
        for line in block.lines:
            if line not in ONLY_PARSED:
                run_line(words_of(line, capsys))
    left = ("negatives/data/train.parquet", "more/slot_model", "audit.png", "audit.json", "pairs/contact_sheet.png")
    for name in (*left, "inpaintcoco/data", "clean/data", "report.json"):
        assert (desk / name).exists(), name
    report = json.loads((desk / "report.json").read_text())
    assert report["rows"] == report["clean"] > 10


@pytest.mark.parametrize("block", blocks_that_are("python"), ids=lambda block: block.document)
def test_python_runs(block, desk, monkeypatch, tmp_path):
    monkeypatch.chdir(desk)
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    names = {}
    exec(compile(block.text, block.document, "exec"), names)
    if "rows" in names:
        assert all(old != new for row in names["rows"] for old in [row["caption"]] for new in row["negatives"])
        assert any(names["rows"]["negatives"])
    elif "metric" in names:
        assert "Returns:" in names["metric"].inputs_description
    else:
        assert names["model"].config.model_type == "clip" and names["processor"].tokenizer


@pytest.mark.parametrize("block", blocks_that_are("vocabulary"), ids=lambda block: block.lines[0])
def test_yaml_is_read_by_the_lexicon(block, tmp_path):
    file = tmp_path / "material.yaml"
    file.write_text(block.text)
    concept = load_lexicon(("color", str(file))).concepts["material"]
    assert "wooden" in {entry.name for entry in concept.entries}


def test_commands_within_the_text_are_understood():
    prose = "\n".join(re.sub(r"^```.*?^```$", "", (ROOT / name).read_text(), flags=re.M | re.S) for name in DOCUMENTS)
    spans = [re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", prose)]
    commands = [re.sub(r"^(\w+=\S+ )+", "", span) for span in spans]
    checked = 0
    for words in map(str.split, commands):
        if words[0] == "hf-hardneg" and len(words) > 3:  # fewer only name the command
            _check_hf_hardneg(words[1:])
        elif words[0] == "make":
            _check_make(words[1:])
        elif words[0] == "python" and words[1].endswith(".py"):
            assert (ROOT / words[1]).is_file(), words  # benchmarks take their hours, and some parse nothing
        else:
            continue
        checked += 1
    assert checked > 15


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_a_document_links_to_is_there(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _, anchor = link.partition("#")
        if "://" not in link:
            assert not target or ((ROOT / document).parent / target).exists(), link
            assert not anchor or target or anchor in anchors, link
