"""Promises about the code itself: documented names, short files, cheap imports."""

import ast
import importlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import hf_hardneg
from hf_hardneg.file_digests import source_digest


PACKAGE = Path(hf_hardneg.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES, MAX_FUNCTION = 400, 60


def public_definitions(tree):
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef) and isinstance(body, list):
            for child in body:
                if isinstance(child, ast.FunctionDef | ast.ClassDef) and not child.name.startswith("_"):
                    yield child


def test_every_public_name_is_documented():
    missing = [
        f"{file.name}: {node.name}"
        for file in FILES
        for node in public_definitions(ast.parse(file.read_text()))
        if not ast.get_docstring(node)
    ]
    assert missing == [] and len(FILES) > 20


STUBS = sorted(PACKAGE.rglob("__init__.pyi"))


def room_of(stub):
    return ".".join(["hf_hardneg", *stub.parent.relative_to(PACKAGE).parts])


def names_of(stub):
    imports = [node for node in ast.parse(stub.read_text()).body if isinstance(node, ast.ImportFrom)]
    return [name.asname for node in imports for name in node.names]


@pytest.mark.parametrize("stub", STUBS, ids=room_of)
def test_the_public_names_of_a_room_are_there_and_documented(stub):
    room = importlib.import_module(room_of(stub))
    assert sorted(room.__all__) == sorted(names_of(stub))
    for name in names_of(stub):
        found = getattr(room, name)
        assert getattr(found, "__doc__", None) or not callable(found), name
    with pytest.raises(AttributeError, match="nothing"):
        _ = room.nothing


@pytest.mark.parametrize("stub", STUBS, ids=room_of)
def test_no_public_name_is_that_of_a_module(stub):
    """Importing the module would put it in the place of the name."""
    modules = {file.stem for file in stub.parent.iterdir() if file.is_dir() or file.suffix == ".py"}
    assert modules.isdisjoint(names_of(stub))


def test_no_two_modules_have_one_name():
    """Commands may be called like what they call, and rooms have an __init__."""
    names = Counter(file.stem for file in FILES if file.stem != "__init__" and "commands" not in file.parts)
    # A metric's module is called like the metric, a shipped script like its data set, a benchmark like its source.
    homonyms = {"coco", "negatives_accuracy", "inpaintcoco", "scenes"}
    assert {name for name, count in names.items() if count > 1} <= homonyms
    assert not any(file.stem in ("utils", "helpers", "misc", "common") for file in FILES)


def test_rooms_import_in_one_direction_and_without_cycles():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True)
    assert done.returncode == 0 and "2 kept, 0 broken" in done.stdout, done.stdout + done.stderr


# Libraries that are heavy or optional; all else is imported at the top of a file.
LATE = {
    *("accelerate", "cv2", "diffusers", "gradio", "huggingface_hub", "matplotlib", "pandas", "pyarrow", "ray"),
    *("peft", "safetensors", "scipy", "sklearn", "spacy", "thinc", "torch", "transformers"),
}


def test_imports_inside_functions_are_of_heavy_libraries_or_of_commands():
    late = []
    for file in FILES:
        is_command = "commands" in file.parts or file.parts[-2:] == ("training", "command.py")
        if is_command or file.parts[-2:] == ("hf_hardneg", "train.py"):
            continue
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.ImportFrom):
                        late += [(file.name, "." * node.level + (node.module or ""))]
                    elif isinstance(node, ast.Import):
                        late += [(file.name, name.name) for name in node.names]
    wrong = {(name, module) for name, module in late if module.split(".")[0] not in LATE}
    assert wrong == set()


def test_every_pattern_of_a_source_digest_matches_a_file():
    with pytest.raises(ValueError, match="nothing.py"):
        source_digest("nothing.py")
    assert source_digest("lexicon/*") != source_digest("lexicon/words.py")


def test_files_and_functions_fit_in_the_head():
    for file in FILES:
        text = file.read_text()
        assert len(text.splitlines()) <= MAX_LINES, file
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                doc = len((ast.get_docstring(node) or "").splitlines())
                assert node.end_lineno - node.lineno + 1 - doc <= MAX_FUNCTION, (file.name, node.name)


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, hf_hardneg; print([m for m in ('torch', 'spacy', 'transformers') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_help_loads_no_more_than_its_arguments_need():
    code = (
        "import sys\nsys.argv = ['train', '--help']\n"
        "try:\n    import runpy; runpy.run_module('hf_hardneg.train', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        "print([m for m in ('spacy', 'datasets', 'matplotlib', 'transformers.trainer') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "--num_negatives" in done.stdout and done.stdout.endswith("[]\n"), done.stdout[-300:] + done.stderr[-500:]
