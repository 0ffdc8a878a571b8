"""What a failed push says: one sentence on what happened and what to do."""

from typing import Any

from huggingface_hub.errors import (
    GatedRepoError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from .retries import causes, is_temporary, short_reason, status_of


TOKENS = "https://huggingface.co/settings/tokens"


class PushError(OSError):
    """A push that ended without success; its one sentence says what was found and what to do."""


def explain(error: BaseException, repo: str, user: str | None) -> str:
    """One sentence on an error that ended a push: what happened and what to do.

    Args:
        error: What huggingface_hub raised.
        repo: Type and id of the repo, such as "model org/name".
        user: The owner of the token, or None if unknown.
    """
    kinds = {type(cause) for cause in causes(error)}
    message: Any = next((m for m in (getattr(c, "server_message", None) for c in causes(error)) if m), None)
    reason = f" ({' '.join(str(message).split())})" if message else ""
    status = status_of(error)
    if OfflineModeIsEnabled in kinds:
        return f"Cannot push {repo}: HF_HUB_OFFLINE is set. Unset it to reach the Hub."
    if LocalTokenNotFoundError in kinds:
        return f"Cannot push {repo} without a token: log in with `hf auth login`, or set HF_TOKEN ({TOKENS})."
    if GatedRepoError in kinds:
        return (
            f"The {repo} is gated and {user} is not on its list: ask for access on its page, or choose another name."
        )
    if status == 401 and (user is None or "credentials" in reason):
        return f"The Hub refused the token (401): log in anew with `hf auth login`, or set HF_TOKEN ({TOKENS})."
    if RepositoryNotFoundError in kinds:
        return f"There is no {repo} that {user} can see: check the name, and whether the token may see it ({TOKENS})."
    if status in (401, 403):
        return (
            f"{user} may not write to the {repo}{reason}: choose another name, or a token that can write ({TOKENS})."
        )
    if status == 409:
        return f"The name of the {repo} is taken{reason}: choose another one."
    if is_temporary(error):
        missed = f"The Hub could not be reached, or not long enough, to push {repo} ({short_reason(error)})."
        return f"{missed} Run it again: it goes on where it was."
    return f"The Hub did not take the {repo} ({short_reason(error)}){reason}."
