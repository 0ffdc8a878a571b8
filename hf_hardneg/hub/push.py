"""Publish a folder to the Hub in one commit, which appears whole or not at all, and compare it with the folder.

1. Ask the Hub who owns the token, find or create the repo, and check that the token can write to it.
2. List the repo's files, compare hashes, upload large files (invisible until a commit names them), and commit on top
   of the listed state. After a failure this step starts again with the listing. If the commit was done and only its
   answer was lost, the listing shows the commit, and there is nothing left to commit.
3. Download every file at that commit and compare it by SHA-256.
4. Only then make the repo public, if that was asked for, and tag the commit.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import (
    HFValidationError,
    HTTPError,  # type: ignore[attr-defined, unused-ignore]
    RepositoryNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import validate_repo_id

from .. import __version__
from .errors import TOKEN_PAGE, PushError, explain_error
from .local_folder import (
    MANIFEST,
    REPO_TYPES,
    LocalFile,
    hash_file,
    plan_changes,
    read_folder,
    read_manifest,
    space_sdk,
)
from .retries import RetryPolicy


MAIN = "main"
PRECONDITION_FAILED = 412  # the status if somebody else committed to main since it was listed
MAX_LISTED_FILES = 5  # in an error
DOWNLOAD_THREADS = 8


@dataclass(frozen=True)
class Published:
    """What `publish_folder` did.

    Attributes:
        commit: The commit that holds the folder's files, 40 hexadecimal digits.
        url: The repo's page.
        files: The paths of the published files.
        created: Whether a new commit was needed.
        left_out: The paths in the folder that were not published.
    """

    commit: str
    url: str
    files: tuple[str, ...]
    created: bool
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        done = "pushed in commit" if self.created else "were there already, in commit"
        summary = f"{len(self.files)} files {done} {self.commit[:12]}, read back and equal by SHA-256: {self.url}"
        published = {path.split("/")[0] for path in self.files}
        tops = {path: path.split("/")[0] for path in self.left_out}
        names = dict.fromkeys(path if top in published else top for path, top in tops.items())
        return f"{summary}\nLeft out: {', '.join(names)}" if names else summary


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
        parent_commit: The commit on top of which this push last sent its own.
        commit: The commit of this push, once made.
        is_compared: Whether the commit was compared with the folder.
    """

    api: HfApi
    repo_id: str
    repo_type: str
    retries: RetryPolicy
    user: str | None = None
    is_private: bool = False
    is_new: bool = False
    parent_commit: str | None = None
    commit: str | None = None
    is_compared: bool = False

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
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        message = explain_error(error, str(remote), remote.user)
        if remote.commit:
            compared = "whole and compared" if remote.is_compared else "whole, but was not compared yet"
            message += f" Commit {remote.commit} is there, {compared}: run it again to finish."
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
        raise PushError(f"{repo_id!r} is not the name of a repo; write owner/name: {error}") from error
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


