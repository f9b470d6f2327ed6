"""A run's directory in Neptune's offline format, written with the SDK's own operations and disk queue.

Importing this module imports the SDK, which takes seconds.

Why not ``neptune.init_run``, which ends in the same classes: it takes its directory from an environment variable or the
current directory, which belong to the whole process, while a courier opens several runs at once and may be a thread
of a training that uses Neptune itself. It starts a ping thread for each run, keeps four files open, hooks ``atexit``,
``fork`` and ``sys.excepthook`` in a way that cannot be undone, and notes the courier's script as the run's source.
"""

from __future__ import annotations

import functools
import math
import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from neptune.attributes.atoms.string import String
from neptune.attributes.series.float_series import FloatSeries
from neptune.attributes.series.string_series import StringSeries
from neptune.constants import MAX_32_BIT_INT, OFFLINE_DIRECTORY
from neptune.core.components.metadata_file import MetadataFile
from neptune.core.components.operation_storage import OperationStorage
from neptune.core.components.queue.disk_queue import DiskQueue
from neptune.internal.container_type import ContainerType
from neptune.internal.operation import (
    AddStrings,
    AssignBool,
    AssignFloat,
    AssignInt,
    AssignString,
    ClearStringLog,
    DeleteAttribute,
    LogFloats,
    LogStrings,
    Operation,
    RemoveStrings,
    TrackFilesToArtifact,
)
from neptune.internal.operation_processors.utils import common_metadata, get_container_dir
from neptune.types.series.string_series import MAX_STRING_SERIES_VALUE_LENGTH

from multitrack.errors import BackendError

#: Neptune's limits: characters of a string field and of a string series' entry, largest integer, and how many
#: points the SDK puts into one operation.
STRING_LENGTH: Final[int] = String.MAX_VALUE_LENGTH
ENTRY_LENGTH: Final[int] = MAX_STRING_SERIES_VALUE_LENGTH
LARGEST_INT: Final[int] = MAX_32_BIT_INT
_FLOATS_AN_OPERATION: Final[int] = FloatSeries.max_batch_size
_STRINGS_AN_OPERATION: Final[int] = StringSeries.max_batch_size

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
        name = get_container_dir(container, ContainerType.RUN)
        self.target = data / OFFLINE_DIRECTORY / name
        self._path = self._aside / name
        self._path.mkdir(parents=True)
        self._container = container
        self._queue: DiskQueue[Operation | dict[str, Any]] | None = None
        self._trouble: OSError | None = None
        # Both write what they stand for at once.
        MetadataFile(self._path, common_metadata("offline", container, ContainerType.RUN))
        OperationStorage(self._path)

    def assign(self, path: str, value: bool | float | str) -> None:
        """Set a field; the caller keeps to Neptune's limits."""
        kinds: dict[type, type[Operation]] = {bool: AssignBool, int: AssignInt, float: AssignFloat, str: AssignString}
        self._put(kinds[type(value)](_parts(path), value))

    def delete(self, path: str) -> None:
        """Delete a field that there is."""
        self._put(DeleteAttribute(_parts(path)))

    def append_floats(self, path: str, entries: Sequence[Entry]) -> None:
        """Append finite floats to a series."""
        self._append(LogFloats, _FLOATS_AN_OPERATION, path, entries)

    def append_strings(self, path: str, entries: Sequence[Entry]) -> None:
        """Append strings of at most ``ENTRY_LENGTH`` characters to a series."""
        self._append(LogStrings, _STRINGS_AN_OPERATION, path, entries)

    def clear_strings(self, path: str) -> None:
        """Empty a series of strings; makes it where there is none."""
        self._put(ClearStringLog(_parts(path)))

    def add_label(self, path: str, value: str) -> None:
        """Add to a set of strings."""
        self._put(AddStrings(_parts(path), {value}))

    def remove_label(self, path: str, value: str) -> None:
        """Remove from a set of strings."""
        self._put(RemoveStrings(_parts(path), {value}))

    def track(self, path: str, uri: str) -> None:
        """Set an artifact field to a reference; nothing is read there."""
        # The project's id is random offline; one that a rebuild gives again is as good.
        self._put(TrackFilesToArtifact(_parts(path), self._container, [(uri, None)]))

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

    def _append(self, kind: type[Operation], size: int, path: str, entries: Sequence[Entry]) -> None:
        for start in range(0, len(entries), size):
            # As kind(...).to_dict() has it: making the SDK's objects would take longer than writing them.
            values = [
                {"value": value, "step": step, "ts": seconds(ms)} for value, step, ms in entries[start : start + size]
            ]
            self._put({"type": kind.__name__, "path": _parts(path), "values": values})

    def _put(self, operation: Operation | dict[str, Any]) -> None:
        if self._trouble is None:
            try:
                self._opened().put(operation)
            except OSError as error:
                self._trouble = error

    def _opened(self) -> DiskQueue[Operation | dict[str, Any]]:
        if self._queue is None:
            self._queue = DiskQueue(
                data_path=self._path, to_dict=_to_dict, from_dict=Operation.from_dict, lock=threading.RLock()
            )
        return self._queue


@functools.lru_cache(maxsize=1024)
def seconds(ms: int) -> float:
    """Milliseconds as Neptune's seconds, such that the SDK's ``int(seconds * 1000)`` is ``ms`` again."""
    value = ms / 1000
    return value if int(value * 1000) == ms else math.nextafter(value, math.inf)


def _to_dict(operation: Operation | dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = operation if isinstance(operation, dict) else operation.to_dict()
    return fields


def _parts(path: str) -> list[str]:
    return path.split("/")


def _synchronize(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
