"""A run's directory in Neptune's offline format: its operations, written aside and moved in place when it is whole."""

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

#: Neptune's limits: characters of a string field and of a string series' entry, largest integer, and how many
#: points the SDK puts into one operation.
STRING_LENGTH: Final = 16 * 1024
ENTRY_LENGTH: Final = 1000
LARGEST_INT: Final = 2**31 - 1
FLOATS_AN_OPERATION: Final = 100
STRINGS_AN_OPERATION: Final = 10
_ASSIGN: Final = {bool: "AssignBool", int: "AssignInt", float: "AssignFloat", str: "AssignString"}

Entry = tuple[Any, float, int]
"""One value of a series: value, step, time in milliseconds since the epoch."""


class OfflineRun:
    """The operations of one run, in order, on their way to ``<data>/offline/run__<id>__<pid>__<random>/``.

    They are written in a directory aside, and moved in place when the run is whole: a killed courier leaves
    nothing half in ``offline/``. One thread at a time. Files are open between a first operation and ``flush`` only.

    A write that fails (a full disk) leaves the file in a state that nobody can tell: what comes after it is dropped,
    and ``flush`` says so. The run must then be built anew.

    Args:
        data: Neptune's data directory.
        aside: Name of the directory aside, the same each time this run is built; what is left there is thrown away.
        container: The run's id in Neptune, a UUID.

    Raises:
        OSError: The directory cannot be made.
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
        """Set a field; the caller keeps to Neptune's limits."""
        self._put(_ASSIGN[type(value)], path, value=value)

    def delete(self, path: str) -> None:
        """Delete a field that there is."""
        self._put("DeleteAttribute", path)

    def append_floats(self, path: str, entries: Sequence[Entry]) -> None:
        """Append finite floats to a series."""
        self._append("LogFloats", FLOATS_AN_OPERATION, path, entries)

    def append_strings(self, path: str, entries: Sequence[Entry]) -> None:
        """Append strings of at most ``ENTRY_LENGTH`` characters to a series."""
        self._append("LogStrings", STRINGS_AN_OPERATION, path, entries)

    def clear_strings(self, path: str) -> None:
        """Empty a series of strings; makes it where there is none."""
        self._put("ClearStringLog", path)

    def add_label(self, path: str, value: str) -> None:
        """Add to a set of strings."""
        self._put("AddStrings", path, values=[value])

    def remove_label(self, path: str, value: str) -> None:
        """Remove from a set of strings."""
        self._put("RemoveStrings", path, values=[value])

    def track(self, path: str, uri: str) -> None:
        """Set an artifact field to a reference; nothing is read there."""
        # The project's id is random offline; one that a rebuild gives again is as good.
        self._put("TrackFilesToArtifact", path, entries=[(uri, None)], project_id=self._container)

    def flush(self) -> None:
        """Hand everything to the kernel and close the files.

        Raises:
            BackendError: Something could not be written since the run was opened.
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
        """Make everything durable and move the run in place.

        Raises:
            BackendError: Something could not be written.
            OSError: It cannot be moved.
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
        """Write an operation as the SDK's class of that name would: making its objects takes longer than writing."""
        if self._trouble is None:
            try:
                if self._queue is None:
                    self._queue = self._files.queue(self._path)
                self._queue.put({"type": kind, "path": path.split("/"), **fields})
            except OSError as error:
                self._trouble = error


@functools.lru_cache(maxsize=1024)
def seconds(ms: int) -> float:
    """Milliseconds as Neptune's seconds, such that the SDK's ``int(seconds * 1000)`` is ``ms`` again."""
    value = ms / 1000
    return value if int(value * 1000) == ms else math.nextafter(value, math.inf)


def _synchronize(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
