"""How a run ends that an exception leaves."""

from __future__ import annotations

from multitrack.records import (
    Status,
)


def ended_by(error: BaseException) -> Status:
    """How a run ends that this exception leaves."""
    if isinstance(error, KeyboardInterrupt):
        return "killed"
    if isinstance(error, SystemExit):
        if error.code in (None, 0):
            return "finished"
        return "killed" if error.code in (130, 143) else "failed"
    return "failed"
