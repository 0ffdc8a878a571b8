"""MkDocs calls this while it builds: the page of all commands is written from the parsers that read them."""

import argparse
from collections.abc import Iterable
from typing import Any

from hf_hardneg.cli import GROUPS
from hf_hardneg.training.argument_parser import HELP_GROUPS
from hf_hardneg.training.recipe import build_parser


NO_DEFAULT = ("None", "False", "[]", argparse.SUPPRESS)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Fill the two places of commands.md; other pages stay as they are."""
    if page.file.src_uri != "commands.md":
        return markdown
    return markdown.replace("<!-- training -->", describe_training()).replace("<!-- tools -->", describe_tools())


def describe_training() -> str:
    """A table for each group of arguments that are our own."""
    groups = {group.title: group._group_actions for group in build_parser()._action_groups}
    return "\n\n".join(f"### {title}\n\n{tabulate(groups[title])}" for title in HELP_GROUPS)


def describe_tools() -> str:
    """A section for each group of commands, and in it a table for each command."""
    sections = []
    for title, commands in GROUPS.items():
        sections.append(f"## {title}")
        for name, command in commands.items():
            parser = argparse.ArgumentParser(add_help=False)
            command.add_arguments(parser)
            heading = f"### hf-hardneg {name} {{#{name.replace(' ', '-')}}}"
            about = f"{command.HELP[0].upper()}{command.HELP[1:]}.\n\n{command.DESCRIPTION}"
            sections.append(f"{heading}\n\n{in_table(about)}\n\n{tabulate(parser._actions)}")
    return "\n\n".join(sections)


def tabulate(actions: Iterable[argparse.Action]) -> str:
    """A row for each argument."""
    rows = [f"| {name_of(action)} | {in_table(explain(action))} |" for action in actions if not is_negation(action)]
    return "\n".join(["| argument | what it does |", "|---|---|", *rows])


def is_negation(action: argparse.Action) -> bool:
    """Whether this is --no_NAME, which transformers adds to a switch that is on."""
    return any(flag.startswith("--no_") for flag in action.option_strings) and action.const is False


def name_of(action: argparse.Action) -> str:
    """The spellings of a flag, without those in which a hyphen stands for an underscore; or the name of a value."""
    spellings = [flag for flag in action.option_strings if "-" not in flag.lstrip("-")]
    return ", ".join(f"`{flag}`" for flag in spellings or [action.metavar or action.dest])


def explain(action: argparse.Action) -> str:
    """The help of an argument, its choices, and its default unless the help has it."""
    text = (action.help or "").replace("%%", "%")
    parts = [text]
    if action.choices:
        parts.append("One of: " + ", ".join(f"`{choice}`" for choice in action.choices) + ".")
    if str(action.default) not in NO_DEFAULT and "default" not in text.lower():
        values = action.default if isinstance(action.default, list | tuple) else [action.default]
        shown = (str(value).lower() if value is True else str(value) for value in values)
        parts.append(f"Default: `{' '.join(shown)}`.")
    return " ".join(f"{part.rstrip('.')}." for part in parts if part)


def in_table(text: str) -> str:
    """Text that neither ends a table's cell nor is taken for a tag."""
    return text.replace("|", "\\|").replace("<", "&lt;")
