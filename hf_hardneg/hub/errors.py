"""What goes wrong between here and the Hub: what passes by itself is waited for, the rest gets one clear sentence."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

# HTTPError is that of the HTTP library which the installed huggingface_hub uses: httpx, or httpx2 from 2.0 on.
from huggingface_hub.errors import (
    GatedRepoError,
    HTTPError,  # type: ignore[attr-defined, unused-ignore]
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)


logger = logging.getLogger(__name__)
T = TypeVar("T")
PASSING = (408, 425, 429)  # and whatever is 500 or above
LONGEST_WAIT = 60.0
TOKENS = "https://huggingface.co/settings/tokens"


class PushError(OSError):
    """A push that ended without success; its one sentence says what was found and what to do."""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def status_of(error: BaseException) -> int | None:
    """The HTTP status that the Hub answered with, wherever in the chain of errors it is, or None."""
    responses = (getattr(cause, "response", None) for cause in _causes(error))
    return next((response.status_code for response in responses if response is not None), None)


def is_passing(error: BaseException) -> bool:
    """Whether trying again later may help: the Hub is out of order or busy, or the connection broke.

    An answer that should be JSON but is not comes from something between here and the Hub that is out of order.
    """
    if any(isinstance(cause, OfflineModeIsEnabled) for cause in _causes(error)):
        return False
    status = status_of(error)
    if status is not None:
        return status in PASSING or status >= 500
    broken = (HTTPError, json.JSONDecodeError, ConnectionError, TimeoutError)
    return any(isinstance(cause, broken) for cause in _causes(error))


def wanted_wait(error: BaseException) -> float | None:
    """The seconds that the Hub asks to wait (Retry-After, or t of its rate limit header), or None."""
    for cause in _causes(error):
        headers = getattr(getattr(cause, "response", None), "headers", {})
        found = re.fullmatch(r"\d+", headers.get("retry-after", "")) or re.search(
            r"(?<=\bt=)\d+", headers.get("ratelimit", "") if status_of(error) == 429 else ""
        )
        if found:
            return float(found[0])
    return None


@dataclass
class Patience:
    """How long a push waits for what passes, over all its requests together; `sleep` is `time.sleep` outside of tests.

    huggingface_hub retries uploads and listings by itself; create_commit, create_repo and whoami it does not.
    """

    sleep: Callable[[float], None]
    seconds: float = 600.0

    def call(self, function: Callable[[], T], also: tuple[int, ...] = ()) -> T:
        """Call until it works, or until the error does not pass or would have to be waited for too long.

        Args:
            function: Safe to call again after it failed anywhere.
            also: Further HTTP statuses that pass.

        Raises:
            Exception: The last one of `function`.
        """
        tries = 0
        while True:
            try:
                return function()
            except (HTTPError, OSError, RuntimeError, ValueError) as error:
                if not is_passing(error) and status_of(error) not in also:
                    raise
                wait = wanted_wait(error)
                wait = min(LONGEST_WAIT, 2.0**tries) if wait is None else wait
                if wait > self.seconds:
                    raise
                logger.warning(f"The Hub did not do its part ({_short(error)}); trying again in {wait:.0f} s.")
                tries += 1
                self.seconds -= wait
                self.sleep(wait)


def _short(error: BaseException) -> str:
    status, root = status_of(error), list(_causes(error))[-1]
    first_line = (str(root).splitlines() or [""])[0]
    return f"status {status}" if status else f"{type(root).__name__}: {first_line}"


def explain(error: BaseException, repo: str, user: str | None) -> str:
    """One sentence on an error that did not pass: what happened and what to do.

    Args:
        error: What huggingface_hub raised.
        repo: Type and id of the repo, such as "model org/name".
        user: Whom the token belongs to, if that was found out.
    """
    kinds = {type(cause) for cause in _causes(error)}
    said: Any = next((m for m in (getattr(c, "server_message", None) for c in _causes(error)) if m), None)
    reason = f" ({' '.join(str(said).split())})" if said else ""
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
    if is_passing(error):
        missed = f"The Hub could not be reached, or not long enough, to push {repo} ({_short(error)})."
        return f"{missed} Run it again: it goes on where it was."
    return f"The Hub did not take the {repo} ({_short(error)}){reason}."
