"""Promises about the code itself: directions of imports, names, sizes, docstrings, and cheap imports."""

import ast
import importlib
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

import hf_hardneg


PACKAGE = Path(hf_hardneg.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
STUBS = sorted(PACKAGE.rglob("*.pyi"))
MAX_LINES, MAX_FUNCTION, MAX_WORDS = 400, 60, 40
# Heavy or optional libraries, which a function may import when it runs.
LATE_LIBRARIES = frozenset(
    "torch transformers accelerate spacy matplotlib sklearn scipy pandas pyarrow ray cv2 gradio diffusers".split()
)
# Files that other people's tools load by their names.
UPLOADED = (PACKAGE / "metrics", PACKAGE / "inpainting" / "publish" / "templates")


# --- imports ---


def test_rooms_import_lower_rooms_only_and_no_two_modules_import_each_other():
    """The contracts of import-linter in pyproject.toml."""
    done = lint_imports(PACKAGE.parent / "pyproject.toml")
    assert done.returncode == 0 and "Contracts: 2 kept, 0 broken." in done.stdout, done.stdout[-3000:] + done.stderr


def test_the_contracts_can_fail(tmp_path):
    """A copy in which a low room imports a high one, for types only, and two modules import each other."""
    copy = tmp_path / "hf_hardneg"
    for file in FILES:
        target = copy / file.relative_to(PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.read_text())
    config = tmp_path / "pyproject.toml"
    config.write_text((PACKAGE.parent / "pyproject.toml").read_text())
    with (copy / "lexicon" / "words.py").open("a") as words:
        words.write("\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..training import arguments\n")
    with (copy / "model" / "loading.py").open("a") as loading:
        loading.write("\n\ndef late() -> None:\n    from . import adapters\n")
    with (copy / "model" / "adapters.py").open("a") as adapters:
        adapters.write("\nfrom . import loading\n")
    done = lint_imports(config)
    assert done.returncode == 1 and "hf_hardneg.lexicon is not allowed to import hf_hardneg.training" in done.stdout
    assert "No cycles are allowed in hf_hardneg.model" in done.stdout


def lint_imports(config):
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", code, "--no-cache", "--no-logo", str(config)]
    return subprocess.run(command, capture_output=True, text=True, cwd=config.parent)


def test_a_late_import_is_of_a_heavy_library_or_in_a_command():
    late = []
    for file in FILES:
        if "commands" not in file.relative_to(PACKAGE).parts:
            late += [f"{shown(file)}:{line} {name}" for line, name in late_imports(ast.parse(file.read_text()))]
    assert not late, listed(late)


def test_late_imports_are_found():
    code = """
        import json
        try:
            import cv2
        except ImportError:
            raise
        def one():
            import torch.nn
            from pandas import DataFrame
        def two():
            from ..data import coco
            import json
        class Three:
            def four(self):
                from . import x
    """
    tree = ast.parse("\n".join(line[8:] for line in code.splitlines()))
    assert [name for _, name in late_imports(tree)] == ["..data", "json", "."]


def late_imports(tree):
    """(line, name) of the imports inside functions that are not of `LATE_LIBRARIES`."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    imports = {}
    for node in (node for function in functions for node in ast.walk(function)):
        if isinstance(node, ast.Import):
            imports[node.lineno] = node.names[0].name
        elif isinstance(node, ast.ImportFrom):
            imports[node.lineno] = "." * node.level + (node.module or "")
    return [(line, name) for line, name in sorted(imports.items()) if name.split(".")[0] not in LATE_LIBRARIES]


def test_importing_the_package_loads_nothing_heavy():
    heavy = ("torch", "spacy", "transformers", "datasets", "numpy", "PIL")
    code = f"import sys, hf_hardneg, hf_hardneg.cli; print([name for name in {heavy} if name in sys.modules])"
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


# --- names ---


def test_no_file_is_a_drawer_and_no_two_have_one_name():
    assert repeated_names(modules_of(FILES)) == [] and len(FILES) > 100


@pytest.mark.parametrize(
    ("files", "repeated"),
    [
        (["data/utils.py"], ["utils"]),
        (["report/tables.py", "audit/tables.py"], ["tables"]),
        (["commands/push.py", "hub/push.py", "data/coco.py", "evaluation/benchmarks/coco.py"], []),
        (["commands/inpaint/push.py", "hub/push.py", "report/push.py"], ["push"]),
    ],
)
def test_repeated_file_names_are_found(files, repeated):
    assert repeated_names(modules_of(PACKAGE / file for file in files)) == repeated


def modules_of(files):
    """Paths by file name, of the files that people look for."""
    modules = defaultdict(list)
    for file in files:
        if file.stem != "__init__" and not any(file.is_relative_to(folder) for folder in UPLOADED):
            modules[file.stem].append(file.relative_to(PACKAGE))
    return modules


def repeated_names(modules):
    """Names that stand for two things; a command may mirror its room, and a benchmark the data that it reads."""
    own = {
        name: [path for path in paths if path.parts[0] != "commands" and "benchmarks" not in path.parts]
        for name, paths in modules.items()
    }
    return [name for name, paths in own.items() if len(paths) > 1 or name in ("utils", "helpers", "misc", "common")]


def test_no_two_public_functions_or_classes_have_one_name():
    """A command's or a benchmark's fixed functions (`run`, `load`) and a script's `main` are no two things."""
    repeated = repeated_definitions(FILES)
    assert not repeated, listed(repeated)


def test_repeated_definitions_are_found(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text("def measure(): ...\ndef _private(): ...\nclass Report: ...\n")
    assert repeated_definitions(sorted(tmp_path.glob("*.py"))) == ["Report: one, two", "measure: one, two"]


def repeated_definitions(files):
    names = defaultdict(list)
    for file in files:
        if any(file.is_relative_to(folder) for folder in (*UPLOADED, PACKAGE / "commands")):
            continue
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                if not (node.name == "main" or (node.name == "load" and "benchmarks" in file.parts)):
                    names[node.name].append(file.stem)
    return [f"{name}: {', '.join(stems)}" for name, stems in sorted(names.items()) if len(stems) > 1]


def test_no_public_name_hides_a_module_of_its_room():
    hidden = [f"{shown(stub)}: {name}" for stub in STUBS for name in stub_names(stub) if name in module_names(stub)]
    assert len(STUBS) > 10
    assert not hidden, listed(hidden)


def test_a_hidden_module_is_found(tmp_path):
    (tmp_path / "__init__.pyi").write_text("from .losses import losses as losses\nfrom .data import x as y\n")
    (tmp_path / "losses.py").touch()
    stub = tmp_path / "__init__.pyi"
    assert stub_names(stub) == ["losses", "y"] and module_names(stub) == {"losses"}


def stub_names(stub):
    """The names that a room's stub exports."""
    imports = [node for node in ast.parse(stub.read_text()).body if isinstance(node, ast.ImportFrom)]
    return [alias.asname or alias.name for node in imports for alias in node.names]


def module_names(stub):
    return {path.stem for path in stub.parent.iterdir() if path.suffix == ".py" or path.is_dir()} - {"__init__"}


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.parent.name)
def test_every_public_name_of_a_room_can_be_imported_and_is_documented(stub):
    room = importlib.import_module(".".join(stub.parent.relative_to(PACKAGE.parent).parts))
    assert set(stub_names(stub)) <= set(room.__all__) == set(room.__dir__()) and room.__doc__
    with pytest.raises(AttributeError, match="nothing"):
        _ = room.nothing
    for name in stub_names(stub):
        try:
            value = getattr(room, name)
        except ImportError as error:  # an optional package is missing
            assert "pip install 'hf-hardneg[" in str(error), name
            continue
        assert not callable(value) or (value.__doc__ or "").strip(), name


# --- sizes and docstrings ---


def public_definitions(tree):
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef) and isinstance(body, list):
            for child in body:
                if isinstance(child, ast.FunctionDef | ast.ClassDef) and not child.name.startswith("_"):
                    yield child


