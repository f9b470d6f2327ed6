"""Export runs into a data set: only what changed since the last export, and visible all at once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from multitrack.dataset.damage import check_files
from multitrack.dataset.manifest import DataSet, FileState, State, decode
from multitrack.dataset.object_store import GenerationTakenError
from multitrack.dataset.reading import read_state, require_arrow
from multitrack.dataset.schema import TABLES
from multitrack.dataset.stores import Store, open_store
from multitrack.errors import ExportError
from multitrack.export.changes import Changes, RunPlace
from multitrack.export.place import STATE, check_place, is_own, mark
from multitrack.reading.recorded_run import RecordedRun

#: Seconds for which files of earlier exports stay, for readers that began before.
KEEP: Final = 3600.0
#: Times that an export to an object store begins again because another one finished first.
_ATTEMPTS: Final = 10
_EMPTY: Final = "/-empty.parquet"  # no folder of a project begins so
#: Age in milliseconds at which a file in an object store that no export finished is deleted.
_ABANDONED: Final = 86_400_000


class Exported(msgspec.Struct, frozen=True):
    """The outcome of an export.

    Attributes:
        location: The directory or URL.
        generation: Number of the export; the earlier one's if nothing changed.
        runs: Number of runs in the data set.
        new: Number of runs that it did not have.
        changed: Number of runs that it had otherwise.
        unchanged: Number of runs that it has already.
        removed: Number of runs that it no longer has.
        rows: Number of rows written.
        size: Bytes written; 0 for Delta tables.
    """

    location: str
    generation: int
    runs: int
    new: int
    changed: int
    unchanged: int
    removed: int = 0
    rows: int = 0
    size: int = 0


def export(
    runs: Iterable[RecordedRun],
    location: str | Path,
    *,
    storage: Literal["parquet", "delta"] = "parquet",
    keep: float = KEEP,
    prune: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Exported:
    """Write runs into a data set, which is created if need be. See docs/export.md.

    Readers see the data set as it was before, or with the whole export. A process that is killed leaves the former.
    Runs that the data set has and that are not among ``runs`` stay, unless ``prune`` is given.

    Args:
        runs: The runs, from :meth:`~multitrack.reading.reader.JournalReader.runs`.
        location: A directory, or a URL such as ``s3://bucket/runs``: empty, new, or a data set.
        storage: ``delta`` to write Delta tables instead of Parquet files.
        keep: Seconds for which files stay that an export replaced.
        prune: True to remove the runs that are not among ``runs``.
        progress: Called with the number of runs written so far.

    Raises:
        ExportError: If the data set cannot be written, is of a newer release, or has another storage, or if the place
            has other files.
        ImportError: If PyArrow, or a package for the URL or for Delta tables, is not installed.
        OSError: If a file cannot be written.
    """
    require_arrow()
    store = open_store(location)
    check_place(store)
    every = [RunPlace.of(run) for run in runs]  # twice, if another export finishes first
    with store.exclusive():
        for _ in range(_ATTEMPTS):
            try:
                return _Export(store, storage, keep, prune, progress or (lambda _: None)).run(every)
            except GenerationTakenError:
                continue
    raise ExportError(f"{store.location}: {_ATTEMPTS} other exports finished first; try again")


class _Export:
    """One attempt of an export."""

    def __init__(
        self, store: Store, storage: Literal["parquet", "delta"], keep: float, prune: bool,
        progress: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._store = store
        self._storage = storage
        self._keep = keep
        self._prune = prune
        self._progress = progress

    def run(self, runs: list[RunPlace]) -> Exported:
        from multitrack.export.delta_export import DeltaExport  # noqa: PLC0415 - PyArrow takes 0.3 s
        from multitrack.export.parquet_export import ParquetExport  # noqa: PLC0415 - see above

        store, content = self._store, self._store.current()
        before = None if content is None else decode(content, store.location)
        if before is not None and before.storage != self._storage:
            raise ExportError(f"{store.location} has {before.storage} files: give --format {before.storage}")
        if before is None:
            mark(store)
        generation = 1 if before is None else before.generation + 1
        state = State() if before is None else self._state_of(before, content)
        changes = Changes(state, generation)
        changed = changes.of(runs)
        gone = changes.gone() if self._prune else []
        count = Exported(
            store.location, generation, 0, sum(change.is_new for change in changed),
            sum(not change.is_new for change in changed), len(runs) - len(changed), len(gone),
        )  # fmt: skip
        if not changed and not gone and before is not None:
            self._clean(state, before)
            return msgspec.structs.replace(count, generation=before.generation, runs=before.runs)
        if self._storage == "delta":
            delta = DeltaExport(store, state, changes, before is None)
            delta.write(changed, gone, self._progress)
            data = self._commit(state, generation, set(), delta.versions)
            self._clean(state, data)
            return msgspec.structs.replace(count, runs=data.runs, rows=delta.rows)
        earlier = {file.path for file in state.files}
        try:
            written = ParquetExport(store, state, changes, generation).write(changed, gone, self._progress)
            data = self._commit(state, generation, earlier, {})
        except BaseException:
            self._discard()
            raise
        self._clean(state, data)
        counted = {file.path for file in state.files}
        new = [file for file in written if file.path in counted]
        return msgspec.structs.replace(
            count, runs=data.runs, rows=sum(file.rows for file in new), size=sum(file.size for file in new)
        )

    def _state_of(self, before: DataSet, content: bytes | None) -> State:
        """Read the state of the last export, and check that its files are there."""
        state = read_state(self._store, before)
        expected: dict[str, int | None] = dict.fromkeys(path for some in before.files.values() for path in some)
        if before.storage == "delta":
            from multitrack.export.delta_export import file_sizes  # noqa: PLC0415 - see run

            expected = {**file_sizes(self._store, before)}
        expected |= {file.path: file.size for file in state.files}
        try:
            check_files(self._store, expected)
        except ExportError:
            if self._store.current() != content:  # another export has replaced them
                raise GenerationTakenError from None
            raise
        return state

    def _discard(self) -> None:
        """Delete what this attempt has created, unless it became visible before the error."""
        content = self._store.current()
        if content is None or decode(content, self._store.location).state not in self._store.created:
            for path in self._store.created:
                if not path.endswith(_EMPTY):
                    self._store.delete(path)

    def _commit(self, state: State, generation: int, earlier: set[str], versions: dict[str, int]) -> DataSet:
        """Write the state, then make the export visible."""
        store, now = self._store, int(time.time() * 1000)
        retired = {path: since for path, since in state.retired.items() if now - since < self._keep * 1000}
        state.retired = retired | dict.fromkeys(earlier - {file.path for file in state.files}, now)
        files = {name: [name] for name in versions} or self._files(state.files)
        path = f"{STATE}/{generation:06}-{secrets.token_hex(6)}.msgpack"
        with store.create(path) as file:
            file.write(msgspec.msgpack.encode(state))
        data = DataSet(
            storage=self._storage, generation=generation, written=now, runs=len(state.runs), files=files,
            versions=versions, state=path,
        )  # fmt: skip
        store.commit(generation, data.encode())
        return data

    def _files(self, files: list[FileState]) -> dict[str, list[str]]:
        """The files of each table; of a table without rows, one without rows, so that every reader can read it."""
        found: dict[str, list[str]] = {table.name: [] for table in TABLES}
        for file in files:
            found[file.table].append(file.path)
        for table in TABLES:
            if not found[table.name]:
                found[table.name].append(self._empty(table))
        return found

    def _empty(self, table: Any) -> str:
        from multitrack.export.files import schema_of  # noqa: PLC0415 - PyArrow takes 0.3 s
        from multitrack.tables import parquet  # noqa: PLC0415 - see above

        path = f"{table.name}{_EMPTY}"
        if path not in {name for name, _ in self._store.files(table.name)}:
            with self._store.create(path) as file:
                parquet.write(schema_of(table), (), file)
        return path

    def _clean(self, state: State, data: DataSet) -> None:
        """Delete files that no reader needs any more: replaced ones after a while, and those of a killed export.

        Only names that exports give are deleted: people put files of their own into a data set's folders.
        """
        now = int(time.time() * 1000)
        needed = {file.path for file in state.files} | {data.state}
        needed |= {path for paths in data.files.values() for path in paths}
        of_tables = () if data.storage == "delta" else tuple(table.name for table in TABLES)
        for folder in (*of_tables, STATE):
            for path, changed in list(self._store.files(folder)):
                if path in needed or not is_own(path):
                    continue
                replaced = state.retired.get(path)
                if replaced is not None:
                    is_over = now - replaced >= self._keep * 1000
                elif self._store.local or path in self._store.created:  # of this export, or of one that was killed
                    is_over = True
                else:  # perhaps of an export that goes on
                    is_over = 0 < changed <= now - _ABANDONED
                if is_over:
                    self._store.delete(path)
