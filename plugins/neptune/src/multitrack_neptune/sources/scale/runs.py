"""The runs in SQLite files of neptune-scale, without the SDK and without a server."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from multitrack.errors import SourceError
from multitrack.hookspecs import Gap, SourceRecord
from multitrack.records import Status
from multitrack_neptune.sources.attributes import NO_END, PARENT_PROJECT, records_of, run_of
from multitrack_neptune.sources.fields import Fields, File
from multitrack_neptune.sources.run_values import RunValues
from multitrack_neptune.sources.scale.database import connected, find_databases, is_open, read_operations
from multitrack_neptune.sources.scale.messages import (
    Creation,
    FileInNeptune,
    Histogram,
    Snapshot,
    Value,
    read_creation,
    read_snapshot,
)
from multitrack_neptune.sources.stored_runs import StoredRun, StoredRuns
from multitrack_neptune.sources.times import moment

_CREATION = 1


class ScaleRuns(StoredRuns):
    """The runs of a place.

    Args:
        place: A file, the directory of a run, ``.neptune``, or the directory around it.

    Raises:
        SourceError: If there is no run.
    """

    def __init__(self, place: Path) -> None:
        super().__init__(str(place))
        self._paths = find_databases(place)
        if not self._paths:
            raise SourceError(f"{place} has no SQLite files of neptune-scale")

    def opened(self) -> Iterator[StoredRun | Gap]:
        """Yield each run in the order of the names of its files, which have the times when they were made."""
        by_run: dict[tuple[str, str], list[Path]] = {}
        for path in self._paths:
            try:
                with connected(path) as connection:
                    found = connection.execute("SELECT project, run_id FROM metadata LIMIT 1").fetchone()
            except (sqlite3.Error, OSError) as error:
                yield Gap(f"{path}: {error}; it was not imported")
                continue
            if found is None:
                yield Gap(f"{path}: has no run in it; it was not imported")
                continue
            by_run.setdefault(found, []).append(path)
        for (project, run_id), paths in by_run.items():
            try:
                yield _ScaleRun(str(project), str(run_id), paths)
            except (sqlite3.Error, OSError) as error:
                yield Gap(f"{paths[0]}: {error}; it was not imported")


class _ScaleRun:
    def __init__(self, project: str, run_id: str, paths: list[Path]) -> None:
        self._project, self._id, self._paths = project, run_id, paths
        self._fields = Fields()
        self._damage: list[str] = []
        self._uploads: dict[str, str] = {}  # local path by the path in Neptune
        self._is_open = is_open(paths[-1])
        for path in paths:
            self._fold(path)
        ended = None if self._is_open else self._fields.last or 0
        status: Status = "running" if self._is_open else "finished"
        self.run = run_of(self._fields, run_id, project, self._fields.first or 0, ended, status, scope=project)

    def records(self) -> Iterator[SourceRecord]:
        """Yield the records of the run."""
        yield from records_of(self._fields, self.run.created, Path("/"))
        with contextlib.closing(RunValues()) as values:
            for path in self._paths:
                with connected(path) as connection:
                    for message in _messages(connection, []):
                        if isinstance(message, Snapshot):
                            self._add(message, values)
            if not self._is_open:
                values.end()
            yield from values.records()
        yield from self._fields.gaps()
        yield from map(Gap, self._damage)
        if not self._is_open:
            yield NO_END

    def _fold(self, path: Path) -> None:
        damage: list[str] = []
        with connected(path) as connection:
            self._uploads |= _uploads(connection, damage)
            for message in _messages(connection, damage):
                if isinstance(message, Snapshot):
                    self._apply(message)
                elif "sys/creation_time" not in self._fields.values:  # a run that was continued keeps its start
                    self._create(message)
        self._damage += [f"{path}: {sentence}" for sentence in damage]

    def _create(self, creation: Creation) -> None:
        """Set the fields that the server would."""
        parent, step = creation.parent, creation.fork_step
        is_elsewhere = parent and creation.parent_project not in ("", self._project)
        given = {
            "sys/name": creation.experiment or None,
            "sys/creation_time": moment(creation.created),
            "sys/forking/parent": parent or None,
            PARENT_PROJECT: creation.parent_project if is_elsewhere else None,
            "sys/forking/step": None if step is None or not parent else f"{step:f}",
        }
        for path, value in given.items():
            if value is not None:
                self._fields.assign(path, value)

    def _apply(self, snapshot: Snapshot) -> None:
        fields = self._fields
        fields.seen(snapshot.time)
        for path, value in snapshot.assigned:
            if isinstance(value, FileInNeptune):
                fields.files[path] = [self._file(value)]
            elif isinstance(value, list):
                fields.sets[path] = dict.fromkeys(value)
            elif value is None or isinstance(value, Histogram):
                fields.leave_out(path, _kind(value))
            else:
                fields.assign(path, value)
        for path, member, is_added in snapshot.members:
            if is_added:
                fields.sets.setdefault(path, {})[member] = None
            else:
                fields.sets.get(path, {}).pop(member, None)
        for path, value in snapshot.appended:
            if isinstance(value, FileInNeptune):
                step = "" if snapshot.step is None else f"/{snapshot.step:f}"
                fields.files[f"{path}{step}"] = [self._file(value)]

    def _add(self, snapshot: Snapshot, values: RunValues) -> None:
        for path, value in snapshot.assigned:
            if path in self._fields.changing and isinstance(value, (int, float)):
                values.simple(path, snapshot.time, value)
        for path, value in snapshot.appended:
            if snapshot.is_preview:
                values.leave_out(path, "previews of values to come")
            elif isinstance(value, (int, float)):
                values.number(path, snapshot.step, snapshot.time, value)
            elif isinstance(value, str):
                values.text(path, snapshot.step, snapshot.time, value)
            elif not isinstance(value, FileInNeptune):
                values.leave_out(path, _kind(value))

    def _file(self, file: FileInNeptune) -> File:
        local = self._uploads.get(file.path)
        if local is None:  # the client forgets the path of a file that the server has
            return File(f"neptune://{quote(f'{self._project}/{file.path}')}", size=file.size)
        return File(Path(local).as_uri(), size=file.size)


def _messages(connection: sqlite3.Connection, damage: list[str]) -> Iterator[Snapshot | Creation]:
    for row in read_operations(connection, damage):
        try:
            yield read_creation(row.body) if row.kind == _CREATION else read_snapshot(row.body, row.time)
        except ValueError as error:
            damage.append(f"operation {row.number} is damaged ({error}) and was left out")


def _uploads(connection: sqlite3.Connection, damage: list[str]) -> dict[str, str]:
    """The local path of each file that the server does not have yet, by its path in Neptune."""
    try:
        return dict(connection.execute("SELECT destination, source_path FROM file_upload_requests"))
    except sqlite3.Error as error:
        damage.append(f"the paths of files cannot be read: {error}")
        return {}


def _kind(value: Value | None) -> str:
    return "histograms" if isinstance(value, Histogram) else "values of an unknown type"
