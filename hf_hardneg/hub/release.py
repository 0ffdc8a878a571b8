"""`--push_to_hub`: how a training run and the Hub fit together.

Trainer pushes by `hub_strategy`: checkpoints while it trains, and at its end weights that have neither metrics nor a
card yet, all to one branch. So that main never shows anything half-done, Trainer's pushes of checkpoints go to a
branch of their own, its push at the end is left out, and the release is one commit to main when everything is there.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers.trainer_utils import HubStrategy, SaveStrategy


if TYPE_CHECKING:
    from ..training.arguments import HardNegCLIPTrainingArguments
    from .push import Published

CHECKPOINTS = "checkpoints"


def pushes_checkpoints(args: "HardNegCLIPTrainingArguments") -> bool:
    """Whether Trainer is to push while it trains."""
    return args.push_to_hub and args.hub_strategy != HubStrategy.END and args.save_strategy != SaveStrategy.NO


def prepare_release(args: "HardNegCLIPTrainingArguments") -> None:
    """See that the repo can be pushed to, before hours of training; fill in its full name and the checkpoints' branch.

    Raises:
        PushError: If it cannot.
        ValueError: If checkpoints are to go to main.
    """
    from .push import MAIN, one_sentence, open_repo, sign_in

    args.hub_revision = args.hub_revision or CHECKPOINTS
    if pushes_checkpoints(args) and args.hub_revision == MAIN:
        raise ValueError("hub_revision is main, which holds releases only: name another branch for the checkpoints.")
    remote = sign_in(args.hub_model_id or Path(str(args.output_dir)).resolve().name, "model", args.hub_token)
    open_repo(remote, args.hub_private_repo)
    args.hub_model_id = remote.repo_id
    if args.hub_private_repo is False and not remote.is_new:
        args.hub_private_repo = (
            None  # as Trainer has it, this is about new repos: nothing private becomes public by it
        )
    if pushes_checkpoints(args):
        branch: dict[str, Any] = {"branch": args.hub_revision, "exist_ok": True}
        with one_sentence(remote):
            remote.patience.call(lambda: remote.api.create_branch(**remote.place, **branch))


def release(args: "HardNegCLIPTrainingArguments") -> "Published":
    """Publish the output folder of a finished run.

    Raises:
        PushError: If it did not work; says how to push the folder later, without training again.
    """
    from .errors import PushError
    from .push import publish_folder

    options: dict[str, Any] = {"private": args.hub_private_repo, "token": args.hub_token, "tag": args.hub_tag}
    try:
        return publish_folder(str(args.output_dir), str(args.hub_model_id), "model", **options)
    except PushError as error:
        again = f"hf-hardneg push {args.output_dir} {args.hub_model_id}"
        raise PushError(f"{error} The trained model is in {args.output_dir}; to push it later: {again}") from error
