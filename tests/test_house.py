"""Promises about the code itself: documented names, short files, cheap imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hf_hardneg


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


def test_the_lazy_names_are_there_and_documented():
    for name in hf_hardneg.__all__:
        assert getattr(hf_hardneg, name).__doc__
    with pytest.raises(AttributeError, match="nothing"):
        _ = hf_hardneg.nothing


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
