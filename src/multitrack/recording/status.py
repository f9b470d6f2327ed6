"""The status with which a run ends."""

from __future__ import annotations

from typing import cast

from multitrack._text import plain_text, short_repr
from multitrack.records import Status


def ended_by(error: BaseException) -> Status:
    """The status of a run that ends with this exception."""
    if isinstance(error, KeyboardInterrupt):
        return "killed"
    if isinstance(error, SystemExit):
        if error.code in (None, 0):
            return "finished"
        return "killed" if error.code in (130, 143) else "failed"
    return "failed"


def to_status(status: object) -> Status:
    """Check the status that a run is to end with.

    Raises:
        ValueError: If it is not ``finished``, ``failed`` or ``killed``.
    """
    if status not in ("finished", "failed", "killed"):
        raise ValueError(f"status must be 'finished', 'failed' or 'killed', got {short_repr(status)}")
    return cast(Status, plain_text(status))
