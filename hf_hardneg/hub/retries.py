"""Requests to the Hub that are tried again: status 429, other busy answers, broken connections."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

# HTTPError is that of the HTTP library of the installed huggingface_hub: httpx, or httpx2 from version 2 on.
from huggingface_hub.errors import (
    HTTPError,  # type: ignore[attr-defined, unused-ignore]
    OfflineModeIsEnabled,
)


logger = logging.getLogger(__name__)
T = TypeVar("T")
TEMPORARY = (408, 425, 429)  # HTTP statuses; all from 500 on are temporary, too
LONGEST_WAIT = 60.0  # seconds before one further try


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, the error that it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__


def status_of(error: BaseException) -> int | None:
    """The HTTP status of the Hub's answer, from anywhere in the chain of errors, or None."""
    responses = (getattr(cause, "response", None) for cause in causes(error))
    return next((response.status_code for response in responses if response is not None), None)


def is_temporary(error: BaseException) -> bool:
    """Whether a later try may work: the Hub is busy or out of order, or the connection broke.

    An answer that is not JSON comes from a broken proxy on the way.
    """
    if any(isinstance(cause, OfflineModeIsEnabled) for cause in causes(error)):
        return False
    status = status_of(error)
    if status is not None:
        return status in TEMPORARY or status >= 500
    broken = (HTTPError, json.JSONDecodeError, ConnectionError, TimeoutError)
    return any(isinstance(cause, broken) for cause in causes(error))


def wanted_wait(error: BaseException) -> float | None:
    """The seconds that the Hub asks to wait (Retry-After, or t of its rate limit header), or None."""
    for cause in causes(error):
        headers = getattr(getattr(cause, "response", None), "headers", {})
        found = re.fullmatch(r"\d+", headers.get("retry-after", "")) or re.search(
            r"(?<=\bt=)\d+", headers.get("ratelimit", "") if status_of(error) == 429 else ""
        )
        if found:
            return float(found[0])
    return None


@dataclass
class RetryPolicy:
    """How long a push waits for temporary errors.

    huggingface_hub itself retries uploads and listings. It does not retry create_commit, create_repo and whoami.

    Attributes:
        sleep: `time.sleep`, or a stand-in for tests.
        seconds: What is left to wait, over all requests together.
    """

    sleep: Callable[[float], None]
    seconds: float = 600.0

    def call(self, function: Callable[[], T], also: tuple[int, ...] = ()) -> T:
        """Call a function until it works, its error is not temporary, or the time to wait is used up.

        Args:
            function: A call that is safe to repeat, wherever it failed.
            also: Further HTTP statuses that are temporary here.

        Raises:
            Exception: The last error of `function`.
        """
        tries = 0
        while True:
            try:
                return function()
            except (HTTPError, OSError, RuntimeError, ValueError) as error:
                if not is_temporary(error) and status_of(error) not in also:
                    raise
                wait = wanted_wait(error)
                wait = min(LONGEST_WAIT, 2.0**tries) if wait is None else wait
                if wait > self.seconds:
                    raise
                logger.warning(
                    f"The Hub is busy or out of reach ({short_reason(error)}); trying again in {wait:.0f} s."
                )
                tries += 1
                self.seconds -= wait
                self.sleep(wait)


def short_reason(error: BaseException) -> str:
    """The status, or the first line of the first error."""
    status, root = status_of(error), list(causes(error))[-1]
    first_line = (str(root).splitlines() or [""])[0]
    return f"status {status}" if status else f"{type(root).__name__}: {first_line}"
