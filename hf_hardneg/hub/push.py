"""Publish a folder to the Hub: one commit that appears whole or not at all, read back and compared afterwards.

1. Ask who the token belongs to, find or make the repo, and see that it can be written to.
2. List what is there, compare hashes, upload large files (invisible until a commit names them), and commit on top of
   what was listed. Whatever fails on the way is begun anew from the listing: if the commit was done and only its
   answer lost, the listing shows it, and there is nothing left to commit.
3. Read everything back at that commit, and compare it by SHA-256.
4. Only then make it public, if that is wished, and tag it.
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
from .errors import TOKENS, PushError, explain
from .local_folder import MANIFEST, TYPES, LocalFile, digest, plan_changes, read_folder, read_manifest, space_sdk
from .retries import RetryPolicy


MAIN = "main"
MOVED = 412  # main is no longer where the commit was to go on from
NAMES = 5  # of files that an error lists
READERS = 8  # files that are read back at a time


@dataclass(frozen=True)
class Published:
    """What `publish_folder` did: `created` says whether a new commit was needed, `left_out` what stayed at home."""

    commit: str
    url: str
    files: tuple[str, ...]
    created: bool
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        done = "pushed in commit" if self.created else "were there already, in commit"
        said = f"{len(self.files)} files {done} {self.commit[:12]}, read back and equal by SHA-256: {self.url}"
        kept = {path.split("/")[0] for path in self.files}
        tops = {path: path.split("/")[0] for path in self.left_out}
        names = dict.fromkeys(path if top in kept else top for path, top in tops.items())
        return f"{said}\nLeft out: {', '.join(names)}" if names else said


@dataclass
class Remote:
    """A repo that is pushed to, by whom, how patiently, and how far it came."""

    api: HfApi
    repo_id: str
    repo_type: str
    retries: RetryPolicy
    user: str | None = None
    is_private: bool = False
    is_new: bool = False
    sent_on: str | None = None  # the commit on top of which ours was last sent
    commit: str | None = None  # ours
    is_compared: bool = False

    def __str__(self) -> str:
        return f"{self.repo_type} {self.repo_id}"

    @property
    def address(self) -> dict[str, Any]:
        """What every call of the API takes."""
        return {"repo_id": self.repo_id, "repo_type": self.repo_type}

    @property
    def url(self) -> str:
        """Its page."""
        prefix = "" if self.repo_type == "model" else f"{self.repo_type}s/"
        return f"{self.api.endpoint}/{prefix}{self.repo_id}"


def clean_token(token: str | None) -> str:
    """The given token, or that of the environment or of `hf auth login`, without spaces around.

    Raises:
        PushError: If there is none, or it holds what no token does (an HTTP library would show it in its error).
    """
    token = (token or get_token() or "").strip()
    if not token:
        raise PushError(f"There is no token to push with: log in with `hf auth login`, or set HF_TOKEN ({TOKENS}).")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise PushError(f"The token holds a character that no token has: copy it anew ({TOKENS}).")
    return token


@contextmanager
def one_sentence(remote: Remote) -> Iterator[None]:
    """Turn what huggingface_hub raises into a PushError that does not hold the token."""
    try:
        yield
    except PushError:
        raise
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        said = explain(error, str(remote), remote.user)
        if remote.commit:
            compared = "whole and compared" if remote.is_compared else "whole, but was not compared yet"
            said += f" Commit {remote.commit} is there, {compared}: run it again for what is missing."
        raise PushError(said.replace(str(remote.api.token), "<token>")) from error


def sign_in(
    repo_id: str, repo_type: str, token: str | None = None, sleep: Callable[[float], None] = time.sleep
) -> Remote:
    """Find out whose token it is and whether it may write at all; nothing is changed.

    Args:
        repo_id: "owner/name", or a name among the token's own.
        repo_type: "model", "dataset" or "space".
        token: Default: that of HF_TOKEN or `hf auth login`.
        sleep: How to wait.

    Raises:
        PushError: In one sentence, if the token is not good for it, or there is no such type or name.
    """
    if repo_type not in TYPES:
        raise PushError(f"The type is {repo_type!r}; it must be one of {', '.join(TYPES)}.")
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise PushError(f"{repo_id!r} is no name of a repo; take owner/name: {error}") from error
    remote = Remote(HfApi(token=clean_token(token)), repo_id, repo_type, RetryPolicy(sleep))
    with one_sentence(remote):
        account = remote.retries.call(remote.api.whoami)
    remote.user = account["name"]
    if account.get("auth", {}).get("accessToken", {}).get("role") == "read":
        raise PushError(f"The token of {remote.user} can only read: make one that can write ({TOKENS}).")
    if "/" not in repo_id:
        remote.repo_id = f"{remote.user}/{repo_id}"
    return remote


def open_repo(remote: Remote, private: bool | None = None, sdk: str | None = None) -> None:
    """Find the repo or make it, empty, and see that it can be written to.

    Args:
        remote: From `sign_in`.
        private: See `publish_folder`. What is to be public starts private, to be made public when all is there.
        sdk: Of a new Space.

    Raises:
        PushError: In one sentence, if it cannot be pushed to.
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
        # Asks how a file would be uploaded, which only those who may write are told.
        probe = CommitOperationAdd("README.md", b"\n")
        retries.call(lambda: api.preupload_lfs_files(additions=[probe], **remote.address))
    remote.is_private = bool(info.private)
    if private and not info.private:
        raise PushError(
            f"The {remote} is public, and private was asked for: make it private in its settings first, or leave "
            "that out."
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
    """Make a repo hold what a folder holds, by one commit, or none where nothing differs.

    The folder wins over what the repo has at the same paths. Of the repo's other files, those are deleted that a
    former publish wrote (the repo's `.hf_hardneg.json` lists them) and the folder has no more; what others put there
    stays. In the card, code that loads the local folder is made to load the repo.

    Args:
        folder: See `hub_folder.read_folder` on what is left out.
        repo_id: "owner/name", or a name among the token's own.
        repo_type: "model", "dataset" or "space".
        private: True: a new repo is private, and a public one is refused. False: the repo is public once all is there
            and was compared. None: as it is; a new one as its owner's settings have it.
        token: Default: that of HF_TOKEN or `hf auth login`.
        message: Of the commit.
        tag: A name for the commit, such as "v1"; refused if another commit has it.
        sleep: How to wait.

    Raises:
        PushError: In one sentence, if it did not work; nothing new is to be seen then, or the sentence says what is.
        ValueError: If the folder cannot be published.
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
        commit, created = call(lambda: _commit(remote, files, message, tag, tagged), also=(MOVED,))
        remote.commit = commit if created else None
        _compare(remote, files, commit)
        remote.is_compared = True
        if private is False and remote.is_private:
            call(lambda: api.update_repo_settings(**remote.address, private=False))
        if tag and not tagged:
            call(lambda: api.create_tag(**remote.address, tag=tag, revision=commit, exist_ok=True))
    return Published(commit, remote.url, tuple(files), created, tuple(left_out))


def _listing(remote: Remote, revision: str) -> tuple[str, dict[str, RepoFile]]:
    """The commit that a revision is at, and what is there by path."""
    commit = str(remote.api.repo_info(**remote.address, revision=revision).sha)
    entries = remote.api.list_repo_tree(**remote.address, recursive=True, revision=commit)
    return commit, {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}


def _fetch(remote: Remote, path: str, commit: str, folder: str) -> Path:
    return Path(remote.api.hf_hub_download(**remote.address, filename=path, revision=commit, local_dir=folder))


def _commit(
    remote: Remote, files: dict[str, LocalFile], message: str, tag: str | None, tagged: str | None
) -> tuple[str, bool]:
    """Commit what differs, once; return the commit that holds `files` and whether it is ours. Safe to call again."""
    head, there = _listing(remote, MAIN)
    formerly: list[str] = []
    if MANIFEST in there:
        with TemporaryDirectory() as folder:
            formerly = read_manifest(_fetch(remote, MANIFEST, head, folder).read_bytes())
    add, delete = plan_changes(files, there, formerly)
    if tagged and (add or delete or tagged != head):
        raise PushError(
            f"The tag {tag} of {remote} is at commit {tagged[:12]} already, which is another: take a new one."
        )
    if not add and not delete:
        return head, remote.sent_on not in (None, head)
    remote.sent_on = head
    operations: list[Any] = [
        *(CommitOperationAdd(path, files[path].source) for path in add),
        *(CommitOperationDelete(path, is_folder=False) for path in delete),
    ]
    options: dict[str, Any] = {"commit_message": message, "parent_commit": head, "revision": MAIN}
    return remote.api.create_commit(operations=operations, **remote.address, **options).oid, True


def _compare(remote: Remote, files: dict[str, LocalFile], commit: str) -> None:
    """Read all files back at a commit.

    Raises:
        PushError: If one is not there or has other bytes.
    """
    _, there = remote.retries.call(lambda: _listing(remote, commit))

    def differs(path: str) -> bool:
        with TemporaryDirectory() as folder:  # of its own, so that only a few files are here at a time
            got = remote.retries.call(lambda: _fetch(remote, path, commit, folder))
            return not files[path].is_at(there.get(path)) or digest(got).sha256 != files[path].sha256

    missing = [path for path in files if path not in there]
    with ThreadPoolExecutor(READERS) as readers:
        wrong = missing or [path for path, bad in zip(files, readers.map(differs, files), strict=True) if bad]
    if wrong:
        raise PushError(
            f"Commit {commit} of {remote} does not hold what was sent: {', '.join(wrong[:NAMES])} of {len(wrong)} "
            "differ. If nothing changed the folder meanwhile, report it to the Hub; do not use this commit."
        )
