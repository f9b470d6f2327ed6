"""The runs in directories of Neptune's 1.x client, without the SDK and without a server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from multitrack.errors import SourceError
from multitrack.hookspecs import Gap, SourceRecord, SourceRun
from multitrack_neptune.sources.attributes import NO_END, records_of, run_of
from multitrack_neptune.sources.offline.delivered import RUN_ID, DeliveredRun
from multitrack_neptune.sources.offline.directories import (
    Damage,
    Operation,
    RunDirectory,
    find_directories,
    read_operations,
)
from multitrack_neptune.sources.offline.operation_fields import OperationFields
from multitrack_neptune.sources.offline.series import count_captions, count_malformed, entries_of
from multitrack_neptune.sources.run_values import RunValues
from multitrack_neptune.sources.stored_runs import StoredRun, StoredRuns
from multitrack_neptune.sources.times import milliseconds


class OfflineRuns(StoredRuns):
    """The runs in a place.

    Args:
        place: A run's directory, ``.neptune`` or another data directory, a part of it, or the directory around it.

    Raises:
        SourceError: If there is no run.
    """

    def __init__(self, place: Path) -> None:
        super().__init__(str(place))
        self._directories = find_directories(place)
        if not self._directories:
            raise SourceError(f"{place} has no runs of Neptune: name .neptune, or the directory of a run")

    def opened(self) -> Iterator[StoredRun | Gap]:
        """Yield each run in the order of the times when their first directories were made."""
        by_run: dict[tuple[str, str], list[RunDirectory]] = {}
        for directory in self._directories:
            by_run.setdefault((directory.kind, directory.container), []).append(directory)
        for (kind, _), directories in by_run.items():
            path = directories[0].path
            if kind != "run":
                yield Gap(f"{path}: a {kind.replace('_', ' ')} of Neptune, no run; it was not imported")
                continue
            try:
                yield _OfflineRun(directories)
            except OSError as error:
                yield Gap(f"{path}: {error.strerror}; it was not imported")


class _OfflineRun:
    """A run, and the directories that it is in: one, or one for each process that continued it."""

    def __init__(self, directories: Sequence[RunDirectory]) -> None:
        self._damage = Damage()
        self._directories = directories
        self._fields = self._fold()
        self._delivered: DeliveredRun | None = None
        if RUN_ID in self._fields.values:
            if len(directories) > 1:  # ours are whole: an earlier version that was not yet removed, and the later one
                self._directories, self._damage = directories[-1:], Damage()
                self._fields = self._fold()
            self._delivered = DeliveredRun(self._fields, directories[0].container)
        self.run = self._delivered.run() if self._delivered is not None else self._described()

    def records(self) -> Iterator[SourceRecord]:
        """Yield the records of the run."""
        operations = read_operations(self._directories)
        kept = (operation for operation in operations if not self._fields.is_emptied(operation))
        if self._delivered is not None:
            yield from self._delivered.records(kept)
        else:
            yield from self._native(kept)
        yield from self._fields.gaps()
        yield from map(Gap, self._damage.sentences)

    def _native(self, operations: Iterator[Operation]) -> Iterator[SourceRecord]:
        yield from records_of(self._fields, self.run.created, _around(self._directories[0].path))
        with contextlib.closing(RunValues()) as values:
            self._add(operations, values)
            yield from values.records()
        if not self._damage.is_torn:
            yield NO_END

    def _add(self, operations: Iterator[Operation], values: RunValues) -> None:
        """Add the values of series."""
        for operation in operations:
            path = operation.path
            if operation.kind == "LogFloats":
                for value, step, time in entries_of(operation):
                    values.number(path, step, time, value)
            elif operation.kind == "LogStrings":
                for value, step, time in entries_of(operation):
                    values.text(path, step, time, value)
            elif operation.kind == "LogImages":
                for value, step, time in entries_of(operation):
                    values.image(path, step, time, value)
                values.leave_out(path, "names and descriptions of images", count_captions(operation))
            else:
                value = operation.body.get("value")
                if path in self._fields.changing and isinstance(value, (int, float)):
                    values.simple(path, operation.at or self.run.created, value)
                continue
            values.leave_out(path, "malformed values", count_malformed(operation))
        if not self._damage.is_torn:  # else the rest of a line may follow
            values.end()

    def _fold(self) -> OperationFields:
        fields = OperationFields()
        for operation in read_operations(self._directories, self._damage):
            try:
                fields.apply(operation)
            except (KeyError, TypeError, ValueError):
                fields.leave_out(operation.path, f"a malformed operation {operation.kind}")
        return fields

    def _described(self) -> SourceRun:
        first, fields = self._directories[0], self._fields
        created = milliseconds(first.created)
        if created is None:
            created = fields.first or first.path.stat().st_mtime_ns // 1_000_000
        return run_of(
            fields, first.container, _around(first.path).name or "neptune", created,
            None if self._damage.is_torn else fields.last or created,
            "running" if self._damage.is_torn else "finished",
        )  # fmt: skip


def _around(directory: Path) -> Path:
    """The directory around Neptune's data directory: where the program ran, unless a variable named another place."""
    for parent in directory.parents:
        if parent.name in ("offline", "async"):
            return parent.parent.parent
    return directory.parent
