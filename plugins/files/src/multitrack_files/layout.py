"""The directories of the tables: ``<directory>/<table>/<project>/<run>/part-<ordinal>.parquet``.

The folders have plain names, not ``key=value``: readers would add such keys as columns, pandas refuses them beside a
column of the same name, and a run named ``0003`` would become the number 3. Only ``_state`` has other files than the
tables' own: drafts that a reader's pattern must never match.
"""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

import msgspec

from multitrack.errors import PermanentError
from multitrack_files.durable import replace_durably
from multitrack_files.formats import Format
from multitrack_files.schema import SCHEMA_VERSION, TABLES, TableSchema, schema_json

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ODD = re.compile(r"[^A-Za-z0-9.-]+")


class Layout:
    """The paths of one project's runs.

    Args:
        directory: The directory of all tables.
        files: The format.
        project: The project.

    Attributes:
        drafts: Directory for unfinished files of no run.
        claims: Directory with a folder for each run: its claim, and its unfinished files.
    """

    def __init__(self, directory: Path, files: Format, project: str) -> None:
        self._directory = directory
        self._files = files
        self._project = folder_name(project)
        self.drafts = directory / "_state"
        self.claims = self.drafts / "runs" / self._project

    def parts(self, table: TableSchema, run: str) -> Path:
        """Return the directory of a run's parts."""
        return self._directory / table.name / self._project / run

    def row(self, run: str) -> Path:
        """Return the file of a run's row in ``runs``."""
        return self._directory / "runs" / self._project / f"{run}{self._files.suffix}"

    def prepare(self) -> None:
        """Create the directories, ``schema.json``, and an empty file for each table.

        The empty files make every query work, also one of a table that has no rows yet.

        Raises:
            PermanentError: The directory has tables of another version or format.
        """
        self.claims.mkdir(parents=True, exist_ok=True)
        described = self._directory / "schema.json"
        try:
            found = msgspec.json.decode(described.read_bytes(), type=_Described)
        except FileNotFoundError:
            found = _Described(SCHEMA_VERSION, self._files.name)
            content = schema_json(self._files.name)
            replace_durably(described, lambda file: file.write(content), self.drafts)
        if found.version != SCHEMA_VERSION:
            raise PermanentError(
                f"{self._directory} has tables of schema version {found.version}; this release of multitrack-files "
                f"writes version {SCHEMA_VERSION}: choose another directory"
            )
        if found.format != self._files.name:
            raise PermanentError(
                f"{self._directory} has tables in the format {found.format}, not {self._files.name}: choose another "
                "directory (readers take all files of a folder)"
            )
        for table in TABLES:
            empty = self._directory / table.name / f"empty{self._files.suffix}"
            if not empty.exists():
                replace_durably(empty, functools.partial(self._files.write, table, ()), self.drafts)


class _Described(msgspec.Struct):
    version: int
    format: str


def folder_name(project: str) -> str:
    """Return a folder name for a project: its own name, or a readable part of it with a digest of the whole."""
    if _PLAIN.fullmatch(project):
        return project
    digest = hashlib.sha256(project.encode()).hexdigest()[:8]
    return "-".join(part for part in (_ODD.sub("-", project).strip(".-")[:40], digest) if part)
