"""Values as people read them, in terminals, Markdown and HTML alike."""

from __future__ import annotations

import datetime
from typing import Any

import msgspec

from multitrack.cells import ABSENT, Value
from multitrack.columns import Column

#: Characters of a text in a table.
LONGEST = 200


def moment(milliseconds: int, precision: str = "seconds") -> str:
    """A time, local."""
    try:
        local = datetime.datetime.fromtimestamp(milliseconds / 1000)
    except (ValueError, OverflowError, OSError):
        return "?"  # a damaged manifest's
    return local.isoformat(sep=" ", timespec=precision)


def iso(milliseconds: int) -> str:
    """A time for machines, UTC."""
    try:
        exact = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return exact.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def took(milliseconds: int) -> str:
    """A duration."""
    seconds = max(0, milliseconds) / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {seconds:02} s"


def value_text(value: Any) -> str:
    """A param, metric or option; numbers with six digits, long texts cut."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, dict)):
        value = msgspec.json.encode(value).decode()
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}... ({len(text)} characters)"


def cell_text(column: Column, value: Any) -> str:
    """A cell of a comparison; ``None`` is a value, and what a run does not have is nothing."""
    if value is ABSENT:
        return ""
    if isinstance(value, Value):
        came = f", {value.source}" if value.source else ""
        return f"{value_text(value.value)} ({value.type}{came})"
    if column.kind == "time":
        return moment(value)
    if column.kind == "seconds":
        return took(round(value * 1000))
    return value_text(value)
