"""Every code block of the documentation is run, or at least read by the program that it calls.

What is done with a block follows from its language:

    bash    every line goes through the real argparse of the command it calls; lines of `RUN` documents also run,
            in their order, in one folder with small stand-ins for the files named
    python  is executed in that same folder, with the document's earlier blocks; a line `--8<-- FILE` shows a file of
            docs/examples, which test_examples.py runs
    yaml    is a vocabulary that the lexicon reads

A block of another language fails, so that none is skipped in silence.
"""

import argparse
import json
import random
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
from hf_hardneg.scenes.world import draw_scene, sample_scene
from hf_hardneg.training.recipe import parse_arguments


ROOT = Path(__file__).parents[2]
METRICS = "hf_hardneg/metrics"
SITE = sorted(f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md"))
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *SITE,
    *(f"{METRICS}/{name}/README.md" for name in ("pair_choices", "retrieval_recall", "negatives_accuracy")),
]
# Markdown that is no documentation: published cards and a golden one, which other tests make, tables of results, and
# what GitHub shows in the form of a pull request.
NO_DOCUMENTS = {
    "benchmarks/miniature",
    "benchmarks/photos",
    "model_cards",
    ".github",
    "tests/report/golden_model_card.md",
}
RUN = ["docs/negatives.md", "docs/audit.md", "docs/vocabulary.md", "docs/inpainting.md", "docs/twins.md"]
# Lines of `RUN` documents that are only parsed, and why.
ONLY_PARSED = {
    "hf-hardneg negatives captions/ --out negatives --engine ray": "test_ray_engine.py starts a cluster",
    "hf-hardneg negatives captions.jsonl --out negatives --language_model openai-community/gpt2": "downloads GPT-2; "
    "test_language_model.py has a tiny one",
    "hf-hardneg audit pairs.parquet --language_model smollm2-135m.gguf": "test_acceptability.py makes a model",
    "python dataset_scripts/inpaintcoco.py inpaintcoco --push_to_hub org/inpaintcoco --private": "needs a Hub",
    **{
        f"accelerate launch -m hf_hardneg.train {line}": "trains; test_prepare_twins.py does it with small sets"
        for line in (
            "demo.yaml",
            "coco_twins.yaml",
            "photos.yaml --dataset data/photos --twins twins recolored",
            "photos.yaml --dataset recolored --dataset_split test --twin_share 1",
        )
    },
    **{
        f"hf-hardneg inpaint build --coco {line}": "downloads models; test_diffusers.py has tiny ones"
        for line in (
            "data/coco --out sd2 --editor diffusers --candidates 3",
            "data/coco --out sdxl --editor diffusers --editor_model diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
            "captions_only --out by_text --editor diffusers --masks grounded_sam",
            "data/coco --out gated --clip openai/clip-vit-base-patch32",
        )
    },
}
# For what would be downloaded: what was exported above, and the start model.
INSTEAD = {"phiyodr/InpaintCOCO": "inpaintcoco", "org/inpaintcoco": "inpaintcoco", "org/hardneg-clip": "outputs/demo"}


