"""Write a run through Trackio's storage layer, with its own times, steps and row ids."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

from multitrack.errors import DeniedError, RetryableError
from multitrack_trackio.database import Database
from multitrack_trackio.internals import Storage
from multitrack_trackio.names import OWN
from multitrack_trackio.rows import Held, LogRow
from multitrack_trackio.values import stored, utc

#: The type of a picture in a row, ``trackio.Image.TYPE``.
IMAGE: Final = "trackio.image"
ROWS_A_TRANSACTION: Final = 5000
"""Bounds the memory for a long list metric; a transaction takes 25 ms, however few its rows."""
START: Final = "start"
"""Id of the row that every run has, even one without records; Trackio lists only runs with rows."""


class StorageWriter:
    """One run, written through the storage layer.

    Args:
        storage: The layer of the run's directory.
        directory: That directory.
        project: Trackio's project.
        run_id: The run's id in Trackio.
        name: The run's name in Trackio.
        recorded_name: The run's name in the journal.
        created: Start of the run (ms).
    """

    def __init__(
        self, storage: Storage, directory: Path, project: str, run_id: str, name: str, recorded_name: str, created: int
    ) -> None:
        self.id = run_id
        self.stand_ins: list[str] = []
        self._storage = storage
        self._directory = directory
        self._project = project
        self._name = name
        self._recorded_name = recorded_name
        self._start = LogRow(START, created, 0, {})
        self._database = Database(storage.path(project))
        self._unmarked = False
        self._opening = True

    def open(self) -> Held:
        """Find the run, and give it its current name, or take over the one that it was given in Trackio.

        Raises:
            DeniedError: The project's file has an earlier layout that the installed release cannot convert.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        self._storage.create(self._project)
        if not self._database.knows_run_ids():
            raise DeniedError(
                f"{self._storage.path(self._project)} was written by Trackio before 0.24: install a newer release of "
                "Trackio, which converts it, or set another project or directory"
            )
        names = self._database.names(self.id)
        if not names:
            return Held({}, complete=False)
        config = self._storage.config(self._project, self.id)
        if self._name not in names and config.get(f"{OWN}name") == self._recorded_name:
            self._name = names[-1]
        if names != [self._name]:
            self._database.rename(self.id, self._name)
        self._unmarked = self._database.has_unmarked(self.id)
        return Held(config, complete=not self._unmarked)

    def write(self, rows: list[LogRow], config: dict[str, Any] | None) -> None:
        """Write rows, and the config with the last of them. The row of the start is written by the first call.

        Raises:
            RetryableError: The run was deleted in Trackio meanwhile; it is delivered again from the start.
        """
        if not self._opening and not self._database.has_row(self._row_id(self._start)):
            raise RetryableError(f"run {self._name} was deleted in Trackio", reopen=True)
        # Trackio writes a config only beside a row; one that is there already is ignored.
        rows = [self._start, *rows] if config is not None else rows
        if not rows:
            return
        for start in range(0, len(rows), ROWS_A_TRANSACTION):
            last = start + ROWS_A_TRANSACTION >= len(rows)
            self._log(rows[start : start + ROWS_A_TRANSACTION], config if last else None)
        self._opening = False

    def close(self) -> None:
        """Take over the name if the run was renamed in Trackio meanwhile; it would be listed twice otherwise."""
        others = [name for name in self._database.names(self.id) if name != self._name]
        if others:
            self._name = others[-1]
            self._database.rename(self.id, self._name)

    def _log(self, rows: list[LogRow], config: dict[str, Any] | None) -> None:
        found = [(self._row_id(row), utc(row.time), row.step, self._values(row)) for row in rows]
        if self._unmarked:
            self._database.remove_unmarked(self.id, [(time, step, stored(values)) for _, time, step, values in found])
        self._storage.log(self._project, self._name, self.id, found, config)

    def _row_id(self, row: LogRow) -> str:
        """Return the row's id in the whole project."""
        return f"{self.id}/{row.id}"

    def _values(self, row: LogRow) -> dict[str, Any]:
        if row.figure is None:
            return row.values
        # Below the run's id, not its name: a name may change, and may be that of another run.
        path = Path(self._project, self.id, str(row.step), f"{row.id}{row.figure.source.suffix.lower()}")
        _copy(row.figure.source, self._directory / "media" / path)
        return {**row.values, row.figure.key: {"_type": IMAGE, "file_path": str(path), "caption": row.figure.caption}}


def _copy(source: Path, target: Path) -> None:
    """Copy a file so that a kill leaves none or all of it; a file that has gone since leaves the earlier copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    try:
        shutil.copyfile(source, part)
    except FileNotFoundError:
        return
    part.replace(target)
