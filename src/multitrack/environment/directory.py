"""The current directory, which may have been deleted while a process is in it."""

from __future__ import annotations

import os


def current_or_none() -> str | None:
    """The path of the current directory; None if it was deleted."""
    try:
        return os.getcwd()  # noqa: PTH109 - a string
    except OSError:
        return None


def with_reason(problem: str) -> str:
    """Add to an SDK's "No such file" error that the current directory was deleted, if that may be the reason."""
    if "No such file or directory" in problem and current_or_none() is None:
        return f"{problem}; the current directory of this process was deleted"
    return problem
