"""`hf-hardneg push`."""

import argparse
import sys
from pathlib import Path


HELP = "publish a folder on the Hugging Face Hub"
DESCRIPTION = (
    "Publish a folder in one commit, read it back and compare it. If the repo has the same files already, nothing is "
    "committed. Log in first with `hf auth login`, or set HF_TOKEN."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", help="a trained model, a dataset with its card, or a Space (such as a metric)")
    parser.add_argument("repo_id", help="where to publish it, as owner/name")
    parser.add_argument(
        "--type", choices=("model", "dataset", "space"), help="the type of the repo; by default the files decide"
    )
    parser.add_argument("--tag", help="a name for this version, such as v1")
    visibility = parser.add_mutually_exclusive_group()
    visibility.add_argument(
        "--private", action="store_true", default=None, help="create a private repo; refuse a public one"
    )
    visibility.add_argument(
        "--public", action="store_false", dest="private", help="make the repo public once all files are there"
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ..hub.local_folder import detect_type
    from ..hub.push import publish_folder

    repo_type = args.type or detect_type(Path(args.folder))
    published = publish_folder(args.folder, args.repo_id, repo_type, private=args.private, tag=args.tag)
    sys.stdout.write(f"{published}\n")
