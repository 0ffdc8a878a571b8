"""Bring files to main in one step, after they were uploaded elsewhere and compared.

The files are first committed to a branch of this push, downloaded from there and compared. Then main gets one commit
that names the compared files, on top of the commit of main that was listed. The Hub refuses it if main has moved.

A pull request, which the Hub can merge, would not do:

- A merge asks for no certain state of main, so two pushes could mix.
- A repo may have pull requests turned off, and a token may write without a right to open them.
- Each push would write to those who watch the repo.
- The pull request of a push that was killed would stay open for all to see.

A branch needs no right beyond writing, and can be deleted.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete
from huggingface_hub.errors import HTTPError, RevisionNotFoundError  # type: ignore[attr-defined, unused-ignore]
from huggingface_hub.hf_api import RepoFile

from .errors import TOKEN_PAGE, PushError
from .local_folder import MANIFEST, LocalFile, hash_file, plan_changes, read_manifest
from .remote import MAIN, Remote
from .retries import HUB_ERRORS, describe_briefly, http_status


logger = logging.getLogger(__name__)
BRANCH_PREFIX = "hf_hardneg-push-"
OVERTAKEN = (409, 412)  # the statuses if somebody else committed to main since it was listed, or is about to
MAX_REFUSALS = 5  # of a commit on top of the same commit of main
MAX_LISTED_FILES = 5  # in an error
DOWNLOAD_THREADS = 8


def branch_name(files: Mapping[str, LocalFile]) -> str:
    """The branch that a push of these files uploads to: the same again after a cut, another for other files.

    Examples:
        >>> branch_name({"README.md": hash_file(b"hello")})
        'hf_hardneg-push-9af43643e4b9'
    """
    listing = "".join(f"{path} {file.sha256}\n" for path, file in sorted(files.items()))
    return BRANCH_PREFIX + hashlib.sha256(listing.encode()).hexdigest()[:12]


def release_files(
    remote: Remote, files: Mapping[str, LocalFile], message: str, tag: str | None, tagged: str | None
) -> tuple[str, bool]:
    """Make main hold the files, in one commit of compared files. It is safe to call this again after a failure.

    Args:
        remote: The repo, which this token can write to.
        files: The files to publish, by path.
        message: The message of the commit.
        tag: The name that the commit will get, or None.
        tagged: The commit that has this name already, or None.

    Returns:
        The commit of main that holds `files`, and whether this push made it.

    Raises:
        PushError: If the tag is at another commit, or the Hub holds other bytes than were sent.
    """
    head, remote_files = remote.list_files(MAIN)
    add, delete = plan_changes(files, remote_files, _published_before(remote, head, remote_files))
    if tagged and (add or delete or tagged != head):
        raise PushError(
            f"The tag {tag} of {remote} is at commit {tagged[:12]} already, which is another one: choose a new tag."
        )
    if not add and not delete:
        logger.info("Main has these files: downloading them, to compare them with the folder")
        compare_commit(remote, files, head, remote_files)
        return head, remote.parent_commit not in (None, head)
    try:
        staged, staged_files = _stage(remote, files, head, message)
        logger.info("Downloading them from there, to compare them with the folder")
        try:
            compare_commit(remote, files, staged, staged_files)
        except PushError:
            delete_branches(remote, [branch_name(files)])  # so that the next push uploads afresh
            raise
        operations = [
            CommitOperationCopy(path, path, src_revision=staged)
            if staged_files[path].lfs
            else CommitOperationAdd(path, _read_again(path, files[path]))
            for path in add
        ]
        deletions = [CommitOperationDelete(path, is_folder=False) for path in delete]
        commit = _commit_to_main(remote, [*operations, *deletions], message, head)
    except RevisionNotFoundError:
        # Without its cause, so that this counts as temporary: another push has finished and deleted the branch.
        raise ConnectionResetError(f"the branch {branch_name(files)} was deleted") from None
    compare_commit(remote, files, *remote.list_files(commit))
    return commit, True


def _published_before(remote: Remote, head: str, remote_files: Mapping[str, RepoFile]) -> list[str]:
    """The paths that the manifest on main lists."""
    if MANIFEST not in remote_files:
        return []
    with TemporaryDirectory() as folder:
        return read_manifest(remote.fetch(MANIFEST, head, folder).read_bytes())


def _stage(remote: Remote, files: Mapping[str, LocalFile], head: str, message: str) -> tuple[str, dict[str, RepoFile]]:
    """Make the branch of this push hold the files; return its commit and its files."""
    branch = remote.branch = branch_name(files)
    remote.api.create_branch(**remote.address, branch=branch, revision=head, exist_ok=True)
    staged, staged_files = remote.list_files(branch)
    missing, _ = plan_changes(files, staged_files, ())
    if not missing:
        return staged, staged_files
    megabytes = sum(files[path].size for path in missing) / 1e6
    logger.info(f"Uploading {len(missing)} files, {megabytes:,.1f} MB, to the branch {branch}")
    options: dict[str, Any] = {"commit_message": f"{message}: not compared yet", "revision": branch}
    operations = [CommitOperationAdd(path, files[path].source) for path in missing]
    remote.api.create_commit(operations=operations, **remote.address, **options)
    return remote.list_files(branch)


def _read_again(path: str, file: LocalFile) -> bytes:
    """The bytes of a small file.

    Raises:
        PushError: If they changed since they were hashed.
    """
    content = file.source if isinstance(file.source, bytes) else file.source.read_bytes()
    if hash_file(content).sha256 != file.sha256:
        raise PushError(f"{path} changed while it was pushed: push it again. Nothing new is on main.")
    return content


def _commit_to_main(remote: Remote, operations: list[Any], message: str, head: str) -> str:
    """Commit on top of `head`, or fail with status 412 if main has moved."""
    remote.parent_commit = head
    options: dict[str, Any] = {"commit_message": message, "parent_commit": head, "revision": MAIN}
    try:
        remote.commit = str(remote.api.create_commit(operations=operations, **remote.address, **options).oid)
        return remote.commit
    except HTTPError as error:
        status = http_status(error)
        if status and status < 500:
            remote.parent_commit = None  # a clear no
        remote.refused[head] += status in OVERTAKEN
        if remote.refused[head] < MAX_REFUSALS:
            raise
        # The Hub answers so to a token that may only open pull requests.
        raise PushError(
            f"The Hub refuses each commit to main of {remote} ({status}), though nobody else commits. The token of "
            f"{remote.user} may be one that can only open pull requests: take one that can write ({TOKEN_PAGE}). "
            "Nothing new is on main."
        ) from None  # with its cause, the status would have it tried again


def compare_commit(
    remote: Remote, files: Mapping[str, LocalFile], commit: str, remote_files: Mapping[str, RepoFile]
) -> None:
    """Compare a commit with the folder: the hashes of all files, and the bytes of those that were not read back yet.

    Raises:
        PushError: If a file is missing or has other bytes.
    """

    def differs(path: str) -> bool:
        if files[path].sha256 in remote.read_back:
            return False
        with TemporaryDirectory() as folder:  # one for each file, so that only a few files are on the disk at a time
            sha256 = hash_file(remote.retries.call(lambda: remote.fetch(path, commit, folder))).sha256
        remote.read_back.add(sha256)
        return sha256 != files[path].sha256

    wrong = [path for path, file in files.items() if not file.equals(remote_files.get(path))]
    if not wrong:
        with ThreadPoolExecutor(DOWNLOAD_THREADS) as threads:
            wrong = [path for path, bad in zip(files, threads.map(differs, files), strict=True) if bad]
    if wrong:
        names = ", ".join(wrong[:MAX_LISTED_FILES])
        raise PushError(
            f"Commit {commit} of {remote} does not hold what was sent: {len(wrong)} files differ, such as {names}. If "
            "the folder changed meanwhile, push it again. If not, report it to the Hub, and do not use this commit."
        )


def delete_branches(remote: Remote, names: Iterable[str]) -> None:
    """Delete branches of finished or killed pushes. What cannot be deleted is named in a warning: all is published."""
    for name in names:
        try:
            remote.retries.call(partial(remote.api.delete_branch, **remote.address, branch=name))
        except HUB_ERRORS as error:
            if http_status(error) != 404:  # deleted meanwhile, or before an answer that was lost
                logger.warning(
                    f"The branch {name} of {remote} could not be deleted ({describe_briefly(error)}). It is not "
                    "needed; the next push tries again."
                )
