"""Translate errors of SQLite and Trackio's storage layer into those of a lane."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from multitrack.errors import BackendError, DeniedError, RetryableError

#: Messages of SQLite about a file that no retry can open or write.
_LASTING: Final = (
    "unable to open database file", "file is not a database", "readonly database", "malformed", "no such column",
)  # fmt: skip


@contextlib.contextmanager
def translated(directory: Path) -> Iterator[None]:
    """Translate errors: nothing is wrong with a record, so none is ever set aside.

    Args:
        directory: Trackio's directory, for messages.
    """
    try:
        yield
    except BackendError:
        raise
    except sqlite3.Error as error:
        text = f"Trackio's {directory}: {error}"
        lasting = any(words in str(error) for words in _LASTING)
        raise (DeniedError if lasting else RetryableError)(text) from error
    except OSError as error:
        if error.errno is not None:
            raise  # the lane knows which ones pass
        # The storage layer waits 10 seconds for its lock, and then raises an error without a number.
        raise RetryableError(f"Trackio's {directory}: {error}") from error
