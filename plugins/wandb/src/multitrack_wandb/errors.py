"""Classify the SDK's errors, and remove credentials from their messages."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Final

from multitrack.errors import DeniedError, PermanentError, RetryableError
from multitrack.security.secrets import REDACTED, without_credentials
from multitrack_wandb.internals import isolation

#: Hint for a user whose key the server rejects.
CREDENTIAL: Final = "check WANDB_API_KEY, or run `wandb login`"


class SessionLostError(RetryableError):
    """The data of an open run in W&B is lost or unknown. The run is opened again, and everything is delivered again."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reopen=True)


def plain(error: object) -> str:
    """Return an error's text without the credentials that W&B or a URL put there."""
    text = without_credentials(str(error))
    return text.replace(key, REDACTED) if (key := isolation.key()) else text


def is_loss(error: BaseException) -> bool:
    """Return True if the helper process died."""
    return isinstance(error, ConnectionError) or type(error).__name__ in {"MailboxClosedError", "HandleAbandonedError"}


def may_pass(error: BaseException) -> bool:
    """Return True if the server was unreachable or its answer invalid, so that a retry may succeed."""
    return not {kind.__name__ for kind in type(error).__mro__}.isdisjoint(
        {"AuthenticationError", "CommError", "TimeoutError"}
    )


def is_denied(error: BaseException) -> bool:
    """Return True if the server rejects the key."""
    cause: BaseException | None = error
    while cause is not None:
        if getattr(getattr(cause, "response", None), "http_status", 0) in (401, 403):
            return True
        cause = cause.__cause__
    return is_denial(str(error))


def is_denial(text: str) -> bool:
    """Return True if a message says that the server rejects the key."""
    return re.search(r"(?:error|upload:) 40[13]\b|API key", text) is not None


@contextlib.contextmanager
def troubles() -> Iterator[None]:
    """Translate exceptions of the SDK's start of a run into the errors of a lane."""
    try:
        yield
    except Exception as error:
        text = f"W&B did not start the run: {type(error).__name__}: {plain(error)}".rstrip(": ")
        if is_loss(error):
            raise RetryableError(f"{text} (its helper process died)") from error
        if is_denied(error):
            raise DeniedError(f"{text}; {CREDENTIAL}") from error
        # An id in use: the SDK is still finishing a dropped session, while the server does not answer.
        if may_pass(error) or "is in use" in text:
            raise RetryableError(text) from error
        raise PermanentError(text) from error
