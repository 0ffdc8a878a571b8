"""The command line `hf-hardneg COMMAND`. Each command is a module of hf_hardneg/commands."""

import argparse
import logging
from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType

from .commands import audit, config, evaluate, interpolate, negatives, push, report, scenes, twins, vocabulary
from .commands.inpaint import build, export, review, validate
from .process_group import ends_process_group
from .progress_bars import hide_short_bars
from .user_errors import one_sentence


# Commands in groups by purpose, as `--help` lists them.
GROUPS: dict[str, dict[str, ModuleType]] = {
    "Make hard negatives and check them": {"negatives": negatives, "audit": audit, "vocabulary": vocabulary},
    "Evaluate models": {"evaluate": evaluate, "report": report, "interpolate": interpolate, "twins": twins},
    "Build pairs of photos that differ in one object (InpaintCOCO)": {
        "inpaint build": build,
        "inpaint review": review,
        "inpaint export": export,
        "inpaint validate": validate,
    },
    "Publish, and prepare training": {"push": push, "scenes": scenes, "config": config},
}
INTRODUCTION = (
    "Tools for hard-negative captions and inpainted pairs.\n\n"
    "Train a model:\n  accelerate launch -m hf_hardneg.train RECIPE"
)


def _list_commands(groups: Mapping[str, Mapping[str, ModuleType]]) -> str:
    """Return the groups as text, with one line for each command."""
    blocks = [
        "\n".join([f"{title}:", *(f"  {name:<17} {command.HELP}" for name, command in commands.items())])
        for title, commands in groups.items()
    ]
    return "\n\n".join(blocks)


def _add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, command: ModuleType
) -> None:
    parser = commands.add_parser(name.split()[-1], prog=f"hf-hardneg {name}", description=command.DESCRIPTION)
    command.add_arguments(parser)
    parser.set_defaults(run=command.run)


@cache
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
    commands = parser.add_subparsers(required=True, metavar="COMMAND", help=argparse.SUPPRESS)
    inpaint = {
        title: {name: command for name, command in group.items() if name.startswith("inpaint ")}
        for title, group in GROUPS.items()
    }
    inpaint = {title: group for title, group in inpaint.items() if group}
    actions = commands.add_parser(
        "inpaint", usage="hf-hardneg inpaint ACTION ...", description=_list_commands(inpaint), formatter_class=raw
    ).add_subparsers(required=True, metavar="ACTION", help=argparse.SUPPRESS)
    for group in GROUPS.values():
        for name, command in group.items():
            _add_command(actions if name.startswith("inpaint ") else commands, name, command)
    return parser


@ends_process_group()
def main(argv: Sequence[str] | None = None) -> None:
    """Run a command. A user error ends with one sentence instead of a traceback."""
    hide_short_bars()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    args = build_parser().parse_args(argv)
    with one_sentence():
        args.run(args)


if __name__ == "__main__":
    main()
