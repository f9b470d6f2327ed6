"""Make and check run ids, and read the time in them."""

from __future__ import annotations

import os
import re
import time
from typing import Any, Final

from multitrack._text import plain_text

_last_id_time = 0
_MADE_ID: Final = re.compile(r"(20[0-9]{6}-[0-9]{6}-[0-9]{3})-[0-9a-f]{6}")
_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def is_run_id(text: str) -> bool:
    """Return True if the text is a valid run id."""
    return _RUN_ID.fullmatch(text) is not None


def check_run_id(run_id: Any) -> str:
    """Check that a run id is safe as a directory name and in every tracker; return it as a plain ``str``.

    Raises:
        TypeError: If it is not a string.
        ValueError: If it is not 1 to 64 ASCII letters, digits, ``-`` and ``_``, beginning with a letter or digit.
    """
    if not isinstance(run_id, str):
        raise TypeError(f"run_id must be a string, got {type(run_id).__qualname__}")
    if not is_run_id(run_id):
        raise ValueError(f"run_id {run_id!r} must be 1 to 64 letters, digits, '-' or '_', the first a letter or digit")
    return plain_text(run_id)


def new_run_id() -> str:
    """Make a unique run id that sorts by time (UTC, with milliseconds): ``20261121-025828-417-5f3a9c``."""
    global _last_id_time  # ids of one process sort in their order even within a millisecond
    _last_id_time = max(_last_id_time + 1, time.time_ns() // 1_000_000)
    return f"{text_of_time(_last_id_time)}-{os.urandom(3).hex()}"


def text_of_time(milliseconds: int) -> str:
    """Format a time (ms since the epoch) as the prefix of a run id."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(seconds))}-{milliseconds:03}"


def time_in_id(run_id: str) -> str | None:
    """The time prefix of an id made by :func:`new_run_id`; None for any other id."""
    match = _MADE_ID.fullmatch(run_id)
    return match and match[1]
