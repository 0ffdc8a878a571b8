"""`hf-hardneg config`."""

import argparse
import sys
from pathlib import Path


ACCELERATE_CONFIGS = Path(__file__).parents[1] / "training" / "accelerate_configs"
HELP = "print the path of a shipped accelerate config"
DESCRIPTION = (
    "Print the path of a config file for accelerate. Example: "
    'accelerate launch --config_file "$(hf-hardneg config multi_gpu)" -m hf_hardneg.train RECIPE'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    names = sorted(file.stem for file in ACCELERATE_CONFIGS.glob("*.yaml"))
    parser.add_argument("name", choices=names, metavar="NAME", help=", ".join(names))


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    sys.stdout.write(f"{ACCELERATE_CONFIGS / args.name}.yaml\n")
