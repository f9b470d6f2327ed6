"""A run's directory in Neptune's offline format, written aside and moved into place when it is whole."""

from __future__ import annotations

import functools
import math
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from multitrack.errors import BackendError
from multitrack_neptune.internals import Queue, sdk_files
from multitrack_neptune.plain_files import PlainFiles

#: Neptune's limits: length of a string field and of a string series' entry in characters, largest integer, and number
#: of points that the SDK puts into one operation.
STRING_LENGTH: Final = 16 * 1024
ENTRY_LENGTH: Final = 1000
LARGEST_INT: Final = 2**31 - 1
FLOATS_AN_OPERATION: Final = 100
STRINGS_AN_OPERATION: Final = 10
_ASSIGN: Final = {bool: "AssignBool", int: "AssignInt", float: "AssignFloat", str: "AssignString"}

Entry = tuple[Any, float, int]
"""A point of a series: value, step, time in milliseconds since the epoch."""


class OfflineRun:
    """The operations of one run, in order, to be published as ``<data>/offline/run__<id>__<pid>__<random>/``.

    They are written to a separate directory, which is moved into place when the run is whole. So a killed courier never
    leaves a partial run in ``offline/``. Not thread-safe. Files are open only between a first operation and ``flush``.

    A failed write (a full disk) leaves the file in an unknown state. Later operations are dropped, and ``flush``
    raises. The run must then be built again.

    Args:
        data: Neptune's data directory.
        aside: Name of the separate directory, the same each time this run is built; earlier content is deleted.
        container: The run's id in Neptune, a UUID.

    Raises:
        OSError: The directory cannot be created.
    """

    def __init__(self, data: Path, aside: str, container: str) -> None:
        self._aside = data / "unfinished" / aside
        if self._aside.exists():
            shutil.rmtree(self._aside)
        name = f"run__{container}__{os.getpid()}__{secrets.token_hex(4)}"
        self.target = data / "offline" / name
        self._path = self._aside / name
        self._path.mkdir(parents=True)
        self._container = container
        self._queue: Queue | None = None
        self._trouble: OSError | None = None
        self._files = sdk_files() or PlainFiles()
        self._files.create(self._path, container)

    def assign(self, path: str, value: bool | float | str) -> None:
        """Set a field; the value must be within Neptune's limits."""
        self._put(_ASSIGN[type(value)], path, value=value)

    def delete(self, path: str) -> None:
        """Delete an existing field."""
        self._put("DeleteAttribute", path)

    def append_floats(self, path: str, entries: Sequence[Entry]) -> None:
        """Append finite floats to a series."""
        self._append("LogFloats", FLOATS_AN_OPERATION, path, entries)

    def append_strings(self, path: str, entries: Sequence[Entry]) -> None:
        """Append strings of at most ``ENTRY_LENGTH`` characters to a series."""
        self._append("LogStrings", STRINGS_AN_OPERATION, path, entries)

    def clear_strings(self, path: str) -> None:
        """Empty a series of strings, or create it if missing."""
        self._put("ClearStringLog", path)

    def add_label(self, path: str, value: str) -> None:
        """Add to a set of strings."""
        self._put("AddStrings", path, values=[value])

    def remove_label(self, path: str, value: str) -> None:
        """Remove from a set of strings."""
        self._put("RemoveStrings", path, values=[value])

    def track(self, path: str, uri: str) -> None:
        """Set an artifact field to a reference; the URI is not read."""
        # Offline the project's id is random. This one stays the same in a rebuild.
        self._put("TrackFilesToArtifact", path, entries=[(uri, None)], project_id=self._container)

    def flush(self) -> None:
        """Flush and close the files.

        Raises:
            BackendError: A write has failed since the run was opened.
        """
        queue, self._queue = self._queue, None
        if queue is not None:
            try:
                queue.close()
            except OSError as error:
                self._trouble = self._trouble or error
        if self._trouble is not None:
            raise BackendError(f"cannot write Neptune's {self._path}: {self._trouble}") from self._trouble

    def publish(self) -> None:
        """Sync the files to disk, and move the run into place.

        Raises:
            BackendError: A write failed.
            OSError: The run cannot be moved.
        """
        self.flush()
        for file in [*self._path.iterdir(), self._path]:
            _synchronize(file)
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self._path.rename(self.target)
        _synchronize(self.target.parent)
        self._aside.rmdir()

    def _append(self, kind: str, size: int, path: str, entries: Sequence[Entry]) -> None:
        for start in range(0, len(entries), size):
            self._put(
                kind, path,
                values=[
                    {"value": value, "step": step, "ts": seconds(ms)}
                    for value, step, ms in entries[start : start + size]
                ],
            )  # fmt: skip

    def _put(self, kind: str, path: str, **fields: Any) -> None:
        """Write an operation as the SDK's class of that name does; creating its objects is slower than writing."""
        if self._trouble is None:
            try:
                if self._queue is None:
                    self._queue = self._files.queue(self._path)
                self._queue.put({"type": kind, "path": path.split("/"), **fields})
            except OSError as error:
                self._trouble = error


@functools.lru_cache(maxsize=1024)
def seconds(ms: int) -> float:
    """Convert milliseconds to Neptune's seconds, such that the SDK's ``int(seconds * 1000)`` gives ``ms`` again."""
    value = ms / 1000
    return value if int(value * 1000) == ms else math.nextafter(value, math.inf)


def _synchronize(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
