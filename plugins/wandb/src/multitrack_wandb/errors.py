"""The SDK's failures, told apart, in words without credentials."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Final

from multitrack.errors import DeniedError, PermanentError, RetryableError
from multitrack.security.secrets import REDACTED, without_credentials
from multitrack_wandb.internals import isolation

#: What to do where the server refuses the key.
CREDENTIAL: Final = "check WANDB_API_KEY, or run `wandb login`"


class SessionLostError(RetryableError):
    """What W&B was given of an open run is gone or unknown; it is opened again and gets everything anew."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reopen=True)


def plain(error: object) -> str:
    """An error's text without the credentials that W&B or a URL put there."""
    text = without_credentials(str(error))
    return text.replace(key, REDACTED) if (key := isolation.key()) else text


def is_loss(error: BaseException) -> bool:
    """Whether the helper process died."""
    return isinstance(error, ConnectionError) or type(error).__name__ in {"MailboxClosedError", "HandleAbandonedError"}


def may_pass(error: BaseException) -> bool:
    """Whether the server could not be asked, or made no sense: the same may succeed later."""
    return not {kind.__name__ for kind in type(error).__mro__}.isdisjoint(
        {"AuthenticationError", "CommError", "TimeoutError"}
    )


def is_denied(error: BaseException) -> bool:
    """Whether the server refuses the key."""
    cause: BaseException | None = error
    while cause is not None:
        if getattr(getattr(cause, "response", None), "http_status", 0) in (401, 403):
            return True
        cause = cause.__cause__
    return is_denial(str(error))


def is_denial(text: str) -> bool:
    """Whether a text says that the server refuses the key."""
    return re.search(r"(?:error|upload:) 40[13]\b|API key", text) is not None


@contextlib.contextmanager
def troubles() -> Iterator[None]:
    """Turn what the SDK raises when it starts a run into what a lane understands."""
    try:
        yield
    except Exception as error:
        text = f"W&B did not start the run: {type(error).__name__}: {plain(error)}".rstrip(": ")
        if is_loss(error):
            raise RetryableError(f"{text} (its helper process died)") from error
        if is_denied(error):
            raise DeniedError(f"{text}; {CREDENTIAL}") from error
        # An id in use: a session that was given up is still being finished, while the server does not answer.
        if may_pass(error) or "is in use" in text:
            raise RetryableError(text) from error
        raise PermanentError(text) from error
