"""The current directory, which may have been deleted while a process is in it."""

from __future__ import annotations

import os


def current_or_none() -> str | None:
    """Its path; ``None`` where it was deleted."""
    try:
        return os.getcwd()  # noqa: PTH109 - a string
    except OSError:
        return None


def with_reason(problem: str) -> str:
    """A problem, with the deleted directory named where that may be why: SDKs ask for it, and say no more than this."""
    if "No such file or directory" in problem and current_or_none() is None:
        return f"{problem}; the current directory of this process was deleted"
    return problem