def publish_folder(
    folder: str | Path,
    repo_id: str,
    repo_type: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    message: str | None = None,
    tag: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Published:
    """Publish a folder in one commit, or in none if the repo holds the same files already.

    The folder's files replace the repo's files of the same paths. Files of an earlier push that the folder has lost
    are deleted; the repo's `.hf_hardneg.json` lists them. Files that others put there stay. In the card, code that
    loads the local folder is made to load the repo.

    Args:
        folder: The folder; `local_folder.read_folder` says which files are left out.
        repo_id: "owner/name", or a name, which then belongs to the owner of the token.
        repo_type: "model", "dataset" or "space".
        private: True creates a private repo, and refuses a public one. False makes the repo public once all files are
            there and compared. None leaves it as it is; a new repo follows its owner's settings.
        token: By default that of HF_TOKEN or `hf auth login`.
        message: The message of the commit.
        tag: A name for the commit, such as "v1"; refused if another commit has it.
        sleep: Waits for a number of seconds.

    Returns:
        The commit, the repo's address, and which files were published and left out.

    Raises:
        PushError: If the push failed. Then the repo shows nothing new, or the message names the commit that it shows.
        ValueError: If the folder cannot be published.

    Examples:
        >>> publish_folder("outputs/demo", "org/hardneg-clip", "model", tag="v1")  # doctest: +SKIP
    """
    folder = Path(folder)
    sdk = space_sdk(folder) if repo_type == "space" else None
    remote = sign_in(repo_id, repo_type, token, sleep)
    files, left_out = read_folder(folder, repo_type, remote.repo_id, str(remote.api.token))
    open_repo(remote, private, sdk)
    message = message or f"Publish {remote.repo_id.split('/')[-1]} with hf_hardneg {__version__}"
    api, call = remote.api, remote.retries.call
    with one_sentence(remote):
        tags = {ref.name: ref.target_commit for ref in call(lambda: api.list_repo_refs(**remote.address)).tags}
        tagged = tags.get(tag or "")
        commit, created = call(lambda: _commit(remote, files, message, tag, tagged), also=(PRECONDITION_FAILED,))
        remote.commit = commit if created else None
        _compare(remote, files, commit)
        remote.is_compared = True
        if private is False and remote.is_private:
            call(lambda: api.update_repo_settings(**remote.address, private=False))
        if tag and not tagged:
            call(lambda: api.create_tag(**remote.address, tag=tag, revision=commit, exist_ok=True))
    return Published(commit, remote.url, tuple(files), created, tuple(left_out))


def _listing(remote: Remote, revision: str) -> tuple[str, dict[str, RepoFile]]:
    """The commit of a revision, and its files by path."""
    commit = str(remote.api.repo_info(**remote.address, revision=revision).sha)
    entries = remote.api.list_repo_tree(**remote.address, recursive=True, revision=commit)
    return commit, {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}


def _fetch(remote: Remote, path: str, commit: str, folder: str) -> Path:
    return Path(remote.api.hf_hub_download(**remote.address, filename=path, revision=commit, local_dir=folder))


def _commit(
    remote: Remote, files: dict[str, LocalFile], message: str, tag: str | None, tagged: str | None
) -> tuple[str, bool]:
    """Commit the differences. It is safe to call this again after a failure.

    Returns:
        The commit that holds `files`, and whether this push made it.
    """
    head, remote_files = _listing(remote, MAIN)
    published_before: list[str] = []
    if MANIFEST in remote_files:
        with TemporaryDirectory() as folder:
            published_before = read_manifest(_fetch(remote, MANIFEST, head, folder).read_bytes())
    add, delete = plan_changes(files, remote_files, published_before)
    if tagged and (add or delete or tagged != head):
        raise PushError(
            f"The tag {tag} of {remote} is at commit {tagged[:12]} already, which is another one: choose a new tag."
        )
    if not add and not delete:
        return head, remote.parent_commit not in (None, head)
    remote.parent_commit = head
    operations: list[Any] = [
        *(CommitOperationAdd(path, files[path].source) for path in add),
        *(CommitOperationDelete(path, is_folder=False) for path in delete),
    ]
    options: dict[str, Any] = {"commit_message": message, "parent_commit": head, "revision": MAIN}
    return remote.api.create_commit(operations=operations, **remote.address, **options).oid, True


def _compare(remote: Remote, files: dict[str, LocalFile], commit: str) -> None:
    """Download all files of a commit and compare them with the folder's.

    Raises:
        PushError: If a file is missing or has other bytes.
    """
    _, remote_files = remote.retries.call(lambda: _listing(remote, commit))

    def differs(path: str) -> bool:
        with TemporaryDirectory() as folder:  # one for each file, so that only a few files are on the disk at a time
            downloaded = remote.retries.call(lambda: _fetch(remote, path, commit, folder))
            return not files[path].equals(remote_files.get(path)) or hash_file(downloaded).sha256 != files[path].sha256

    missing = [path for path in files if path not in remote_files]
    with ThreadPoolExecutor(DOWNLOAD_THREADS) as threads:
        wrong = missing or [path for path, bad in zip(files, threads.map(differs, files), strict=True) if bad]
    if wrong:
        names = ", ".join(wrong[:MAX_LISTED_FILES])
        raise PushError(
            f"Commit {commit} of {remote} does not hold what was sent: {len(wrong)} files differ, such as {names}. If "
            "nothing changed the folder meanwhile, report it to the Hub; do not use this commit."
        )
