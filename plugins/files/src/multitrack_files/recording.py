"""One run being written: rows are collected by the data hooks, and become durable parts in ``flush``."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from multitrack.errors import RetryableError
from multitrack.hookspecs import RunInfo
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Status, Tags
from multitrack.tables.rows import artifact_rows, line_rows, list_rows, metric_rows, param_rows, tag_rows
from multitrack.tables.schema import ARTIFACTS, LINES, PARAMS, POINTS, RECORDED, TAGS, Cell, Row, TableSchema
from multitrack.tables.values import NOT_FINITE
from multitrack_files.claims import claim, name_of
from multitrack_files.durable import replace_durably
from multitrack_files.formats import format_named
from multitrack_files.layout import Layout
from multitrack_files.parts import Parts
from multitrack_files.schema import RUNS, SCHEMA_VERSION

_NAME: Final = POINTS.position("name")
_TEXT: Final = POINTS.position("text")
#: Texts of numbers that the column ``value`` has exactly.
_EXACT: Final = frozenset({None, *NOT_FINITE})

AnyRecord = Params | Metric | ListMetric | ArtifactRef | Lines | Tags

#: The table and the rows of each kind of record.
_KINDS: Final[dict[type, tuple[TableSchema, Callable[[str, Any], Iterator[Row]]]]] = {
    Params: (PARAMS, param_rows),
    Metric: (POINTS, metric_rows),
    ListMetric: (POINTS, list_rows),
    ArtifactRef: (ARTIFACTS, artifact_rows),
    Lines: (LINES, line_rows),
    Tags: (TAGS, tag_rows),
}


class Recording:
    """One run being written. Not thread-safe.

    Args:
        run: The run.

    Attributes:
        id: The run's name in the tables.
        new: True if the tables have no records of the run yet.
        path: The file of its row in ``runs``.
        complete: True if the run has ended and its parent is known.

    Raises:
        PermanentError: The directory has tables of another version.
        OSError: The directory cannot be written.
    """

    def __init__(self, run: RunInfo) -> None:
        self._files = format_named(run.options.format)
        self._layout = Layout(Path(run.options.directory), self._files, run.project)
        self._layout.prepare()
        self._claim = claim(self._layout.claims, run)
        self.id, self.new = self._claim.run, self._claim.new
        self.path = self._layout.row(self.id)
        self._parts = {
            table: Parts(table, self._layout.parts(table, self.id), self._claim.directory, self._files)
            for table in RECORDED
        }
        self._rows: dict[TableSchema, dict[int, list[Row]]] = {table: {} for table in RECORDED}
        self._row = _described(run, self.id)
        self._linked = run.parent is None
        self._write_row()

    def log(self, records: Sequence[AnyRecord]) -> list[str]:
        """Collect the rows of some records, and return the stand-ins. Repeated records replace their earlier rows."""
        inexact: set[str] = set()
        for record in records:
            table, rows_of = _KINDS[type(record)]
            rows = self._rows[table][record.ordinal] = list(rows_of(self.id, record))
            if table is POINTS:
                inexact.update(str(row[_NAME]) for row in rows if row[_TEXT] not in _EXACT)
        return [
            f"metric {name}: has integers that no double holds; the column text has them exactly"
            for name in sorted(inexact)
        ]

    def flush(self) -> None:
        """Write the collected rows durably, in place of all rows from the first one's ordinal on.

        Raises:
            RetryableError: The tables were deleted; the lane must begin again.
            OSError: A file cannot be written.
        """
        if not self._claim.holds():
            raise RetryableError(f"{self._claim.directory} was deleted; the run is written again", reopen=True)
        ordinals = [ordinal for rows in self._rows.values() for ordinal in rows]
        if not ordinals:
            return
        start = min(ordinals)
        for table, parts in self._parts.items():
            collected = self._rows[table]
            parts.replace_from(start, [row for ordinal in sorted(collected) for row in collected[ordinal]])
        for table, parts in self._parts.items():
            parts.merge()
            self._rows[table].clear()

    def link(self, parent: str) -> None:
        """Write the parent's name in the tables."""
        self._row["parent"] = parent
        self._write_row()
        self._linked = True

    def end(self, status: Status, time: int) -> None:
        """Merge the parts, and write status and end time."""
        for parts in self._parts.values():
            parts.merge(closing=True)
        self._row["status"], self._row["ended"] = status, time
        self._write_row()

    @property
    def complete(self) -> bool:
        """True if nothing is left to be written."""
        return self._linked and self._row["ended"] is not None

    def find(self, run_id: str) -> str | None:
        """Return the name in the tables of another run of the project; None if they do not have it."""
        return name_of(self._layout.claims, run_id)

    def _write_row(self) -> None:
        row = tuple(self._row[column.name] for column in RUNS.columns)
        chunks = [self._files.encode(RUNS, [row])]
        replace_durably(self.path, functools.partial(self._files.write, RUNS, chunks), self._layout.drafts)


def _described(run: RunInfo, name: str) -> dict[str, Cell]:
    """Return the row of a running run in ``runs``: user, host and so on are the training's, not the courier's."""
    row: dict[str, Cell] = dict.fromkeys(column.name for column in RUNS.columns)
    row |= {
        "run": name, "id": run.id, "project": run.project, "name": run.name, "status": "running",
        "started": run.created, "run_group": run.group, "notes": run.notes, "schema_version": SCHEMA_VERSION,
    }  # fmt: skip
    if (context := run.context) is not None:
        row |= {
            "user": context.user, "host": context.host, "program": context.program,
            "command": shlex.join(context.command), "directory": context.cwd, "python": context.python,
            "platform": context.platform,
        }  # fmt: skip
        if (git := context.git) is not None:
            row |= {
                "git_commit": git.commit, "git_branch": git.branch, "git_dirty": git.dirty, "git_remote": git.remote,
            }  # fmt: skip
    return row
