"""Read a run back from the tables."""

from __future__ import annotations

import contextlib
import itertools
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from multitrack.errors import PermanentError, SourceError
from multitrack.hookspecs import RunInfo, SourceRecord, SourceRun
from multitrack.tables.records import records_in
from multitrack.tables.schema import RECORDED, TableSchema
from multitrack_files.formats import format_named
from multitrack_files.layout import Layout
from multitrack_files.parts import parts_in
from multitrack_files.schema import RUNS


class FilesSource:
    """One run in the tables. Reads a row group of a file at a time.

    Args:
        run: The run; ``backend_id`` is its name in the tables.

    Attributes:
        tracker: ``files``.
        address: The file of its row in ``runs``.
        notes: None.

    Raises:
        SourceError: The directory has no tables, or those of another version or format.
    """

    tracker = "files"
    notes = ()

    def __init__(self, run: RunInfo) -> None:
        directory = Path(run.options.directory)
        self._files = format_named(run.options.format)
        self._layout = Layout(directory, self._files, run.project)
        self._name = str(run.backend_id)
        self._row = self._layout.row(self._name)
        self.address = str(self._row)
        try:
            self._layout.check()
        except FileNotFoundError:
            raise SourceError(f"{directory} has no tables: schema.json is missing") from None
        except (PermanentError, OSError, ValueError) as error:
            raise SourceError(f"{directory}: {error}") from error

    def runs(self) -> Iterator[SourceRun]:
        """Yield the run.

        Raises:
            SourceError: Its row was deleted or cannot be read.
        """
        with _named(self._row):
            rows = list(self._files.rows(RUNS, self._row))
        for row in rows:
            yield _run(dict(zip((column.name for column in RUNS.columns), row, strict=True)))

    def records(self, run: SourceRun) -> Iterator[SourceRecord]:  # noqa: ARG002 - the only one
        """Yield the records of each table, in the order of their ordinals.

        Raises:
            SourceError: A file cannot be read.
        """
        for table in RECORDED:
            yield from self._records(table)

    def close(self) -> None:
        """Do nothing: every file is closed."""

    def _records(self, table: TableSchema) -> Iterator[SourceRecord]:
        ordinal = table.position("ordinal")
        for part in parts_in(self._layout.parts(table, self._name), self._files.suffix):
            with _named(part.path):
                for _, rows in itertools.groupby(self._files.rows(table, part.path), lambda row: row[ordinal]):
                    yield from records_in(table, list(rows))


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in errors."""
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(f"{path} was deleted") from error
    except (OSError, ValueError, TypeError, KeyError) as error:  # Arrow's errors are some of these
        raise SourceError(f"{path} cannot be read: {error}") from error


def _run(row: dict[str, Any]) -> SourceRun:
    return SourceRun(
        id=row["run"],
        project=row["project"],
        name=row["name"],
        created=row["started"],
        ended=row["ended"],
        status=row["status"],
        parent=row["parent"],
        group=row["run_group"],
        notes=row["notes"],
        user=row["user"],
        host=row["host"],
        program=row["program"],
        command=shlex.split(row["command"] or ""),
        commit=row["git_commit"],
        branch=row["git_branch"],
        remote=row["git_remote"],
        run_id=row["id"],
    )
