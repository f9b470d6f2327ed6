"""The values of series in the operations of Neptune's 1.x client."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from multitrack._text import clean_text
from multitrack_neptune.sources.offline.directories import Operation

Entry = tuple[Any, float | None, int]
"""A value of a series: a number, a text or an image's bytes, its step, and its time in milliseconds."""


def entries_of(operation: Operation) -> Iterator[Entry]:
    """Yield the values of an operation on a series; malformed ones are left out.

    Times are those that the client sends to a server: whole milliseconds, cut.
    """
    wanted = {"LogFloats": (int, float), "LogStrings": (str,), "LogImages": (bytes,)}.get(operation.kind)
    values = operation.body.get("values")
    if wanted is None or not isinstance(values, list):
        return
    for entry in values:
        if not isinstance(entry, dict):
            continue
        value, step, seconds = entry.get("value"), entry.get("step"), entry.get("ts")
        if operation.kind == "LogImages":
            value = _image(value)
        if not isinstance(value, wanted) or not isinstance(seconds, (int, float)):
            continue
        if step is None or isinstance(step, (int, float)):
            yield clean_text(value) if isinstance(value, str) else value, step, int(seconds * 1000)


def count_captions(operation: Operation) -> int:
    """The number of images with a name or a description."""
    values = [entry.get("value") for entry in operation.body.get("values", ()) if isinstance(entry, dict)]
    return sum(isinstance(value, dict) and bool(value.get("name") or value.get("description")) for value in values)


def _image(value: Any) -> bytes | None:
    """The bytes of an image: in old files its text in base 64, in others a mapping with it; None if it is damaged."""
    data = value.get("data") if isinstance(value, dict) else value
    try:
        return base64.b64decode(data, validate=True) or None if isinstance(data, str) else None
    except ValueError:
        return None


def count_malformed(operation: Operation) -> int:
    """The number of values that :func:`entries_of` leaves out."""
    values = operation.body.get("values")
    whole = len(values) if isinstance(values, list) else 1
    return whole - sum(1 for _ in entries_of(operation))
