"""Undocumented names of Neptune's SDK: the classes that write its offline format.

They are the ones that ``neptune.init_run(mode="offline")`` ends in. It is not called itself, since it belongs to a
process with one run: it takes its directory from an environment variable or the current directory, while a courier
opens several runs at once and may be a thread of a training that uses Neptune itself. It starts a ping thread for each
run, keeps four files open, hooks ``atexit``, ``fork`` and ``sys.excepthook`` in a way that cannot be undone, and notes
the courier's script as the run's source.

Where a release lacks one of the names, :mod:`multitrack_neptune.plain_files` writes the same files without the SDK.
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
    """A run's operations on their way into its files."""

    def put(self, obj: dict[str, Any]) -> int:
        """Append an operation; its number, from 1."""

    def close(self) -> None:
        """Hand everything to the kernel and close the files."""


class SdkFiles:
    """A run's files, written by the SDK.

    Args:
        names: What :data:`NAMES` stand for, by name.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names

    def create(self, directory: Path, container: str) -> None:
        """Write a run's metadata and make its place for uploads.

        Args:
            directory: The run's directory, which exists.
            container: The run's id in Neptune.
        """
        metadata = self._names["common_metadata"]("offline", container, self._names["ContainerType"].RUN)
        # Both write what they stand for at once.
        self._names["MetadataFile"](directory, metadata)
        self._names["OperationStorage"](directory)

    def queue(self, directory: Path) -> Queue:
        """Open a run's operations to append to them."""
        queue: Queue = self._names["DiskQueue"](
            data_path=directory, to_dict=_unchanged, from_dict=_unchanged, lock=threading.RLock()
        )
        return queue


def sdk_files() -> SdkFiles | None:
    """The SDK's way to write a run's files; ``None`` if the installed release lacks one of its names.

    Raises:
        BackendNotInstalledError: The SDK is missing.
    """
    with _importing:  # the SDK's modules import each other in circles, which two threads must not enter
        import_sdk("neptune")
        found = {name: _find(module, name) for module, name in NAMES}
    return None if None in found.values() else SdkFiles(found)


def missing() -> list[str]:
    """The names that the installed release lacks."""
    return [f"{module}.{name}" for module, name in NAMES if _find(module, name) is None]


def _find(module: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError:
        return None


def _unchanged(operation: dict[str, Any]) -> dict[str, Any]:
    return operation
