"""Publish a folder to the Hub: main shows all of it, compared, or nothing new.

1. Ask the Hub who owns the token, find or create the repo, and check that the token can write to it.
2. List the repo's files and compare hashes. What differs is uploaded to a branch of this push, downloaded from there
   and compared by SHA-256. Only then main gets it, in one commit (`main_commit.py`). After a
   failure this step starts again with the listing. If the commit was done and only its answer was lost, the listing
   shows the commit, and there is nothing left to commit.
3. Make the repo public, if that was asked for, tag the commit, and delete the branch.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .. import __version__
from ..revisions import check_tag
from .local_folder import check_folder, read_folder, space_sdk
from .main_commit import BRANCH_PREFIX, OVERTAKEN, delete_branches, release_files
from .remote import one_sentence, open_repo, sign_in


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
        tag: A name for the commit, such as "v1", as `revisions.check_tag` allows it; refused if another commit has it.
        sleep: Waits for a number of seconds.

    Returns:
        The commit, the repo's address, and which files were published and left out.

    Raises:
        PushError: If the push failed. Then the repo shows nothing new, or the message names the commit that it shows.
        ValueError: If the folder cannot be published, or the tag is no name for one.

    Examples:
        >>> publish_folder("outputs/demo", "org/hardneg-clip", "model", tag="v1")  # doctest: +SKIP
    """
    if tag is not None:
        check_tag(tag)
    folder = Path(folder)
    check_folder(folder)
    sdk = space_sdk(folder) if repo_type == "space" else None
    remote = sign_in(repo_id, repo_type, token, sleep)
    files, left_out = read_folder(folder, repo_type, remote.repo_id, str(remote.api.token))
    open_repo(remote, private, sdk)
    message = message or f"Publish {remote.repo_id.split('/')[-1]} with hf_hardneg {__version__}"
    api, call = remote.api, remote.retries.call
    remote.is_uploading = True
    with one_sentence(remote):
        refs = call(lambda: api.list_repo_refs(**remote.address))
        tagged = {ref.name: ref.target_commit for ref in refs.tags}.get(tag or "")
        commit, created = call(lambda: release_files(remote, files, message, tag, tagged), also=OVERTAKEN)
        remote.commit = commit
        if private is False and remote.is_private:
            call(lambda: api.update_repo_settings(**remote.address, private=False))
        if tag and not tagged:
            call(lambda: api.create_tag(**remote.address, tag=tag, revision=commit, exist_ok=True))
    left = {ref.name for ref in refs.branches if ref.name.startswith(BRANCH_PREFIX)}
    delete_branches(remote, sorted({*left, remote.branch} if remote.branch else left))
    return Published(commit, remote.url, tuple(files), created, tuple(left_out))
