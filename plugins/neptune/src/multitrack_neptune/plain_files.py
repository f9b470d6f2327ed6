"""Write Neptune's offline format without the SDK.

The files are the same as those of every release from 1.10.0 to 1.14.0.post2, and Neptune's own reader accepts them:

====================  =============================================================================
``data-<n>.log``      operations, one JSON object per line; ``n`` is the number of the first one
``last_put_version``  number of operations
``last_ack_version``  number of operations that a server has: none
``metadata.json``     the run's id in Neptune, and its writer
``upload_path/``      files to upload: none
====================  =============================================================================
"""

from __future__ import annotations

import datetime
import json
import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any, Final

#: Maximum size of a file of operations, in bytes.
_LARGEST: Final = 64 * 1024**2
#: Version of the layout above.
_STRUCTURE: Final = 3


class PlainFiles:
    """A run's files; see :class:`multitrack_neptune.internals.SdkFiles`."""

    def create(self, directory: Path, container: str) -> None:
        """Write a run's metadata, and create its upload directory."""
        described = {
            "mode": "offline",
            "containerId": container,
            "containerType": "run",
            "structureVersion": _STRUCTURE,
            "os": platform.platform(),
            "pythonVersion": sys.version,
            "neptuneClientVersion": metadata.version("neptune"),
            "createdAt": datetime.datetime.now(datetime.UTC).isoformat(),
        }
        (directory / "metadata.json").write_text(json.dumps(described, indent=2))
        (directory / "upload_path").mkdir()

    def queue(self, directory: Path) -> PlainQueue:
        """Open a queue to append a run's operations."""
        return PlainQueue(directory)


class PlainQueue:
    """The operations of one run.

    Args:
        directory: The run's directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._counter = directory / "last_put_version"
        self._count = int(self._counter.read_text()) if self._counter.exists() else 0
        (directory / "last_ack_version").touch()
        firsts = [int(path.stem.partition("-")[2]) for path in directory.glob("data-*.log")]
        self._file = self._log(max(firsts, default=1))

    def put(self, obj: dict[str, Any]) -> int:
        """Append an operation, and return its 1-based number."""
        number = self._count + 1
        line = json.dumps({"obj": obj, "version": number, "at": time.time()}) + "\n"
        if self._file.tell() + len(line) > _LARGEST:
            self._file.close()
            self._file = self._log(number)
        self._file.write(line.encode("ascii"))
        self._count = number
        return number

    def close(self) -> None:
        """Flush and close the files."""
        self._file.close()
        self._counter.write_text(str(self._count))

    def _log(self, first: int) -> Any:
        return (self._directory / f"data-{first}.log").open("ab")
