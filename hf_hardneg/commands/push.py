"""`hf-hardneg push`."""

import argparse
import sys
from pathlib import Path


HELP = "publish a folder that a command has written"
DESCRIPTION = (
    "One commit that appears whole or not at all, read back and compared; nothing if all is there "
    "already. The token is that of `hf auth login` or HF_TOKEN."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", help="a trained model, a dataset with its card, or a Space (a metric)")
    parser.add_argument("repo_id", help="owner/name")
    parser.add_argument("--type", choices=("model", "dataset", "space"), help="default: told from what is in it")
    parser.add_argument("--tag", help="a name for what is published, such as v1")
    visible = parser.add_mutually_exclusive_group()
    visible.add_argument("--private", action="store_true", default=None, help="a new repo is private")
    visible.add_argument(
        "--public", action="store_false", dest="private", help="the repo is public, from when all is there"
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ..hub.local_folder import detect_type
    from ..hub.push import publish_folder

    repo_type = args.type or detect_type(Path(args.folder))
    published = publish_folder(args.folder, args.repo_id, repo_type, private=args.private, tag=args.tag)
    sys.stdout.write(f"{published}\n")
