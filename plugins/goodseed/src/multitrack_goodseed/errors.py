"""Translate errors of SQLite into those of a lane."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from multitrack.errors import DeniedError, RetryableError

#: Messages of SQLite about a file that no retry can open or write.
_LASTING: Final = (
    "unable to open database file", "file is not a database", "readonly database", "malformed", "no such column",
)  # fmt: skip


@contextlib.contextmanager
def translated(directory: Path) -> Iterator[None]:
    """Translate errors: nothing is wrong with a record, so none is ever set aside.

    Args:
        directory: goodseed's directory, for messages.
    """
    try:
        yield
    except sqlite3.Error as error:
        lasting = any(words in str(error) for words in _LASTING)
        raise (DeniedError if lasting else RetryableError)(f"goodseed's {directory}: {error}") from error