class Block(NamedTuple):
    document: str
    language: str
    text: str

    @property
    def lines(self):
        """Commands without comments, continued lines joined."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        return [line for line in (re.sub(r"(^|\s+)#.*", "", row).strip() for row in joined.splitlines()) if line]


def blocks_of(document):
    found = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / document).read_text(encoding="utf-8"), re.M | re.S)
    return [Block(document, language, text) for language, text in found]


ALL_BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]
LANGUAGES = {"bash", "python", "yaml"}


def blocks_in(language):
    return [block for block in ALL_BLOCKS if block.language == language]


def lines_to_run():
    return [
        line for document in RUN for block in blocks_of(document) if block.language == "bash" for line in block.lines
    ]


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
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split()
    variables = {word.partition("=")[0] for word in argv if "=" in word}
    assert {word for word in argv if "=" not in word} <= set(targets)
    assert all(f"$({name})" in makefile for name in variables), variables


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
        assert all((ROOT / name).exists() for name in argv[2:] if name.startswith("tests"))
    elif argv[0] == "-m":
        assert argv[1] == "hf_hardneg.train"
        parse_arguments(argv[2:])
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


def check_command(line, capsys):
    """Read a line as the program that it calls does; fails if the program is unknown or refuses its arguments."""
    program, *argv = words_of(line, capsys)
    assert program in CHECKS, f"nothing here reads {program}: {line}"
    CHECKS[program](argv)


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
    make_folder(folder / "data" / "photos", [([f"A {color} bus on a road."], []) for color in ("red", "blue")])
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


def test_no_block_is_skipped():
    for document in DOCUMENTS:  # indented or with other fences, a block would not be found
        text = (ROOT / document).read_text(encoding="utf-8")
        assert text.count("```") == 2 * len(blocks_of(document)) and "~~~" not in text, document
    assert {block.language for block in ALL_BLOCKS} <= LANGUAGES
    assert set(ONLY_PARSED) <= set(lines_to_run())


def test_every_document_is_looked_at():
    folders = ("", "hf_hardneg/**/", "benchmarks/**/", "notebooks/", "docs/**/", "model_cards/**/", "tests/**/")
    found = {file.relative_to(ROOT) for folder in folders for file in ROOT.glob(f"{folder}*.md")}
    rest = {
        file
        for file in found
        if "templates" not in file.parts and not any(file.is_relative_to(folder) for folder in NO_DOCUMENTS)
    }
    assert {str(file) for file in rest} == set(DOCUMENTS)


@pytest.mark.parametrize("block", blocks_in("bash"), ids=lambda block: f"{block.document}: {block.lines[0]}")
def test_commands_are_understood_by_the_program_they_call(block, capsys):
    assert block.lines
    for line in block.lines:
        check_command(line, capsys)


@pytest.mark.parametrize("line", (Path(__file__).parent / "old_command_lines.txt").read_text().splitlines())
def test_command_lines_of_the_first_readme_still_work(line, capsys):
    check_command(line, capsys)


def test_commands_run_in_the_order_of_the_documents(desk, monkeypatch, capsys):
    monkeypatch.chdir(desk)
    for line in lines_to_run():
        if line not in ONLY_PARSED:
            run_line(words_of(line, capsys))
    left = ("negatives/data/train.parquet", "more/slot_model", "audit.png", "audit.json", "pairs/contact_sheet.png")
    for name in (*left, "inpaintcoco/data", "clean/data", "report.json", "twins/data"):
        assert (desk / name).exists(), name
    report = json.loads((desk / "report.json").read_text())
    assert report["rows"] == report["clean"] > 10


def python_of(document):
    blocks = [block.text for block in blocks_of(document) if block.language == "python"]
    return [text for text in blocks if not text.startswith("--8<--")]


@pytest.mark.parametrize("document", [document for document in DOCUMENTS if python_of(document)])
def test_python_runs(document, desk, monkeypatch, tmp_path):
    monkeypatch.chdir(desk)
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    names = {}
    for text in python_of(document):
        for wanted, instead in INSTEAD.items():
            text = text.replace(f'"{wanted}"', f'"{instead}"')
        exec(compile(text, document, "exec"), names)
    if "rows" in names:
        assert all(old != new for row in names["rows"] for old in [row["caption"]] for new in row["negatives"])
        assert any(names["rows"]["negatives"])
    if "metric" in names:
        assert "Returns:" in names["metric"].inputs_description
    if "model" in names:
        assert names["model"].config.model_type == "clip"
    if "classify" in names:
        image = draw_scene(sample_scene(random.Random(0)))
        assert len(names["classify"](image, candidate_labels=["a circle", "a square"])) == 2
    if "task" in names:
        assert names["images"] and names["texts"]
    assert names.keys() & {"rows", "metric", "model", "classify", "pairs", "task"}


def test_examples_that_a_document_shows_are_there():
    shown = {line for name in DOCUMENTS for line in re.findall(r'--8<-- "(.*)"', (ROOT / name).read_text())}
    assert shown == {f"examples/{file.name}" for file in (ROOT / "docs" / "examples").glob("*.py")}


def test_the_readme_is_short_and_its_links_work_on_pypi():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.encode()) <= 10_000
    assert all(link.startswith("https://") for link in re.findall(r"\]\(([^)\s]+)\)", text))
    site = "https://org.github.io/hf-hardneg/"
    pages = {f"{site}{name.removeprefix('docs/').removesuffix('.md')}/" for name in SITE} | {site}
    assert {link for link in re.findall(r"\]\(([^)\s]+)\)", text) if link.startswith(site)} <= pages
    for link in re.findall(r"hf-hardneg/(?:blob/|tree/)?main/([^)\s]+)", text):
        assert (ROOT / link).exists(), link


@pytest.mark.parametrize("block", blocks_in("yaml"), ids=lambda block: block.document)
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
        elif words[0] == "python" and words[-1:] != ["python"] and words[1].endswith(".py"):
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
