"""`--push_to_hub`: publish a finished run as one commit, and its checkpoints on a branch of their own.

By itself, Trainer pushes checkpoints while it trains and weights at the end, all to one branch. The weights have no
metrics and no card yet. Here, main never shows anything unfinished:

1. Trainer pushes checkpoints to the branch `checkpoints`.
2. Trainer does not push at the end.
3. When metrics and card are written, the output folder becomes one commit on main.
"""

from pathlib import Path
from typing import Any

from transformers.trainer_utils import HubStrategy, SaveStrategy

from ..hub.errors import PushError
from ..hub.push import Published, publish_folder
from ..hub.remote import MAIN, one_sentence, open_repo, sign_in
from .arguments import HardNegCLIPTrainingArguments


CHECKPOINTS = "checkpoints"


def pushes_checkpoints(args: HardNegCLIPTrainingArguments) -> bool:
    """Whether Trainer pushes while it trains."""
    return args.push_to_hub and args.hub_strategy != HubStrategy.END and args.save_strategy != SaveStrategy.NO


def prepare_release(args: HardNegCLIPTrainingArguments) -> None:
    """Check that the repository can be written to, before hours of training.

    Sets `args.hub_model_id` to the full name of the repository, and `args.hub_revision` to the branch for checkpoints.

    Raises:
        PushError: If the repository cannot be written to.
        ValueError: If checkpoints would go to main.
    """
    args.hub_revision = args.hub_revision or CHECKPOINTS
    if pushes_checkpoints(args) and args.hub_revision == MAIN:
        raise ValueError("hub_revision is main, which holds releases only: name another branch for the checkpoints.")
    remote = sign_in(args.hub_model_id or Path(str(args.output_dir)).resolve().name, "model", args.hub_token)
    open_repo(remote, args.hub_private_repo)
    args.hub_model_id = remote.repo_id
    if args.hub_private_repo is False and not remote.is_new:
        # In Trainer, hub_private_repo concerns new repositories only. A private one must not become public by it.
        args.hub_private_repo = None
    if pushes_checkpoints(args):
        branch: dict[str, Any] = {"branch": args.hub_revision, "exist_ok": True}
        with one_sentence(remote):
            remote.retries.call(lambda: remote.api.create_branch(**remote.address, **branch))


def publish_run(args: HardNegCLIPTrainingArguments) -> Published:
    """Publish the output folder of a finished run.

    Raises:
        PushError: If it did not work. The message gives the command that pushes the folder later.
    """
    options: dict[str, Any] = {"private": args.hub_private_repo, "token": args.hub_token, "tag": args.hub_tag}
    try:
        return publish_folder(str(args.output_dir), str(args.hub_model_id), "model", **options)
    except PushError as error:
        again = f"hf-hardneg push {args.output_dir} {args.hub_model_id}"
        raise PushError(f"{error} The trained model is in {args.output_dir}; to push it later: {again}") from error
