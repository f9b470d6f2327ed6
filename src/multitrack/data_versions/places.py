"""Find the folders around a path, for the tools whose files stand beside or above the data."""

from __future__ import annotations

from pathlib import Path
from typing import Final

#: Maximum number of folders above a path that are searched.
DEPTH: Final = 64


def placed(path: Path) -> Path:
    """Return a path without ``..`` and without symbolic links to folders; a link to a file stays, as DVC makes them."""
    if path.name in ("", ".."):
        return path.resolve()
    return path.parent.resolve() / path.name


def above(path: Path) -> list[Path]:
    """Return the folders above a path, the nearest first."""
    return list(path.parents)[:DEPTH]


def read_text(file: Path, limit: int) -> str | None:
    """Return the text of a regular file of at most ``limit`` bytes; None if there is none."""
    try:
        if not file.is_file():
            return None
        with file.open("rb") as opened:
            content = opened.read(limit + 1)
        return content.decode() if len(content) <= limit else None
    except (OSError, UnicodeDecodeError):  # not there for us, or not a file of the tool
        return None
