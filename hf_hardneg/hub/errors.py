"""Errors of a push, each in one clear sentence: what happened and what to do. `retries` handles temporary failures."""

from huggingface_hub.errors import (
    GatedRepoError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from .retries import causes, describe_briefly, http_status, is_temporary


TOKEN_PAGE = "https://huggingface.co/settings/tokens"


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
        'The Hub did not take the model org/name (ValueError: no model card).'
    """
    kinds = {type(cause) for cause in causes(error)}
    messages = (getattr(cause, "server_message", None) for cause in causes(error))
    server_message = next((message for message in messages if message), None)
    reason = f" ({' '.join(str(server_message).split())})" if server_message else ""
    status = http_status(error)
    if OfflineModeIsEnabled in kinds:
        return f"Cannot push {repo}: HF_HUB_OFFLINE is set. Unset it to reach the Hub."
    if LocalTokenNotFoundError in kinds:
        return f"Cannot push {repo} without a token: log in with `hf auth login`, or set HF_TOKEN ({TOKEN_PAGE})."
    if GatedRepoError in kinds:
        return (
            f"The {repo} is gated and {user} is not on its list: ask for access on its page, or choose another name."
        )
    if status == 401 and (user is None or "credentials" in reason):
        return f"The Hub refused the token (401): log in again with `hf auth login`, or set HF_TOKEN ({TOKEN_PAGE})."
    if RepositoryNotFoundError in kinds:
        return f"There is no {repo} that {user} can see: check the name and what the token may see ({TOKEN_PAGE})."
    if status in (401, 403):
        return (
            f"{user} may not write to the {repo}{reason}: choose another name, or a token that can write "
            f"({TOKEN_PAGE})."
        )
    if status == 409:
        return f"The name of the {repo} is taken{reason}: choose another one."
    if is_temporary(error):
        return (
            f"The Hub could not be reached, or not long enough, to push {repo} ({describe_briefly(error)}). "
            "Run it again: it goes on where it was."
        )
    return f"The Hub did not take the {repo} ({describe_briefly(error)}){reason}."
