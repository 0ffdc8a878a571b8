"""The command line `hf-hardneg COMMAND`. Each command is a module of hf_hardneg/commands."""

import argparse
import logging
import sys
import textwrap
from collections.abc import Mapping, Sequence
from types import ModuleType

from .commands import audit, config, evaluate, interpolate, negatives, push, report, scenes, vocabulary
from .commands.inpaint import build, export, review, validate


INPAINT: dict[str, ModuleType] = {"build": build, "review": review, "export": export, "validate": validate}
INPAINT_TITLE = "Build pairs of photos that differ in one object (InpaintCOCO)"
# Commands in groups by purpose, as `--help` lists them.
GROUPS: dict[str, dict[str, ModuleType]] = {
    "Make hard negatives and check them": {"negatives": negatives, "audit": audit, "vocabulary": vocabulary},
    "Evaluate models": {"evaluate": evaluate, "report": report, "interpolate": interpolate},
    INPAINT_TITLE: {f"inpaint {name}": command for name, command in INPAINT.items()},
    "Publish, and prepare training": {"push": push, "scenes": scenes, "config": config},
}
WIDTH = 80  # columns of the help
INTRODUCTION = (
    "Tools for hard-negative captions and inpainted pairs.\n\n"
    "Train a model:\n  accelerate launch -m hf_hardneg.train RECIPE"
)


def _list_commands(groups: Mapping[str, Mapping[str, ModuleType]]) -> str:
    """Return the groups as text, with one line for each command."""
    blocks = [
        "\n".join([f"{title}:", *(_describe(name, command.HELP) for name, command in commands.items())])
        for title, commands in groups.items()
    ]
    return "\n\n".join(blocks)


def _describe(name: str, text: str) -> str:
    return textwrap.fill(f"  {name:<17} {text}", width=WIDTH, subsequent_indent=" " * 20)


def _add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, command: ModuleType
) -> None:
    parser = commands.add_parser(name, description=command.DESCRIPTION)
    command.add_arguments(parser)
    parser.set_defaults(run=command.run)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="hf-hardneg",
        usage="%(prog)s COMMAND ...",
        description=f"{INTRODUCTION}\n\n{_list_commands(GROUPS)}",
        epilog="hf-hardneg COMMAND --help explains a command.",
        formatter_class=raw,
    )
    commands = parser.add_subparsers(required=True, prog="hf-hardneg", metavar="COMMAND", help=argparse.SUPPRESS)
    inpaint = commands.add_parser(
        "inpaint",
        usage="%(prog)s ACTION ...",
        description=_list_commands({INPAINT_TITLE: INPAINT}),
        epilog="hf-hardneg inpaint ACTION --help explains an action.",
        formatter_class=raw,
    )
    actions = inpaint.add_subparsers(
        required=True, prog="hf-hardneg inpaint", metavar="ACTION", help=argparse.SUPPRESS
    )
    for name, command in INPAINT.items():
        _add_command(actions, name, command)
    for title, group in GROUPS.items():
        for name, command in group.items() if title != INPAINT_TITLE else ():
            _add_command(commands, name, command)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command. A user error ends with one sentence instead of a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    args = build_parser().parse_args(argv)
    try:
        args.run(args)
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