def test_every_public_name_and_file_is_documented():
    missing = []
    for file in FILES:
        tree = ast.parse(file.read_text())
        missing += [f"{shown(file)}: {node.name}" for node in public_definitions(tree) if not ast.get_docstring(node)]
        missing += [] if ast.get_docstring(tree) else [shown(file)]
    assert not missing, listed(missing)


def test_files_and_functions_fit_in_the_head():
    large = [size for file in FILES for size in too_large(shown(file), file.read_text())]
    assert not large, listed(large)


def test_large_files_and_functions_are_found():
    body = "    x = 1\n"
    fits = "def f():\n    '''One.\n\n    Two.\n    '''\n" + body * 59
    assert too_large("a", fits) == [] and too_large("a", fits + body) == ["a: f has 61 lines"]
    assert too_large("a", "x = 1\n" * 401) == ["a has 401 lines"]


def too_large(name, text):
    lines = len(text.splitlines())
    large = [f"{name} has {lines} lines"] if lines > MAX_LINES else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            first = node.body[0]
            is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            doc = first.end_lineno - first.lineno + 1 if is_docstring else 0
            length = node.end_lineno - node.lineno + 1 - doc
            large += [f"{name}: {node.name} has {length} lines"] if length > MAX_FUNCTION else []
    return large


def test_no_sentence_of_a_docstring_is_long():
    """A coarse guard: 25 words are the aim."""
    long = []
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                long += [f"{shown(file)}: {sentence}" for sentence in long_sentences(ast.get_docstring(node) or "")]
    assert not long, listed(long)


def test_long_sentences_are_found():
    words = " ".join(["Word"] * 41)
    assert long_sentences(f"Short. {words}. Short.") == [f"{words}."]
    assert long_sentences(f"Args:\n    x: {words[:150]}.\n    y: {words[:150]}.\n\nExample:\n    >>> f({words})") == []


def long_sentences(text):
    """Sentences of more than `MAX_WORDS` words; a paragraph, list item, argument and table row begin a new one."""
    text = re.sub(r"^ *(>>>|\.\.\.) .*$|^ *\S.*\S {3,}\S.*$", "\n", text, flags=re.MULTILINE)
    parts = re.split(r"\n\s*\n|\n\s*(?:[-*|]|\d+\.)\s|\n\s*(?=\w[\w, `]*: )|(?<=[.!?:])\s+(?=[A-Z`\"'(])", text)
    sentences = [" ".join(part.split()) for part in parts]
    return [sentence for sentence in sentences if len(sentence.split()) > MAX_WORDS]


def shown(file):
    return str(file.relative_to(PACKAGE)) if file.is_relative_to(PACKAGE) else file.name


def listed(lines):
    return "\n" + "\n".join(lines)
