"""An append-only file of JSON lines that several processes write, one after the other."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import msgspec

from multitrack.errors import JournalError
from multitrack.journal.locks import Hold

#: Maximum seconds to wait for the lock: another process holds it for milliseconds, unless its machine died meanwhile.
_WAIT: Final = 30.0


class LineFile:
    """An open file of JSON lines.

    Args:
        path: The file. A symbolic link is refused.
        flags: The flags of ``os.open``.

    Raises:
        OSError: If the file cannot be opened.
    """

    def __init__(self, path: Path, flags: int) -> None:
        self._path = path
        self._hold = Hold(path.with_suffix(".lock"))
        self._fd = os.open(path, flags | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)

    def lock(self) -> None:
        """Take the lock; it is released when the file is closed.

        Raises:
            JournalError: If another process keeps it.
        """
        deadline = time.monotonic() + _WAIT
        while not self._hold.take():
            if time.monotonic() > deadline:
                raise JournalError(f"{self._hold.holder} has {self._path} locked for {_WAIT:g} s")
            time.sleep(0.01)

    def read(self) -> bytes:
        """Read the whole file."""
        with os.fdopen(os.dup(self._fd), "rb") as file:
            file.seek(0)
            return file.read()

    def append(self, record: msgspec.Struct) -> None:
        """Append one line; after a line that a full disk cut short, on a line of its own."""
        line = msgspec.json.encode(record) + b"\n"
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            line = b"\n" + line
        if os.write(self._fd, line) != len(line):
            raise OSError(f"{self._path} could not be written whole; is the disk full?")

    def close(self) -> None:
        """Close the file, which releases the lock."""
        os.close(self._fd)
        self._hold.release()
