"""Folder names for projects."""

from __future__ import annotations

import hashlib
import re
from typing import Final

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ODD: Final = re.compile(r"[^A-Za-z0-9.-]+")


def folder_name(project: str) -> str:
    """Return a folder name for a project: its own name, or a readable part of it with a digest of the whole."""
    if _PLAIN.fullmatch(project):
        return project
    digest = hashlib.sha256(project.encode()).hexdigest()[:8]
    return "-".join(part for part in (_ODD.sub("-", project).strip(".-")[:40], digest) if part)
