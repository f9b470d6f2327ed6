"""Paths of nested values, with ``/`` between levels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def clean_path(path: str) -> str:
    """A path without empty parts: ``/a//b/`` is ``a/b``."""
    if path and path[0] != "/" and path[-1] != "/" and "//" not in path:
        return path
    return "/".join(filter(None, path.split("/")))


def nested(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Values by path as nested dictionaries."""
    found: dict[str, Any] = {}
    for path, value in fields:
        *above, last = path.split("/")
        place = found
        for part in above:
            inner = place.get(part)
            if not isinstance(inner, dict):
                inner = place[part] = {}
            place = inner
        place[last] = value
    return found
