"""Every flag that a text of this package names exists."""

import ast
import re
from pathlib import Path

import hf_hardneg
from hf_hardneg.cli import build_parser as build_command_parser
from hf_hardneg.training.recipe import build_parser


PACKAGE = Path(hf_hardneg.__file__).parent
FLAG = re.compile(r"(?<![\w-])--([a-z][a-z0-9_-]+)")
# Flags of accelerate, and what stands for any flag.
FOREIGN = {"num_processes", "config_file", "flag", "flags"}


def flags_of(parser):
    """The flags of a parser and of its subcommands, without dashes."""
    flags = {flag.removeprefix("--") for action in parser._actions for flag in action.option_strings}
    for action in parser._actions:
        for sub in action.choices.values() if hasattr(action.choices, "values") else ():
            flags |= flags_of(sub)
    return flags


def texts(file):
    """The string constants of a Python file, docstrings as well."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_no_text_names_a_flag_that_does_not_exist():
    known = flags_of(build_command_parser()) | flags_of(build_parser()) | FOREIGN
    assert {"dtype", "long_captions", "out", "max_steps"} <= known
    named = [
        (f"{file.relative_to(PACKAGE)}:{line}", flag)
        for file in PACKAGE.rglob("*.py")
        for line, text in texts(file)
        for flag in FLAG.findall(text)
    ]
    assert len(named) > 100
    assert [one for one in named if one[1] not in known] == []
