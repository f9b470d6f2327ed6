"""Files that a tracker has inside of one of its own: written into the run's directory, and imported as references."""

from __future__ import annotations

import hashlib
from pathlib import Path

from multitrack.journal.run_files import run_file, write_run_file
from multitrack.records import ArtifactRef
from multitrack.sources.source import EmbeddedFile


class EmbeddedFiles:
    """The files of one run.

    Args:
        directory: The run's directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()

    def reference(self, file: EmbeddedFile) -> ArtifactRef:
        """The reference to a file, whether it was written or not: the same at every import."""
        return ArtifactRef(
            time=file.time, name=file.name, uri=self._path(file).as_uri(), kind=file.kind, size=len(file.content),
            digest=f"sha256:{hashlib.sha256(file.content).hexdigest()}",
        )  # fmt: skip

    def write(self, file: EmbeddedFile) -> None:
        """Write a file, unless it is there.

        Raises:
            OSError: If it cannot be written.
        """
        path = self._path(file)
        if not path.is_file() or path.stat().st_size != len(file.content):
            write_run_file(path, file.content)

    def _path(self, file: EmbeddedFile) -> Path:
        # Names that differ may be one file's; so may two contents under one name.
        key = hashlib.sha256(f"{file.name}\0".encode("utf-8", "backslashreplace") + file.content).hexdigest()[:12]
        return run_file(self._directory, f"{file.name}-{key}", file.suffix)
