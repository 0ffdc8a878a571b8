"""Retry calls of the Hub after a temporary failure, such as status 429 (too many requests) or a broken connection."""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

# HTTPError is that of the HTTP library which the installed huggingface_hub uses: httpx, or httpx2 from 2.0 on.
from huggingface_hub.errors import (
    EntryNotFoundError,
    HTTPError,  # type: ignore[attr-defined, unused-ignore]
    OfflineModeIsEnabled,
)


logger = logging.getLogger(__name__)
T = TypeVar("T")
# InvalidURL is no HTTPError. A wrong HF_ENDPOINT raises it.
InvalidURL: type[Exception] = sys.modules[HTTPError.__module__.partition(".")[0]].InvalidURL
# What huggingface_hub raises. Some of its errors are plain Exceptions.
HUB_ERRORS = (HTTPError, OSError, RuntimeError, ValueError, EntryNotFoundError, InvalidURL)
# No further attempt can cure these: a wrong HF_ENDPOINT, and a certificate that this machine does not trust.
PERMANENT = re.compile(r"CERTIFICATE_VERIFY_FAILED|UnsupportedProtocol|missing an 'https?://'")
TEMPORARY_STATUSES = (408, 425, 429)  # timeout, too early, too many requests; statuses from 500 on are temporary, too
LONGEST_WAIT = 60.0  # seconds between two attempts, unless the Hub asks for more


@dataclass
class RetryPolicy:
    """How long a push waits for temporary failures, over all its requests together.

    The wait doubles from one second to `LONGEST_WAIT`; if the Hub names a time, that is taken instead.
    huggingface_hub retries uploads and listings by itself, but not create_commit, create_repo and whoami.

    Attributes:
        sleep: Waits for a number of seconds: `time.sleep`, or a fake in tests.
        seconds: The waiting time that is left. `call` reduces it.

    Examples:
        >>> outcomes = iter([TimeoutError("busy"), TimeoutError("busy"), "done"])
        >>> def flaky():
        ...     outcome = next(outcomes)
        ...     if isinstance(outcome, Exception):
        ...         raise outcome
        ...     return outcome
        >>> waits = []
        >>> RetryPolicy(waits.append).call(flaky), waits
        ('done', [1.0, 2.0])
    """

    sleep: Callable[[float], None]
    seconds: float = 600.0

    def call(self, function: Callable[[], T], also: tuple[int, ...] = ()) -> T:
        """Call a function until it succeeds, fails for good, or would need a longer wait than is left.

        Args:
            function: It must be safe to call again after a failure at any point.
            also: Further HTTP statuses that count as temporary.

        Returns:
            What the function returns.

        Raises:
            Exception: The last error of the function.
        """
        attempts = 0
        while True:
            try:
                return function()
            except HUB_ERRORS as error:
                if not is_temporary(error) and http_status(error) not in also:
                    raise
                wait = requested_wait(error)
                wait = min(LONGEST_WAIT, 2.0**attempts) if wait is None else wait
                if wait > self.seconds:
                    raise
                logger.warning(f"The Hub could not do it ({describe_briefly(error)}). Trying again in {wait:.0f} s.")
                attempts += 1
                self.seconds -= wait
                self.sleep(wait)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, the error that caused it, and so on."""
    while error is not None:
        yield error
        error = error.__cause__


def http_status(error: BaseException) -> int | None:
    """The HTTP status of the Hub's answer, looked for in the error and its causes; None without an answer."""
    responses = (getattr(cause, "response", None) for cause in causes(error))
    return next((response.status_code for response in responses if response is not None), None)


def is_temporary(error: BaseException) -> bool:
    """Whether another attempt may succeed: the Hub is busy or down, or the connection broke.

    An answer that should be JSON but is not comes from a broken proxy in between, and is temporary, too.

    Examples:
        >>> is_temporary(ConnectionError("reset")), is_temporary(ValueError("no such type"))
        (True, False)
    """
    if any(isinstance(cause, OfflineModeIsEnabled) or PERMANENT.search(repr(cause)) for cause in causes(error)):
        return False
    status = http_status(error)
    if status is not None:
        return status in TEMPORARY_STATUSES or status >= 500
    broken = (HTTPError, json.JSONDecodeError, ConnectionError, TimeoutError)
    return any(isinstance(cause, broken) for cause in causes(error))


def requested_wait(error: BaseException) -> float | None:
    """The seconds that the Hub asks to wait, or None.

    They are in the header Retry-After, or after a 429 in "t=" of the header RateLimit.
    """
    for cause in causes(error):
        headers = getattr(getattr(cause, "response", None), "headers", {})
        match = re.fullmatch(r"\d+", headers.get("retry-after", "")) or re.search(
            r"(?<=\bt=)\d+", headers.get("ratelimit", "") if http_status(error) == 429 else ""
        )
        if match:
            return float(match[0])
    return None


def describe_briefly(error: BaseException) -> str:
    """The HTTP status, or the type and first line of the error at the root."""
    status, root = http_status(error), list(causes(error))[-1]
    first_line = (str(root).splitlines() or [""])[0]
    return f"status {status}" if status else f"{type(root).__name__}: {first_line}"
