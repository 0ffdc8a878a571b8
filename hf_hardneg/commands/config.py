"""`hf-hardneg config`."""

import argparse
import sys
from pathlib import Path


ACCELERATE_CONFIGS = Path(__file__).parents[1] / "training" / "accelerate_configs"
HELP = "print the path of a shipped config of accelerate"
DESCRIPTION = (
    'Use it as in: accelerate launch --config_file "$(hf-hardneg config multi_gpu)" -m hf_hardneg.train RECIPE'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "name", choices=sorted(file.stem for file in ACCELERATE_CONFIGS.glob("*.yaml")), help="The name of the config."
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    sys.stdout.write(f"{ACCELERATE_CONFIGS / args.name}.yaml\n")
