"""The repo of a push: who owns the token, whether it can write, what the repo holds, and how far the push is."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, HfApi, get_token
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import validate_repo_id

from .errors import TOKEN_PAGE, PushError, explain_error
from .local_folder import REPO_TYPES
from .retries import HUB_ERRORS, RetryPolicy


MAIN = "main"
NAME_RULE = "write OWNER/NAME, with letters, digits, -, _ and . only, no -- and no .., and no - or . at an end"


@dataclass
class Remote:
    """The repo of a push and the progress of that push.

    Attributes:
        api: The client, with the token.
        repo_id: "owner/name".
        repo_type: "model", "dataset" or "space".
        retries: How long temporary failures are waited for.
        user: The owner of the token, once known.
        is_private: Whether the repo is private.
        is_new: Whether this push created the repo.
        is_uploading: Whether files are on their way, so that an error has to say what main shows.
        branch: The branch that this push uploads to, once there was something to upload.
        read_back: The SHA-256 of the files that were downloaded and found equal to the folder's.
        parent_commit: The commit of main on top of which this push sent its own and did not hear a refusal.
        commit: The commit of this push on main, once made. Its files were compared before.
        refused: How often the Hub refused a commit on top of a commit of main.
    """

    api: HfApi
    repo_id: str
    repo_type: str
    retries: RetryPolicy
    user: str | None = None
    is_private: bool = False
    is_new: bool = False
    is_uploading: bool = False
    branch: str | None = None
    read_back: set[str] = field(default_factory=set)
    parent_commit: str | None = None
    commit: str | None = None
    refused: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return f"{self.repo_type} {self.repo_id}"

    @property
    def address(self) -> dict[str, Any]:
        """The arguments that name the repo in a call of the API."""
        return {"repo_id": self.repo_id, "repo_type": self.repo_type}

    @property
    def url(self) -> str:
        """The address of the repo's page."""
        prefix = "" if self.repo_type == "model" else f"{self.repo_type}s/"
        return f"{self.api.endpoint}/{prefix}{self.repo_id}"

    @property
    def progress(self) -> str:
        """What main shows, as a sentence; empty before anything was sent."""
        if self.commit:
            return f" Commit {self.commit} is on main, whole and compared: run it again to finish."
        if self.parent_commit:
            return " Whether its commit arrived is not known: main shows all of it or nothing new."
        return " Nothing new is on main." if self.is_uploading else ""

    def list_files(self, revision: str) -> tuple[str, dict[str, RepoFile]]:
        """The commit of a revision, and its files by path."""
        commit = str(self.api.repo_info(**self.address, revision=revision).sha)
        entries = self.api.list_repo_tree(**self.address, recursive=True, revision=commit)
        return commit, {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}

    def fetch(self, path: str, commit: str, folder: str) -> Path:
        """Download a file of a commit into a folder."""
        return Path(self.api.hf_hub_download(**self.address, filename=path, revision=commit, local_dir=folder))


def clean_token(token: str | None) -> str:
    """The given token, or that of HF_TOKEN or `hf auth login`, without spaces around it.

    Raises:
        PushError: If there is none, or it has a character that no token has. An HTTP library would print such a token
            in its error.
    """
    token = (token or get_token() or "").strip()
    if not token:
        raise PushError(
            f"There is no token to push with: log in with `hf auth login`, or set HF_TOKEN ({TOKEN_PAGE})."
        )
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise PushError(f"The token holds a character that no token has: copy it again ({TOKEN_PAGE}).")
    return token


@contextmanager
def one_sentence(remote: Remote) -> Iterator[None]:
    """Turn the errors of huggingface_hub into a PushError of one sentence that never shows the token."""
    try:
        yield
    except PushError:
        raise
    except HUB_ERRORS as error:
        message = explain_error(error, str(remote), remote.user) + remote.progress
        raise PushError(message.replace(str(remote.api.token), "<token>")) from error


def sign_in(
    repo_id: str, repo_type: str, token: str | None = None, sleep: Callable[[float], None] = time.sleep
) -> Remote:
    """Ask the Hub who owns the token and whether it can write. Nothing is changed.

    Args:
        repo_id: "owner/name", or a name, which then belongs to the owner of the token.
        repo_type: "model", "dataset" or "space".
        token: By default that of HF_TOKEN or `hf auth login`.
        sleep: Waits for a number of seconds.

    Raises:
        PushError: If there is no such type, the id is not valid, or the token cannot write.
    """
    if repo_type not in REPO_TYPES:
        raise PushError(f"The type is {repo_type!r}; it must be one of {', '.join(REPO_TYPES)}.")
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise PushError(f"{repo_id!r} is not the name of a repo; {NAME_RULE}.") from error
    remote = Remote(HfApi(token=clean_token(token)), repo_id, repo_type, RetryPolicy(sleep))
    with one_sentence(remote):
        account = remote.retries.call(remote.api.whoami)
    remote.user = account["name"]
    if account.get("auth", {}).get("accessToken", {}).get("role") == "read":
        raise PushError(f"The token of {remote.user} can only read: make one that can write ({TOKEN_PAGE}).")
    if "/" not in repo_id:
        remote.repo_id = f"{remote.user}/{repo_id}"
    return remote


def open_repo(remote: Remote, private: bool | None = None, sdk: str | None = None) -> None:
    """Find the repo or create it empty, and check that the token can write to it.

    Args:
        remote: From `sign_in`.
        private: As in `publish_folder`. A new repo that is to be public starts private; the push makes it public when
            all files are there.
        sdk: The sdk of a new Space.

    Raises:
        PushError: If the repo cannot be pushed to.
    """
    api, retries = remote.api, remote.retries
    with one_sentence(remote):
        try:
            info = retries.call(lambda: api.repo_info(**remote.address))
        except RepositoryNotFoundError:
            info = None
        if info is None:
            options: dict[str, Any] = {"private": None if private is None else True, "exist_ok": True}
            retries.call(lambda: api.create_repo(**remote.address, **options, space_sdk=sdk))
            info = retries.call(lambda: api.repo_info(**remote.address))
            remote.is_new = True
        # Asks how a file would be uploaded: the Hub tells that only to those who may write.
        probe = CommitOperationAdd("README.md", b"\n")
        retries.call(lambda: api.preupload_lfs_files(additions=[probe], **remote.address))
    remote.is_private = bool(info.private)
    if private and not info.private:
        raise PushError(
            f"The {remote} is public, and private was asked for: make it private in its settings first, or push "
            "without --private."
        )
