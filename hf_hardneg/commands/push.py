"""`hf-hardneg push`."""

import argparse
import logging
import sys
from pathlib import Path


HELP = "publish a folder on the Hugging Face Hub"
DESCRIPTION = (
    "Upload to a branch, read everything back and compare it, and only then publish it on main, in one commit. If "
    "everything is there already, nothing is done. The token is that of `hf auth login` or HF_TOKEN."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "folder", help="What to publish: a trained model, a data set with its card, or a metric (a Space)."
    )
    parser.add_argument("repo_id", help="The repository: OWNER/NAME.")
    parser.add_argument("--type", choices=("model", "dataset", "space"), help="Default: what the folder holds.")
    parser.add_argument("--tag", help="A tag for the published commit, such as v1.")
    visible = parser.add_mutually_exclusive_group()
    visible.add_argument("--private", action="store_true", default=None, help="Make a new repository private.")
    visible.add_argument(
        "--public", action="store_false", dest="private", help="Make the repository public, once everything is there."
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ..hub.local_folder import detect_type
    from ..hub.push import publish_folder

    logging.getLogger("hf_hardneg").setLevel(logging.INFO)
    repo_type = args.type or detect_type(Path(args.folder))
    published = publish_folder(args.folder, args.repo_id, repo_type, private=args.private, tag=args.tag)
    sys.stdout.write(f"{published}\n")
