"""Undocumented names of Neptune's SDK: the classes that write its offline format.

``neptune.init_run(mode="offline")`` uses these classes. It is not called itself, since it is made for a process with
one run. It takes its directory from an environment variable or the current directory, while a courier opens several
runs at once, and may be a thread of a training that uses Neptune itself. It starts a ping thread for each run, keeps
four files open, hooks ``atexit``, ``fork`` and ``sys.excepthook`` for good, and notes the courier's script as the run's
source.

If a release lacks one of the names, :mod:`multitrack_neptune.plain_files` writes the same files without the SDK.
"""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Any, Final, Protocol

from multitrack.plugins import import_sdk

#: Module and name. All releases from 1.10.0 to 1.14.0.post2 have them.
NAMES: Final = (
    ("neptune.core.components.metadata_file", "MetadataFile"),
    ("neptune.core.components.operation_storage", "OperationStorage"),
    ("neptune.core.components.queue.disk_queue", "DiskQueue"),
    ("neptune.internal.container_type", "ContainerType"),
    ("neptune.internal.operation_processors.utils", "common_metadata"),
)
_importing: Final = threading.Lock()


class Queue(Protocol):
    """A queue that appends a run's operations to its files."""

    def put(self, obj: dict[str, Any]) -> int:
        """Append an operation, and return its 1-based number."""

    def close(self) -> None:
        """Flush and close the files."""


class SdkFiles:
    """A run's files, written by the SDK.

    Args:
        names: The objects of :data:`NAMES`, by name.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names

    def create(self, directory: Path, container: str) -> None:
        """Write a run's metadata, and create its upload directory.

        Args:
            directory: The run's directory, which exists.
            container: The run's id in Neptune.
        """
        metadata = self._names["common_metadata"]("offline", container, self._names["ContainerType"].RUN)
        # Both constructors write their files.
        self._names["MetadataFile"](directory, metadata)
        self._names["OperationStorage"](directory)

    def queue(self, directory: Path) -> Queue:
        """Open a queue to append a run's operations."""
        queue: Queue = self._names["DiskQueue"](
            data_path=directory, to_dict=_unchanged, from_dict=_unchanged, lock=threading.RLock()
        )
        return queue


def sdk_files() -> SdkFiles | None:
    """Return the SDK's file writer; ``None`` if the installed release lacks one of the names.

    Raises:
        BackendNotInstalledError: The SDK is missing.
    """
    with _importing:  # the SDK has circular imports, which two threads must not run at once
        import_sdk("neptune")
        found = {name: _find(module, name) for module, name in NAMES}
    return None if None in found.values() else SdkFiles(found)


def missing() -> list[str]:
    """Return the names that the installed release lacks."""
    return [f"{module}.{name}" for module, name in NAMES if _find(module, name) is None]


def _find(module: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError:
        return None


def _unchanged(operation: dict[str, Any]) -> dict[str, Any]:
    return operation
