"""Errors of a push, each in one clear sentence: what happened and what to do. `retries` handles temporary failures."""

import re
from collections.abc import Sequence

from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from .retries import PERMANENT, causes, describe_briefly, http_status, is_temporary


TOKEN_PAGE = "https://huggingface.co/settings/tokens"
STORAGE_PAGE = "https://huggingface.co/docs/hub/storage-limits"
# The Hub says it with several statuses (403, 413, 507), and for a single file inside an answer with status 200.
NO_STORAGE = re.compile(r"storage (?:limit|quota|patterns|space)|more storage|quota (?:is )?exceeded", re.IGNORECASE)


class PushError(OSError):
    """A push that failed. Its message says what happened and what to do."""


def explain_error(error: BaseException, repo: str, user: str | None) -> str:
    """Explain an error that no further attempt can cure.

    Args:
        error: What huggingface_hub raised.
        repo: Type and id of the repo, such as "model org/name".
        user: The owner of the token, or None if the Hub did not say.

    Returns:
        What happened and what to do, in one or two sentences.

    Examples:
        >>> explain_error(ValueError("no model card"), "model org/name", "ann")
        'Cannot push the model org/name (ValueError: no model card).'
    """
    chain = list(causes(error))
    messages = (getattr(cause, "server_message", None) for cause in chain)
    server_message = next((message for message in messages if message), None)
    reason = f" ({' '.join(str(server_message).split())})" if server_message else ""
    said = " ".join(" ".join(str(cause).split()) for cause in chain)
    if NO_STORAGE.search(said):
        return (
            f"The owner of the {repo} has no storage left for it{reason or f' ({said})'}: delete what is not needed, "
            f"or ask for more ({STORAGE_PAGE})."
        )
    if http_status(error) is None:
        return _explain_failure(error, chain, repo)
    return _explain_answer(error, chain, repo, user, reason)


def _explain_failure(error: BaseException, chain: Sequence[BaseException], repo: str) -> str:
    """Explain an error of this machine or of the connection."""
    kinds = {type(cause) for cause in chain}
    brief = describe_briefly(error)
    if OfflineModeIsEnabled in kinds:
        return f"Cannot push {repo}: HF_HUB_OFFLINE is set. Unset it to reach the Hub."
    if LocalTokenNotFoundError in kinds:
        return f"Cannot push {repo} without a token: log in with `hf auth login`, or set HF_TOKEN ({TOKEN_PAGE})."
    if any("CERTIFICATE_VERIFY_FAILED" in repr(cause) for cause in chain):
        return (
            f"Cannot push the {repo}: this machine does not trust the certificate of the Hub or of a proxy before it. "
            "Set SSL_CERT_FILE to the file with its certificates."
        )
    if any(PERMANENT.search(repr(cause)) or type(cause).__name__ == "InvalidURL" for cause in chain):
        return f"Cannot push the {repo}: HF_ENDPOINT is no address such as https://huggingface.co ({brief})."
    if is_temporary(error):
        return _explain_outage(repo, brief)
    root = chain[-1]
    if isinstance(root, OSError) and root.filename:
        return f"Cannot push the {repo}: {root.filename} could not be read or written ({root.strerror})."
    return f"Cannot push the {repo} ({brief})."


def _explain_outage(repo: str, brief: str) -> str:
    return (
        f"The Hub could not be reached, or not long enough, to push {repo} ({brief}). Run it again: it goes on where "
        "it was."
    )


def _explain_answer(
    error: BaseException, chain: Sequence[BaseException], repo: str, user: str | None, reason: str
) -> str:
    """Explain the status that the Hub answered with."""
    kinds = {type(cause) for cause in chain}
    status = http_status(error)
    if GatedRepoError in kinds:
        return (
            f"The {repo} is gated and {user} is not on its list: ask for access on its page, or choose another name."
        )
    if DisabledRepoError in kinds:
        return f"The {repo} is disabled: its page says why. Choose another name."
    if status == 401 and (user is None or "credentials" in reason):
        return f"The Hub refused the token (401): log in again with `hf auth login`, or set HF_TOKEN ({TOKEN_PAGE})."
    if RepositoryNotFoundError in kinds:
        return f"There is no {repo} that {user} can see: check the name and what the token may see ({TOKEN_PAGE})."
    if status in (401, 403):
        return (
            f"{user} may not write to the {repo}{reason}: choose another name, or a token that can write "
            f"({TOKEN_PAGE})."
        )
    if status in (409, 412):
        return (
            f"Somebody else is changing the {repo} ({status}){reason}: wait until they are done, then push again. "
            "The push puts your files on top of theirs and deletes none of theirs."
        )
    if status == 413:
        return f"A file of the {repo} is too large for the Hub (413){reason}: save it in smaller parts."
    if is_temporary(error):
        return _explain_outage(repo, describe_briefly(error))
    return f"The Hub did not take the {repo} ({describe_briefly(error)}){reason}."
