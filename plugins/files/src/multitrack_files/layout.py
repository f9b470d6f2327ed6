"""The directories of the tables: ``<directory>/<table>/<project>/<run>/part-<ordinal>.parquet``.

The folders have plain names, not ``key=value``: readers would add such keys as columns, pandas refuses them beside a
column of the same name, and a run named ``0003`` would become the number 3. Only ``_state`` has other files than the
tables' own: drafts that a reader's pattern must never match.
"""

from __future__ import annotations

import functools
from pathlib import Path

import msgspec

from multitrack.errors import PermanentError
from multitrack.journal.prepared import prepared
from multitrack.tables.folders import folder_name
from multitrack.tables.schema import TableSchema
from multitrack_files.durable import replace_durably
from multitrack_files.formats import Format
from multitrack_files.schema import SCHEMA_VERSION, TABLES, schema_json


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
        self._described = directory / "schema.json"
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
        try:
            self.check()
        except FileNotFoundError:
            content = schema_json(self._files.name)
            replace_durably(self._described, lambda file: file.write(content), self.drafts)
        for table in TABLES:
            empty = self._directory / table.name / f"empty{self._files.suffix}"
            if not empty.exists():
                replace_durably(empty, functools.partial(self._files.write, table, ()), self.drafts)

    def check(self) -> None:
        """Check that the tables are those of this release and format.

        Raises:
            FileNotFoundError: The directory has no tables.
            PermanentError: It has tables of another version or format.
        """
        found = msgspec.json.decode(self._described.read_bytes(), type=prepared(_Described))
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


class _Described(msgspec.Struct):
    version: int
    format: str
